"""What carries one connection's datagrams: the layer below QUIC, where routes change and QUIC never knows.

aioquic takes addresses for opaque and compares them only; every connection is given the same one for life, and its
carrier decides where a datagram really goes: to where the peer was dialled or first heard from, until it has proved
that it is elsewhere (swarm.net.rebinding).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swarm.net.datagrams import Datagrams
    from swarm.wire.lane import Route

VIRTUAL_ADDRESS = ("peer", 0)  # what aioquic sees; not an IP address, so that no preferred address is ever followed


class Carrier(Protocol):
    """A way to one peer."""

    route: Route
    address: tuple[str, int]

    @property
    def blocked(self) -> bool:
        """Is there no room now? The endpoint calls `Connection.transmit` when there is."""
        ...

    def send(self, datagrams: Sequence[bytes]) -> OSError | None:
        """Sends or drops each; returns why, when the system refused some."""
        ...

    def try_out(self, datagrams: Sequence[bytes], address: tuple[str, int]) -> None:
        """Sends to where the peer may be now. `address` is set once it has answered from there."""
        ...


class DirectCarrier:
    """UDP straight to an address."""

    route: Route
    address: tuple[str, int]

    def __init__(self, datagrams: Datagrams, address: tuple[str, int]) -> None:
        self._datagrams = datagrams
        self.route = "direct"
        self.address = address

    @property
    def blocked(self) -> bool:
        return self._datagrams.blocked

    def send(self, datagrams: Sequence[bytes]) -> OSError | None:
        return self._datagrams.send(datagrams, self.address)

    def try_out(self, datagrams: Sequence[bytes], address: tuple[str, int]) -> None:
        self._datagrams.send(datagrams, address)
