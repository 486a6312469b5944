"""Which addresses are on this machine's own networks. Nobody on the network is let say that another one be dialled."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

import ifaddr

if TYPE_CHECKING:
    from collections.abc import Iterable

    Address = tuple[str, int]
    Network = IPv4Network | IPv6Network

MAX_ADDRESSES = 4  # of one announcement that are looked at; each may cost a dial


def networks() -> tuple[Network, ...]:
    """Those of the machine's interfaces."""
    found = {ip_network(written, strict=False) for written in interfaces()}
    return tuple(sorted(found, key=str))


def interfaces() -> tuple[str, ...]:
    """The machine's addresses as HOST/PREFIX: another one after each change, also to a neighbour's address."""
    found = set()
    for adapter in ifaddr.get_adapters():
        for entry in adapter.ips:
            host = entry.ip if isinstance(entry.ip, str) else entry.ip[0]
            found.add(f"{host}/{entry.network_prefix}")
    return tuple(sorted(found))


def within(hosts: Iterable[str], port: int, near: Iterable[Network], *, local: bool = False) -> list[Address]:
    """Those of `hosts` that may be dialled at `port`: real addresses of single machines, on one of these networks.

    `local`: we are on loopback alone; to everybody else, whoever says "loopback" means himself.
    """
    usable: list[Address] = []
    nets = tuple(near)
    if not 0 < port < 1 << 16:
        return usable
    for host in hosts:
        try:
            address = ip_address(host)
        except ValueError:
            continue
        if address.is_multicast or address.is_unspecified or address.is_link_local or address.is_loopback > local:
            continue
        home = next((net for net in nets if address.version == net.version and address in net), None)
        # a broadcast address is a whole network's; /31 and /32 have none
        if home is not None and not (home.version == 4 and home.prefixlen < 31 and address == home.broadcast_address):
            usable.append((str(address), port))
    return usable[:MAX_ADDRESSES]
