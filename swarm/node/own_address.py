"""The addresses at which this machine can be reached by others, for keys and for what peers may tell."""

from __future__ import annotations

from ipaddress import ip_address

import ifaddr

MAX_ADDRESSES = 4  # in a key


def own_addresses(bound: str, port: int) -> tuple[tuple[str, int], ...]:
    """What to tell others: the address we are bound to, or all of this machine's, IPv4 first.

    Loopback only where there is nothing else (two daemons on one machine without a network), link-local never.
    """
    if not ip_address(bound).is_unspecified:
        return ((bound, port),)
    found = []
    for adapter in ifaddr.get_adapters():
        for entry in adapter.ips:
            text = entry.ip if isinstance(entry.ip, str) else entry.ip[0]
            address = ip_address(text)
            if not (address.is_link_local or address.is_multicast or address.is_unspecified):
                found.append(address)
    outside = [address for address in found if not address.is_loopback]
    chosen = outside or [address for address in found if address.version == 4]
    chosen.sort(key=lambda address: address.version)
    return tuple((str(address), port) for address in dict.fromkeys(chosen))[:MAX_ADDRESSES]
