"""The relay's place in the DHT: a node that others begin at. Filled when the DHT is there.

`Relay.bootstrap` gets each datagram whose first byte is below FIRST_RELAY_BYTE, and sends with `Relay.send_datagram`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from relay.path import Path

FIRST_RELAY_BYTE: Final = 0x30


class Bootstrap(Protocol):
    """A DHT node on the relay's UDP socket."""

    def datagram_received(self, data: bytes, path: Path) -> None:
        """A datagram that is not of the relay."""

    async def close(self) -> None:
        """Leaves the DHT."""
