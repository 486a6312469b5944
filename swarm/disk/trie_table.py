"""One Merkle trie in two tables: its leaves by key, its inner nodes by prefix.

Inner nodes are rewritten by every update below them, the root by all. They are held back until the transaction ends, so
that a batch of 10,000 updates writes each node once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.ids import PATH_KEY_BYTES, PathKey
from swarm.index.trie import TrieNode

if TYPE_CHECKING:
    from swarm.disk.sqlite_file import SqliteFile

HELD_NODES = 4_096  # of about 600 bytes; more are written out before the end of the transaction


class TrieTable:
    """A TrieStore in the tables `{name}_leaf` and `{name}_node`."""

    def __init__(self, file: SqliteFile, name: str) -> None:
        self._file = file
        self._held: dict[str, TrieNode | None] = {}
        self._leaves = f"SELECT key, digest FROM {name}_leaf WHERE key BETWEEN ? AND ? ORDER BY key LIMIT ?"
        self._put_leaf = f"INSERT OR REPLACE INTO {name}_leaf VALUES (?, ?)"
        self._drop_leaf = f"DELETE FROM {name}_leaf WHERE key = ?"
        self._node = f"SELECT leaves, children FROM {name}_node WHERE prefix = ?"
        self._put_node = f"INSERT OR REPLACE INTO {name}_node VALUES (?, ?, ?)"
        self._drop_node = f"DELETE FROM {name}_node WHERE prefix = ?"

    def leaves(self, prefix: str, limit: int) -> list[tuple[PathKey, bytes]]:
        digits = PATH_KEY_BYTES * 2
        low, high = bytes.fromhex(prefix.ljust(digits, "0")), bytes.fromhex(prefix.ljust(digits, "f"))
        return [(PathKey(key), digest) for key, digest in self._file.all(self._leaves, (low, high, limit))]

    def put_leaf(self, key: PathKey, digest: bytes | None) -> None:
        if digest is None:
            self._file.change(self._drop_leaf, (key,))
        else:
            self._file.change(self._put_leaf, (key, digest))

    def node(self, prefix: str) -> TrieNode | None:
        if prefix in self._held:
            return self._held[prefix]
        row = self._file.one(self._node, (prefix,))
        return TrieNode(*row) if row else None

    def put_node(self, prefix: str, node: TrieNode | None) -> None:
        self._held[prefix] = node
        if len(self._held) > HELD_NODES:
            self.write_out()

    def write_out(self) -> None:
        """Puts the nodes held back into the transaction."""
        if self._held:
            held = self._held.items()
            self._file.change_many(self._put_node, ((prefix, *node) for prefix, node in held if node is not None))
            self._file.change_many(self._drop_node, ((prefix,) for prefix, node in held if node is None))
            self._held.clear()

    def forget(self) -> None:
        """The transaction was rolled back: so are the nodes held back."""
        self._held.clear()
