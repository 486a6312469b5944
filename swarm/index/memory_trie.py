"""A trie's leaves and nodes in memory: the twin of the one in SQLite, with the same transactions."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swarm.ids import PathKey
    from swarm.index.trie import TrieNode

FEW = 64  # new keys: up to here inserting each costs less than sorting all again


@dataclass(slots=True)
class MemoryTrieStore:
    """A TrieStore. Keys are kept in order, new ones only put there when somebody looks."""

    _leaves: dict[PathKey, bytes] = field(default_factory=dict)
    _nodes: dict[str, TrieNode] = field(default_factory=dict)
    _order: list[PathKey] = field(default_factory=list)  # the keys as they were before `_moved` came or went
    _moved: set[PathKey] = field(default_factory=set)
    _old_leaves: dict[PathKey, bytes | None] = field(default_factory=dict)  # what `rollback` brings back
    _old_nodes: dict[str, TrieNode | None] = field(default_factory=dict)

    def leaves(self, prefix: str, limit: int) -> list[tuple[PathKey, bytes]]:
        order = self._in_order()
        lowest = bytes.fromhex(prefix if len(prefix) % 2 == 0 else prefix + "0")
        found: list[tuple[PathKey, bytes]] = []
        for at in range(bisect_left(order, lowest), len(order)):
            key = order[at]
            if len(found) == limit or not key.hex().startswith(prefix):
                break
            found.append((key, self._leaves[key]))
        return found

    def put_leaf(self, key: PathKey, digest: bytes | None) -> None:
        self._old_leaves.setdefault(key, self._leaves.get(key))
        self._set_leaf(key, digest)

    def node(self, prefix: str) -> TrieNode | None:
        return self._nodes.get(prefix)

    def put_node(self, prefix: str, node: TrieNode | None) -> None:
        self._old_nodes.setdefault(prefix, self._nodes.get(prefix))
        self._set_node(prefix, node)

    def commit(self) -> None:
        """What was put so far stays."""
        self._old_leaves.clear()
        self._old_nodes.clear()

    def rollback(self) -> None:
        """Everything is as at the last commit."""
        for key, digest in self._old_leaves.items():
            self._set_leaf(key, digest)
        for prefix, node in self._old_nodes.items():
            self._set_node(prefix, node)
        self.commit()

    def _set_leaf(self, key: PathKey, digest: bytes | None) -> None:
        if (digest is None) != (key not in self._leaves):
            self._moved ^= {key}
        if digest is None:
            self._leaves.pop(key, None)
        else:
            self._leaves[key] = digest

    def _set_node(self, prefix: str, node: TrieNode | None) -> None:
        if node is None:
            self._nodes.pop(prefix, None)
        else:
            self._nodes[prefix] = node

    def _in_order(self) -> list[PathKey]:
        if self._moved:
            if len(self._moved) <= FEW:
                for key in self._moved:
                    if key in self._leaves:
                        insort(self._order, key)
                    else:
                        del self._order[bisect_left(self._order, key)]
            else:
                self._order = sorted(self._leaves)
            self._moved.clear()
        return self._order
