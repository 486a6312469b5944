"""Which addresses make sense on both ends of a link."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swarm.node.peer import Peer
    from swarm.wire.hop import Address


def tellable(addresses: Iterable[Address], peer: Peer) -> list[Address]:
    """Of loopback only what came or goes over loopback; nothing that is good on one wire alone."""
    local = ip_address(peer.link.address[0]).is_loopback
    told = []
    for host, port in addresses:
        try:
            address = ip_address(host)
        except ValueError:  # the book is a file, and may say anything
            continue
        if not address.is_link_local and (local or not address.is_loopback):
            told.append((host, port))
    return told
