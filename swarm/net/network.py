"""What a node needs of a network: to dial, to know where it listens, and to stop.

`swarm.net.endpoint.Endpoint` is the real one, `swarm.net.memory.MemoryEndpoint` its twin for tests. Links that others
open arrive at the `on_link` callback that either was made with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from swarm.config import RelayAddress
    from swarm.keys.device import DeviceKey
    from swarm.net.gate_state import GateState
    from swarm.wire.hop import Address, Door
    from swarm.wire.lane import Link


class Gate(Protocol):
    """This device's registration with one relay, which is kept up until `close`."""

    key: bytes  # the relay's public key
    title: str  # HOST:PORT
    state: GateState

    @property
    def why(self) -> str:
        """What is wrong with it, for people; "" where nothing is known to be."""
        ...

    def set_topics(self, topics: Sequence[bytes]) -> None:
        """What stands for this device's folders there, from now on."""

    def lookup(self, topics: Sequence[bytes]) -> None:
        """Asks who is there for these; `GateWatcher.gate_found` tells. Nothing where we are not registered."""

    def check(self) -> None:
        """This machine's address may be another: sees to it that the relay knows."""

    def close(self) -> None: ...


class GateWatcher(Protocol):
    """Who is told of gates."""

    def gate_changed(self, gate: Gate) -> None:
        """`gate.state` is another."""

    def gate_found(self, gate: Gate, handles: Sequence[bytes]) -> None:
        """These devices are registered there for a folder that was asked for, this one not among them."""


class Network(Protocol):
    """One node's place in a network."""

    @property
    def address(self) -> tuple[str, int]:
        """Where this node listens: host, port, as bound."""
        ...

    async def dial(self, host: str, port: int, timeout: float = 5.0) -> Link:
        """A link whose handshake is complete. `timeout`: seconds. Raises Unavailable, with the reason."""
        ...

    own_addresses: Callable[[], tuple[Address, ...]]  # at which this machine is reached without a NAT's help

    async def dial_door(self, door: Door, timeout: float = 8.0) -> Link:
        """The same through a relay with which we have a gate. Raises Unavailable, with the reason."""
        ...

    def open_gate(
        self, place: RelayAddress, device: DeviceKey, watcher: GateWatcher, *, reserve: bool, topics: Sequence[bytes]
    ) -> Gate:
        """Registers with a relay. `reserve`: others may reach this device through it.

        Raises UserError for a key that is none, Unavailable where too many relays are in use.
        """
        ...

    def send_other(self, data: bytes, address: tuple[str, int]) -> None:
        """Sends one datagram that belongs to no link (its first byte below 0x40). It may be lost."""
        ...

    def wake(self) -> None:
        """This machine slept, or its addresses changed: every link is asked for a sign of life, and given up soon."""
        ...

    async def close(self) -> None:
        """Ends every link and stops listening."""
        ...
