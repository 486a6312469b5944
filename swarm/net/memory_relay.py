"""The relays' twin in memory, for `swarm.net.memory`: registrations and look-ups, without sockets and limits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from swarm.errors import Unavailable
from swarm.keys.relay import RelayPass, handle_of
from swarm.net.gate_state import GateState
from swarm.wire.relay_message import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swarm.config import RelayAddress
    from swarm.keys.device import DeviceKey
    from swarm.net.network import GateWatcher
    from swarm.wire.hop import Address, Door


class MemoryRelays:
    """All relays of one network."""

    def __init__(self) -> None:
        self._gates: list[MemoryGate] = []
        self._down: set[bytes] = set()

    def register(self, gate: MemoryGate) -> None:
        """For `MemoryEndpoint.open_gate`. The gate hears of it at the next turn of the loop. Raises Unavailable."""
        if any(other.key == gate.key and other.address == gate.address for other in self._gates):
            raise Unavailable(f"the relay {gate.title} is in use")
        self._gates.append(gate)
        asyncio.get_running_loop().call_soon(self._announce, gate.key)

    def leave(self, gate: MemoryGate) -> None:
        """For `MemoryGate.close`."""
        if gate in self._gates:
            self._gates.remove(gate)

    def stop(self, key: bytes) -> None:
        """Nobody is registered at this relay any more, nor can be, until `start`."""
        self._down.add(key)
        self._announce(key)

    def start(self, key: bytes) -> None:
        self._down.discard(key)
        self._announce(key)

    def behind(self, door: Door, caller: Address) -> Address:
        """Who is reached by it. Raises Unavailable."""
        if door.relay in self._down or not any(g.key == door.relay and g.address == caller for g in self._gates):
            raise Unavailable("the relay is not there")
        for gate in self._gates:
            if gate.key == door.relay and gate.handle == door.handle and gate.state.reserved:
                return gate.address
        raise Unavailable("nobody of that name is at the relay")

    def under(self, key: bytes, topics: Sequence[bytes], asker: MemoryGate) -> tuple[bytes, ...]:
        """The handles of those registered there for any of these."""
        others = [g for g in self._gates if g.key == key and g is not asker and g.state.reserved]
        return tuple(gate.handle for gate in others if set(gate.topics) & set(topics))

    def _announce(self, key: bytes) -> None:
        for gate in list(self._gates):
            if gate.key == key:
                gate.announce(up=key not in self._down)


class MemoryGate:
    """Implements `swarm.net.network.Gate`."""

    def __init__(
        self,
        relays: MemoryRelays,
        place: RelayAddress,
        address: Address,
        device: DeviceKey,
        watcher: GateWatcher,
        *,
        reserve: bool,
        topics: Sequence[bytes],
    ) -> None:
        """`address`: of the endpoint whose gate it is."""
        self._relays = relays
        self._watcher: GateWatcher = watcher
        self._reserve = reserve
        self._where: Address = (place.address.host, place.address.port)
        self.key = RelayPass.parse(place.key).key
        self.title = str(place.address)
        self.address = address
        self.handle = handle_of(self.key, device.id)
        self.topics = tuple(topics)
        self.state = GateState()

    @property
    def why(self) -> str:
        """See `swarm.net.network.Gate`."""
        return self.state.refusal.sentence if self.state.refusal else ""

    def set_topics(self, topics: Sequence[bytes]) -> None:
        """See `swarm.net.network.Gate`."""
        self.topics = tuple(topics)

    def lookup(self, topics: Sequence[bytes]) -> None:
        """See `swarm.net.network.Gate`. Answers at once."""
        if self.state.via is not None and (found := self._relays.under(self.key, topics, self)):
            self._watcher.gate_found(self, found)

    def check(self) -> None:
        """See `swarm.net.network.Gate`. Addresses do not change here."""

    def close(self) -> None:
        """See `swarm.net.network.Gate`."""
        self._relays.leave(self)

    def announce(self, *, up: bool) -> None:
        """The relay is there, or not any more."""
        if up == (self.state.via is not None) and self.state != GateState():
            return
        if up:
            self.state = GateState("udp", self._reserve, Refusal.NONE, "", self._where, self.address)
        else:
            self.state = GateState(refusal=Refusal.NO_ANSWER, address=self._where)
        self._watcher.gate_changed(self)
