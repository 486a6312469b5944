"""The gates of one endpoint: which relay a datagram is from, and channels to devices at them."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from swarm.errors import Unavailable
from swarm.keys.relay import RelayPass
from swarm.net.relay_gate import RelayGate
from swarm.wire.relay_frame import FIRST_KIND, LAST_KIND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swarm.config import RelayAddress
    from swarm.keys.device import DeviceKey
    from swarm.net.datagrams import Datagrams
    from swarm.net.hops import Hops
    from swarm.net.network import GateWatcher
    from swarm.wire.hop import Address, Channel, Door

MAX_GATES = 12  # registrations at a time: a user's own relays, and some that members told
KNOCK_SECONDS = 6.0  # for a relay to ask the other side, more than once

log = logging.getLogger(__name__)


class Inside(Protocol):
    """The endpoint, as its gates see it."""

    def datagram_received(self, data: bytes, hop: Channel) -> None:
        """It came through a channel."""

    def batch_received(self) -> None: ...

    def socket_writable(self) -> None: ...

    def channel_lost(self, channel: Channel) -> None: ...

    def registered(self, relay: bytes) -> None:
        """The relay of that key is there."""

    async def resolve(self, host: str, port: int) -> list[Address]: ...


class Gates:
    """Implements `swarm.net.gate_state.Gatekeeper`."""

    def __init__(self, inside: Inside, datagrams: Datagrams, hops: Hops) -> None:
        self._inside = inside
        self._datagrams = datagrams
        self._hops = hops
        self._gates: dict[bytes, RelayGate] = {}
        self._by_address: dict[Address, list[RelayGate]] = {}

    def open(
        self, place: RelayAddress, device: DeviceKey, watcher: GateWatcher, *, reserve: bool, topics: Sequence[bytes]
    ) -> RelayGate:
        """Raises Unavailable where there are too many, or one for this relay; UserError for a key that is none."""
        if len(self._gates) >= MAX_GATES:
            raise Unavailable(f"{MAX_GATES} relays are in use")
        if RelayPass.parse(place.key).key in self._gates:
            raise Unavailable(f"the relay {place.address} is in use")
        gate = RelayGate(place, device, self, watcher, reserve=reserve, topics=topics)
        self._gates[gate.key] = self._hops.gates[gate.key] = gate
        gate.on_close = self._closed
        return gate

    def close(self) -> None:
        for gate in list(self._gates.values()):
            gate.close()

    def is_frame(self, data: bytes, address: Address) -> bool:
        """Takes a datagram that is a relay's; False where it is not."""
        if not FIRST_KIND <= data[0] <= LAST_KIND:
            return False
        taken = [gate.datagram_received(data) for gate in self._by_address.get(address, ())]
        return any(taken)  # by all at this address: two keys for one relay, of which one is wrong

    async def knock(self, door: Door, *, urgent: bool = False) -> Channel:
        """A channel to a device. `urgent`: for a link that has lost its way. Raises Unavailable."""
        gate = self._gates.get(door.relay)
        if gate is None:
            raise Unavailable("no such relay is in use")
        try:
            async with asyncio.timeout(KNOCK_SECONDS):
                return await gate.knock(door.handle, urgent=urgent)
        except TimeoutError:
            raise Unavailable(f"no answer through the relay {gate.title}") from None

    def drop(self, channel: Channel) -> None:
        """Nobody here uses it any more."""
        if (gate := self._gates.get(channel.relay)) is not None:
            gate.drop(channel.number)

    def _closed(self, gate: RelayGate) -> None:
        if self._gates.get(gate.key) is gate:
            del self._gates[gate.key], self._hops.gates[gate.key]
        self.located(gate)

    # -- `swarm.net.gate_state.Gatekeeper`

    async def resolve(self, host: str, port: int) -> list[Address]:
        return await self._inside.resolve(host, port)

    def send_to_relay(self, frames: Sequence[bytes], address: Address) -> None:
        self._datagrams.send(frames, address)

    @property
    def blocked(self) -> bool:
        return self._datagrams.blocked

    def writable(self) -> None:
        self._inside.socket_writable()

    def from_peer(self, datagram: bytes, channel: Channel) -> None:
        self._inside.datagram_received(datagram, channel)

    def over(self) -> None:
        self._inside.batch_received()

    def channel_lost(self, channel: Channel) -> None:
        self._inside.channel_lost(channel)

    def registered(self, relay: bytes) -> None:
        self._inside.registered(relay)

    def located(self, gate: RelayGate) -> None:
        self._by_address = {}
        for each in self._gates.values():
            for address in each.addresses:
                self._by_address.setdefault(address, []).append(each)
