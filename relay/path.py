"""Where a frame came from, and where one goes to.

A UDP path is what the socket gives: (host, port), or (host, port, flow, scope) with IPv4 as ::ffff:192.0.2.1. It is
kept as it is, so that passing on needs no conversion and no object for each packet. A TCP connection is a Stream.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

from swarm.wire.relay_frame import Address, pack_address, unpack_address


class Stream(NamedTuple):
    """A TCP connection."""

    host: str
    port: int
    number: int  # counts connections, so that no two are ever equal


Path: TypeAlias = "tuple[Any, ...] | Stream"


def address_of(path: Path) -> Address:
    """(host, port) as everybody writes them."""
    return unpack_address(pack_address((path[0], path[1])))
