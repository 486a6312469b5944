"""The Merkle trie over registers: two folders are equal when their roots are, and a difference is found by descent.

16-ary over the hex digits of 20-byte path keys. At most BUCKET leaves with a common prefix form a bucket; more make
an inner node. So the shape follows from the leaves alone, never from the order in which they came. A live trie and a
tombstone trie are kept apart; a register may stand in both.

    leaf    BLAKE3("swarm1.leaf" || for each record, ascending: origin 16, seq u64, hash 32)
    bucket  BLAKE3("swarm1.bucket" || for each leaf, ascending: key 20, leaf digest 32); zeros when empty
    inner   BLAKE3("swarm1.inner" || leaves below u64 || 16 child hashes)
    root    BLAKE3("swarm1.root" || root of the live trie || root of the tombstone trie)
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple, Protocol

from blake3 import blake3

from swarm.ids import HASH_BYTES, PATH_KEY_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from swarm.ids import PathKey
    from swarm.index.record import Record

BUCKET = 16  # leaves: a bucket is told in one message of 832 bytes, an inner node in 512
FANOUT = 16
DEPTH = 2 * PATH_KEY_BYTES  # hex digits of a key
EMPTY = bytes(HASH_BYTES)
DIGITS = "0123456789abcdef"

Leaf = tuple["PathKey", bytes]
Write = tuple["PathKey", bytes | None]
Change = tuple[str, "PathKey", bytes | None]  # the key's digits, the key, its new leaf digest


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


def root(store: TrieStore) -> bytes:
    """The trie's top hash, 32 bytes; zeros for an empty one."""
    return hash_at(store, "")


def hash_at(store: TrieStore, prefix: str) -> bytes:
    """The hash of what is below `prefix`, whatever shape it has."""
    node = store.node(prefix)
    return bucket_hash(store.leaves(prefix, BUCKET)) if node is None else node_hash(node)


def update(store: TrieStore, changes: Mapping[PathKey, bytes | None]) -> bytes:
    """Sets and (None) removes leaves, and returns the new root.

    A batch touches every node on its way once, so ten thousand leaves at once cost far less than one by one. What
    changes nothing is not written.
    """
    ordered = sorted((key.hex(), key, digest) for key, digest in changes.items())
    real: list[Write] = []
    digest = _apply(store, "", ordered, real).digest
    for key, leaf in real:
        store.put_leaf(key, leaf)
    return digest


def leaf_digest(records: Iterable[Record]) -> bytes:
    """32 bytes that name a set of records of one path."""
    hasher = blake3(b"swarm1.leaf")
    for origin, seq, record_hash in sorted((record.origin, record.seq, record.hash) for record in records):
        hasher.update(origin + seq.to_bytes(8, "big") + record_hash)
    return hasher.digest()


def register_leaves(records: Sequence[Record]) -> tuple[bytes | None, bytes | None]:
    """The leaves of a register in the live trie and in the tombstone trie; None where it has no such record."""
    live = [record for record in records if not record.tombstone]
    dead = [record for record in records if record.tombstone]
    return leaf_digest(live) if live else None, leaf_digest(dead) if dead else None


def folder_root(live_root: bytes, tombstone_root: bytes) -> bytes:
    """32 bytes, equal for folders with equal records."""
    return blake3(b"swarm1.root" + live_root + tombstone_root).digest()


def bucket_hash(leaves: Sequence[Leaf]) -> bytes:
    """Of leaves sorted by key."""
    if not leaves:
        return EMPTY
    return blake3(b"swarm1.bucket" + b"".join([part for leaf in leaves for part in leaf])).digest()


def node_hash(node: TrieNode) -> bytes:
    """Of an inner node."""
    return blake3(b"swarm1.inner" + node.leaves.to_bytes(8, "big") + node.children).digest()


class _Applied(NamedTuple):
    digest: bytes  # of what is below the prefix now
    more: int  # leaves more than before, less where negative
    bucket: list[Leaf] | None  # its leaves, where it is a bucket


def _apply(store: TrieStore, prefix: str, changes: Sequence[Change], real: list[Write]) -> _Applied:
    """Writes nodes, and puts the leaves to write into `real`: `store.leaves` still answers with the old ones, so that
    a store may put all the new ones in order at once."""
    node = store.node(prefix)
    if node is None:
        before = dict(store.leaves(prefix, BUCKET))
        after = dict(before)
        for _, key, digest in changes:
            if before.get(key) == digest:
                continue
            real.append((key, digest))
            if digest is None:
                del after[key]
            else:
                after[key] = digest
        leaves = sorted(after.items())
        return _Applied(_build(store, prefix, leaves), len(after) - len(before), leaves)
    children = [node.children[at : at + HASH_BYTES] for at in range(0, FANOUT * HASH_BYTES, HASH_BYTES)]
    more = 0
    buckets: dict[int, list[Leaf] | None] = {}
    for child, group in _grouped(prefix, changes):
        applied = _apply(store, prefix + DIGITS[child], group, real)
        children[child] = applied.digest
        buckets[child] = applied.bucket
        more += applied.more
    count = node.leaves + more
    if count > BUCKET:
        grown = TrieNode(count, b"".join(children))
        if grown != node:
            store.put_node(prefix, grown)
        return _Applied(node_hash(grown), more, None)
    # Too few for an inner node. Every child has fewer still, so each is a bucket: one just returned, or one untouched.
    store.put_node(prefix, None)
    merged: list[Leaf] = []
    for child, digest in enumerate(children):
        if digest != EMPTY:
            known = buckets.get(child)
            merged += store.leaves(prefix + DIGITS[child], BUCKET) if known is None else known
    return _Applied(bucket_hash(merged), more, merged)


def _build(store: TrieStore, prefix: str, leaves: Sequence[Leaf]) -> bytes:
    """The hash of these leaves, sorted by key, where no inner node is yet; makes the nodes that they need."""
    if len(leaves) <= BUCKET:
        return bucket_hash(leaves)
    children = []
    start = 0
    for digit in DIGITS:
        end = bisect_left(leaves, _upper(prefix + digit), start, key=lambda leaf: leaf[0].hex())
        children.append(_build(store, prefix + digit, leaves[start:end]) if end > start else EMPTY)
        start = end
    node = TrieNode(len(leaves), b"".join(children))
    store.put_node(prefix, node)
    return node_hash(node)


def _grouped(prefix: str, changes: Sequence[Change]) -> Iterable[tuple[int, Sequence[Change]]]:
    """The changes by the digit after `prefix`."""
    start = 0
    for child, digit in enumerate(DIGITS):
        end = bisect_left(changes, _upper(prefix + digit), start, key=lambda change: change[0])
        if end > start:
            yield child, changes[start:end]
        start = end


def _upper(prefix: str) -> str:
    """A string above every key with this prefix: "g" follows the digits."""
    return prefix + "g"
