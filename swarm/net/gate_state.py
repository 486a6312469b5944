"""How things are with one relay, and what a gate asks of the endpoint that it is in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from swarm.wire.relay_message import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swarm.net.relay_gate import RelayGate
    from swarm.wire.hop import Address, Channel
    from swarm.wire.lane import Via


@dataclass(frozen=True, slots=True)
class GateState:
    """How things are with one relay."""

    via: Via | None = None  # how it is reached; None: not registered
    reserved: bool = False  # others can reach this device through it
    refusal: Refusal = Refusal.NONE  # why it is not registered, or not reserved
    trouble: str = ""  # the same, where no relay said it: a name that cannot be looked up
    address: Address | None = None  # where the relay is
    observed: Address | None = None  # where this device's datagrams come from, as the relay sees it


class Gatekeeper(Protocol):
    """The endpoint's gates, as one of them sees them."""

    async def resolve(self, host: str, port: int) -> list[Address]:
        """Addresses that the socket can reach. Raises Unavailable."""
        ...

    def send_to_relay(self, frames: Sequence[bytes], address: Address) -> None: ...

    @property
    def blocked(self) -> bool:
        """Has the socket no room?"""
        ...

    def writable(self) -> None:
        """There is room in a stream again."""

    def from_peer(self, datagram: bytes, channel: Channel) -> None:
        """What came through a channel."""

    def over(self) -> None:
        """All that a stream had for now was handed over."""

    def channel_lost(self, channel: Channel) -> None: ...

    def registered(self, relay: bytes) -> None:
        """The relay of that key is there, perhaps again."""

    def located(self, gate: RelayGate) -> None:
        """The relay's addresses are known, or others."""
