"""The endpoint, as its connections see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from swarm.net.connection import Connection


class Owner(Protocol):
    """What a connection tells it."""

    def claim(self, connection_id: bytes, connection: Connection) -> None:
        """Datagrams to this id are for this connection."""

    def release(self, connection_id: bytes) -> None:
        """No longer."""

    def established(self, connection: Connection) -> None:
        """The handshake is complete."""

    def trusted(self, connection: Connection) -> None:
        """It is not a stranger's any more."""

    def ended(self, connection: Connection) -> None:
        """It carries nothing any more."""

    def stalled(self, connection: Connection) -> None:
        """It has something to send and the socket has no room."""
