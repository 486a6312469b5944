"""What a peer needs of whoever takes part in a folder's conversation: a folder's thread, or a preview of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from swarm.sync.events import Event
    from swarm.sync.folder import Identity


class Mailbox(Protocol):
    """Takes events of one folder, from any thread."""

    identity: Identity

    @property
    def backlog(self) -> int:
        """How many events nobody has taken yet."""
        ...

    def post(self, event: Event) -> None: ...
