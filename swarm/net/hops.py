"""Sends by hop: over the socket to an address, or through a gate into a relay's channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from swarm.wire.hop import Channel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swarm.net.datagrams import Datagrams
    from swarm.wire.hop import Address, Hop


class Passage(Protocol):
    """A gate, as those see it who send through it (`swarm.net.relay_gate`)."""

    @property
    def title(self) -> str:
        """The relay, for people: HOST:PORT."""
        ...

    @property
    def address(self) -> Address:
        """Where the relay is."""
        ...

    @property
    def blocked(self) -> bool:
        """Is there no room now?"""
        ...

    def send(self, channel: int, datagrams: Sequence[bytes]) -> None:
        """Sends or drops each."""


class Hops:
    """All the hops that one endpoint has."""

    def __init__(self, datagrams: Datagrams) -> None:
        self._datagrams = datagrams
        self.gates: dict[bytes, Passage] = {}  # by the relay's key

    def send(self, datagrams: Sequence[bytes], hop: Hop) -> OSError | None:
        """Sends or drops each; returns why, when the system refused some."""
        if not isinstance(hop, Channel):
            return self._datagrams.send(datagrams, hop)
        gate = self.gates.get(hop.relay)
        if gate is not None:
            gate.send(hop.number, datagrams)
        return None

    def blocked(self, hop: Hop) -> bool:
        """Is there no room now? The endpoint calls `Connection.transmit` when there is."""
        if not isinstance(hop, Channel):
            return self._datagrams.blocked
        gate = self.gates.get(hop.relay)
        return gate is not None and gate.blocked

    def address(self, hop: Hop) -> Address:
        """Where its datagrams go to: the peer's address, or the relay's."""
        if not isinstance(hop, Channel):
            return hop
        gate = self.gates.get(hop.relay)
        return gate.address if gate is not None else ("0.0.0.0", 0)

    def relay(self, hop: Hop) -> str | None:
        """The relay's name for people; None where there is none."""
        gate = self.gates.get(hop.relay) if isinstance(hop, Channel) else None
        return gate.title if gate is not None else None
