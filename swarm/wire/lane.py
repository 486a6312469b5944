"""What the upper rooms know of a network: links and lanes, and nothing of QUIC, TLS or sockets.

A *link* is an encrypted connection to somebody who has yet to prove who they are. It carries *lanes*: ordered duplex
byte streams. Lane 0, opened by the side that dialled, is the control lane; every other lane carries bulk data. Whole
nodes are tested over an in-memory link that implements the same two Protocols.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm.wire.hop import Places

Route = Literal["direct", "punched", "relayed", "tcp"]
Via = Literal["udp", "tcp"]  # how a relay is reached


class Lane(Protocol):
    """An ordered duplex byte stream."""

    async def read(self, limit: int) -> bytes:
        """At least 1 and at most `limit` bytes; b"" once the other side has closed.

        Raises Unavailable when the link is lost.
        """
        ...

    async def write(self, data: bytes) -> None:
        """Queues all of `data`, and returns once the lane has room again (this is the back-pressure).

        Raises Unavailable when the link is lost.
        """
        ...

    def close(self) -> None:
        """Ends our direction; what was written is still delivered."""
        ...


class Link(Protocol):
    """An encrypted connection with one peer, authenticated by the session above it."""

    dialled: bool  # True on the side that opened the link
    binding: bytes  # 32 bytes, the same on both sides and unknown to anybody else (the channel binding)
    on_route: Callable[[], None] | None  # called when `route`, `via`, `relay` or `address` are others; may be set

    @property
    def route(self) -> Route: ...

    @property
    def address(self) -> tuple[str, int]:
        """Where the peer is, as seen from here, or the relay that leads to it: host, port."""
        ...

    @property
    def relay(self) -> str | None:
        """The relay in use, for people; None for none."""
        ...

    @property
    def via(self) -> Via | None:
        """How the relay in use is reached."""
        ...

    async def open_lane(self) -> Lane: ...

    async def accept_lane(self) -> Lane:
        """The next lane that the peer opens. Raises Unavailable when the link is lost."""
        ...

    def trust(self) -> None:
        """The peer is authenticated: lifts the limits on strangers (one lane, 4 KiB, 5 seconds)."""
        ...

    def seek(self, places: Places) -> None:
        """The peer says where it may be reached: the best way there is found, and used. Only after `trust`."""
        ...

    def round_trip(self) -> float | None:
        """Smoothed round-trip time in seconds, None before the first sample."""
        ...

    def close(self, reason: str = "") -> None:
        """Ends the link and every lane of it."""
        ...

    async def wait_closed(self) -> None: ...
