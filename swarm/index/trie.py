"""The Merkle trie over registers. (Contract first; see the class docstrings.)"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from swarm.ids import PathKey


class TrieNode(NamedTuple):
    """An inner node: more than BUCKET leaves are below it."""

    leaves: int  # how many are below
    children: bytes  # 16 hashes of 32 bytes, zeros where there is nothing


class TrieStore(Protocol):
    """Where one trie keeps its leaves and inner nodes. A prefix is a string of hex digits, "" for the root."""

    def leaves(self, prefix: str, limit: int) -> list[tuple[PathKey, bytes]]:
        """The first `limit` (key, leaf hash) with this prefix, sorted by key."""
        ...

    def put_leaf(self, key: PathKey, digest: bytes | None) -> None:
        """Sets or (None) removes a leaf."""
        ...

    def node(self, prefix: str) -> TrieNode | None: ...

    def put_node(self, prefix: str, node: TrieNode | None) -> None: ...
