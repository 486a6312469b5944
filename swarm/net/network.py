"""What a node needs of a network: to dial, to know where it listens, and to stop.

`swarm.net.endpoint.Endpoint` is the real one, `swarm.net.memory.MemoryEndpoint` its twin for tests. Links that others
open arrive at the `on_link` callback that either was made with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from swarm.wire.lane import Link


class Network(Protocol):
    """One node's place in a network."""

    @property
    def address(self) -> tuple[str, int]:
        """Where this node listens: host, port, as bound."""
        ...

    async def dial(self, host: str, port: int, timeout: float = 5.0) -> Link:
        """A link whose handshake is complete. `timeout`: seconds. Raises Unavailable, with the reason."""
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
