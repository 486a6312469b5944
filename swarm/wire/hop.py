"""A hop: where a link's datagrams go next. Either straight to an address, or into a channel of a relay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from swarm.wire.lane import Via

Address: TypeAlias = tuple[str, int]  # an IP address as text, and a port


@dataclass(frozen=True, slots=True)
class Channel:
    """One of a relay; whoever is at its other end gets what is put into it."""

    relay: bytes  # the relay's public key, 32 bytes
    number: int
    via: Via


Hop: TypeAlias = Address | Channel  # an address is not wrapped: one is looked at for every datagram that arrives


@dataclass(frozen=True, slots=True)
class Door:
    """A device at a relay, before there is a channel to it."""

    relay: bytes  # the relay's public key
    handle: bytes  # 16 bytes: the device's name at that relay


@dataclass(frozen=True, slots=True)
class Places:
    """Where the peer of a link may be reached, as it says itself."""

    own: tuple[Address, ...] = ()  # where it listens: its interfaces, and ports that its router maps to it
    seen: tuple[Address, ...] = ()  # where others see its packets come from: behind a NAT, to be punched
    doors: tuple[Door, ...] = ()
