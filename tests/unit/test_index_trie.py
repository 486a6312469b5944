"""The Merkle trie: its shape, its hashes, and what a batch touches."""

from __future__ import annotations

from dataclasses import dataclass, field

from blake3 import blake3

from swarm.ids import ContentId, Kind, Origin, PathKey
from swarm.index.memory_trie import FEW, MemoryTrieStore
from swarm.index.record_codec import Draft, author
from swarm.index.trie import BUCKET, EMPTY, TrieNode, folder_root, hash_at, leaf_digest, register_leaves, root, update
from swarm.keys.chain import FolderKeys
from swarm.keys.device import DeviceKey

KEYS = FolderKeys.create(bytes(range(32)))
DEVICE = DeviceKey.create(bytes(32))


def key(number: int) -> PathKey:
    """Keys of one directory: they share their first 6 digits."""
    return PathKey(b"dir" + blake3(b"%d" % number).digest(17))


def digest(number: int) -> bytes:
    return blake3(b"leaf %d" % number).digest()


def filled(*numbers: int) -> MemoryTrieStore:
    store = MemoryTrieStore()
    update(store, {key(number): digest(number) for number in numbers})
    return store


@dataclass(slots=True)
class Counting(MemoryTrieStore):
    """Counts what is written."""

    leaves_put: int = 0
    nodes_put: list[str] = field(default_factory=list)

    def put_leaf(self, key: PathKey, digest: bytes | None) -> None:
        self.leaves_put += 1
        MemoryTrieStore.put_leaf(self, key, digest)

    def put_node(self, prefix: str, node: TrieNode | None) -> None:
        self.nodes_put.append(prefix)
        MemoryTrieStore.put_node(self, prefix, node)


def test_an_empty_trie_has_a_root_of_zeros() -> None:
    store = MemoryTrieStore()
    assert root(store) == update(store, {}) == update(store, {key(1): None}) == EMPTY


def test_sixteen_leaves_are_one_bucket_and_seventeen_are_not() -> None:
    store = filled(*range(BUCKET))
    assert store.node("") is None
    update(store, {key(BUCKET): digest(BUCKET)})
    node = store.node("")
    assert node is not None
    assert node.leaves == BUCKET + 1
    assert root(store) == hash_at(store, "")


def test_the_last_leaf_too_many_leaves_no_trace_when_it_goes() -> None:
    store = filled(*range(BUCKET))
    before = root(store)
    update(store, {key(BUCKET): digest(BUCKET)})
    assert update(store, {key(BUCKET): None}) == before == root(store)
    assert [store.node("646972"[:digits]) for digits in range(7)] == [None] * 7


def test_a_trie_emptied_at_once_is_empty() -> None:
    store = filled(*range(500))
    assert update(store, {key(number): None for number in range(500)}) == EMPTY
    assert store.leaves("", 1) == []
    assert store._nodes == {}


def test_leaves_are_found_by_odd_and_even_prefixes_in_order() -> None:
    store = filled(*range(300))
    everything = sorted((key(number), digest(number)) for number in range(300))
    assert store.leaves("", 1000) == everything
    assert store.leaves("", 7) == everything[:7]
    for prefix in ("6", "64", "646972", everything[0][0].hex()[:7], everything[-1][0].hex()):
        assert store.leaves(prefix, 1000) == [leaf for leaf in everything if leaf[0].hex().startswith(prefix)]
    assert store.leaves("7", 1000) == []
    assert store.leaves("f" * 40, 1000) == []


def test_a_batch_writes_each_node_once_and_only_what_changed() -> None:
    store = Counting()
    numbers = range(5000)
    update(store, {key(number): digest(number) for number in numbers})
    assert len(store.nodes_put) == len(set(store.nodes_put))
    store.nodes_put.clear()
    store.leaves_put = 0
    update(store, {key(number): digest(number) for number in numbers} | {key(9999): None})
    assert (store.nodes_put, store.leaves_put) == ([], 0)
    update(store, {key(7): digest(8)})
    assert store.leaves_put == 1
    assert len(store.nodes_put) <= 9


def test_every_leaf_counts_for_the_root() -> None:
    assert len({root(filled(*range(50))), root(filled(*range(49))), root(filled(*range(51)))}) == 3
    store = filled(*range(50))
    assert update(store, {key(3): digest(4)}) != root(filled(*range(50)))


def test_a_leaf_that_came_and_went_unseen_leaves_the_others_in_place() -> None:
    store = filled(*range(40))
    before = store.leaves("", 100)
    store.put_leaf(key(41), digest(41))
    store.put_leaf(key(41), None)
    store.put_leaf(key(3), None)
    store.put_leaf(key(3), digest(3))
    assert store.leaves("", 100) == before


def test_a_rollback_brings_back_leaves_and_nodes() -> None:
    store = filled(*range(100))
    store.commit()
    before, leaves = root(store), store.leaves("", 1000)
    for count in (3, FEW + 1):
        update(store, {key(number): None for number in range(count)})
        update(store, {key(200 + number): digest(number) for number in range(count)})
        update(store, {key(50): digest(1)})
        assert root(store) != before
        store.rollback()
        assert root(store) == before
        assert store.leaves("", 1000) == leaves
    update(store, {key(0): None})
    store.commit()
    store.rollback()
    assert root(store) == root(filled(*range(1, 100)))


def test_a_register_stands_in_each_trie_that_it_has_a_record_for() -> None:
    origin = Origin(b"o" * 16)
    live = author(Draft(origin, 1, (), "x", Kind.FILE, 1, "d", content=ContentId(bytes(32))), KEYS, DEVICE)
    dead = author(Draft(origin, 2, (), "x", Kind.FILE, 1, "d", tombstone=True), KEYS, DEVICE)
    assert register_leaves([]) == (None, None)
    assert register_leaves([live]) == (leaf_digest([live]), None)
    assert register_leaves([dead]) == (None, leaf_digest([dead]))
    assert register_leaves([live, dead]) == register_leaves([dead, live]) == (leaf_digest([live]), leaf_digest([dead]))
    assert leaf_digest([live, dead]) == leaf_digest([dead, live]) != leaf_digest([live])


def test_the_folders_root_tells_live_from_deleted() -> None:
    assert folder_root(digest(1), EMPTY) != folder_root(EMPTY, digest(1))
