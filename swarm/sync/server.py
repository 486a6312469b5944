"""The server: where the bytes are that a member asks for. It only looks up; a shell reads, verifies and sends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.content.manifest import parse_node
from swarm.errors import BadPeer
from swarm.ids import ChunkId
from swarm.sync.events import Serve, ServeItem
from swarm.wire.messages import What

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm.sync.events import Effect, FetchAsked
    from swarm.sync.store import Store


class Server:
    """One folder's answers."""

    def __init__(self, store: Store, *, out: Callable[[Effect], None]) -> None:
        self.store = store
        self._out = out

    def serve(self, event: FetchAsked) -> None:
        """An identifier that nothing is known of is answered with no place, and so as missing."""
        items = tuple(self._item(event.what, identifier) for identifier in event.identifiers)
        self._out(Serve(event.peer, event.lane, event.request, items))

    def _item(self, what: int, identifier: bytes) -> ServeItem:
        if what == What.NODES:
            return ServeItem(identifier, self.store.manifest_node(identifier), None, ())
        chunk = ChunkId(identifier) if what == What.CHUNKS else self._only_chunk(identifier)
        if chunk is None:
            return ServeItem(identifier, None, None, ())
        return ServeItem(identifier, None, chunk, tuple(self.store.find_chunk(chunk)))

    def _only_chunk(self, content: bytes) -> ChunkId | None:
        """Of a file that is one chunk."""
        raw = self.store.manifest_node(content)
        if raw is None:
            return None
        try:
            node = parse_node(raw)
        except BadPeer:
            return None
        return ChunkId(node.entries[0][0]) if node.level == 0 and len(node.entries) == 1 else None
