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

    async def close(self) -> None:
        """Ends every link and stops listening."""
        ...
