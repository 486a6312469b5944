"""One suite for both Stores: the one in SQLite and its twin in memory; at the end both do the same at random."""

from __future__ import annotations

import itertools
import random
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarm.disk.database import SqliteStore
from swarm.errors import Bug
from swarm.ids import NO_CONTENT, ChunkId, ContentId, Kind, Origin, PathKey
from swarm.index import trie
from swarm.index.memory_trie import MemoryTrieStore
from swarm.index.record_codec import Draft, author
from swarm.index.trie import TrieNode
from swarm.keys.chain import FolderKeys
from swarm.keys.device import DeviceKey
from swarm.sync.memory_store import MemoryStore
from swarm.sync.store import ChunkPlace, Local

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swarm.index.record import Record
    from swarm.sync.store import Store

KEYS = FolderKeys.create(b"o" * 32)
DEVICE = DeviceKey.create(b"d" * 32)
ANNA = Origin(b"a" * 16)
BEN = Origin(b"b" * 16)
CONTENT = ContentId(b"c" * 32)

# Neighbours of "/" in UTF-8, prefixes of one another, and characters beyond the basic plane: where orders go wrong.
PATHS = ("a", "a!", "a/b", "a/b/c", "a-b", "a0", "a/é", "a/\uffff", "a/\U0001f600", "b", "ab", "a/b.txt")


def record(path: str, origin: Origin = ANNA, seq: int = 1, tombstone: bool = False, hlc: int = 7) -> Record:
    content = NO_CONTENT if tombstone else CONTENT
    draft = Draft(origin, seq, (), path, Kind.FILE, hlc, "laptop", tombstone, content, 0 if tombstone else 5)
    return author(draft, KEYS, DEVICE)


def put(store: Store, *records: Record) -> None:
    store.put_register(records[0].key, records)


def local(content: ContentId = CONTENT, **changes: Any) -> Local:
    return replace(Local(Kind.FILE, 5, 0o644, 10**18, 10**18 + 1, 99, content, "", ((ANNA, 3), (BEN, 1))), **changes)


def chunk(number: int) -> ChunkId:
    return ChunkId(number.to_bytes(32, "big"))


@pytest.fixture(params=["sqlite", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    store = SqliteStore(str(tmp_path / "index.db")) if request.param == "sqlite" else MemoryStore()
    yield store
    store.close()


# -- transactions and single values


def test_a_value_is_found_replaced_and_removed(store: Store) -> None:
    assert store.get("hlc") is None
    store.put("hlc", b"")
    assert store.get("hlc") == b""
    store.put("hlc", b"2")
    assert store.get("hlc") == b"2"
    store.put("hlc", None)
    assert store.get("hlc") is None


def test_commit_and_rollback_without_a_change_do_nothing(store: Store) -> None:
    store.commit()
    store.rollback()
    store.put("x", b"1")
    store.commit()
    store.commit()
    store.rollback()
    assert store.get("x") == b"1"


def test_a_rollback_takes_back_every_kind_of_change(store: Store) -> None:
    change_everything(store, 1)
    store.commit()
    before = everything(store)
    change_everything(store, 2)
    assert everything(store) != before
    store.rollback()
    assert everything(store) == before
    change_everything(store, 2)
    store.commit()
    assert everything(store) != before


def change_everything(store: Store, round_: int) -> None:
    mark = bytes((round_,))
    store.put("value", mark)
    store.put_introduction(ANNA, mark)
    store.set_clock(ANNA, round_)
    put(store, record("a", seq=round_))
    put(store, record(f"only in {round_}", seq=10 + round_))
    store.set_claims("a", [f"copy {round_}"])
    store.put_local("a", local(size=round_))
    store.put_local(f"only in {round_}", local())
    store.put_local(f"only in {round_ - 1}", None)
    store.put_manifest_node(b"n" * 32, mark)
    store.put_chunks("a", [(chunk(round_), 0, 10)])
    store.put_chunks(f"from {round_}", [(chunk(9), 0, 10)])
    store.move_chunks(f"from {round_}", "to")
    for each in (store.live_trie, store.tombstone_trie):
        each.put_leaf(PathKey(b"k" * 20), mark * 32)
        each.put_leaf(PathKey(mark * 20), mark * 32)
        each.put_node("", TrieNode(round_, bytes(512)))
        each.put_node(f"{round_}", TrieNode(round_, bytes(512)))
        each.put_node(f"{round_ - 1}", None)


def everything(store: Store) -> list[object]:
    tries = (store.live_trie, store.tombstone_trie)
    return [
        [store.get(name) for name in ("value", "other")],
        store.introductions(),
        store.clock(),
        list(store.registers()),
        [[r.hash for r in store.records_after(origin, 0, 1000)] for origin in (ANNA, BEN)],
        [store.highest_seq(origin) for origin in (ANNA, BEN)],
        [store.paths_below(path, 1000) for path in ("", *PATHS)],
        [store.live_below(path) for path in ("", *PATHS)],
        [store.claimant(path) for path in (*PATHS, "copy 1", "copy 2")],
        [store.local(path) for path in ("", *PATHS)],
        [list(store.locals_below(path)) for path in ("", *PATHS)],
        [sorted(store.locals_in(path).items(), key=lambda item: item[0]) for path in ("", *PATHS)],
        [store.locals_with(ContentId(byte * 32)) for byte in (b"c", b"d")],
        store.manifest_node(b"n" * 32),
        [sorted(store.find_chunk(chunk(number), 1000)) for number in range(10)],
        [each.leaves(prefix, 1000) for each in tries for prefix in ("", "0", "6", "6b", "ff")],
        [each.node(prefix) for each in tries for prefix in ("", "0", "1", "2", "ab")],
    ]


# -- origins


def test_introductions_and_clocks_are_kept_by_origin(store: Store) -> None:
    store.put_introduction(ANNA, b"anna")
    store.put_introduction(BEN, b"ben")
    store.put_introduction(ANNA, b"anna again")
    store.set_clock(ANNA, 1)
    store.set_clock(ANNA, (1 << 63) - 1)
    assert store.introductions() == {ANNA: b"anna again", BEN: b"ben"}
    assert store.clock() == {ANNA: (1 << 63) - 1}


def test_what_was_read_does_not_change_the_store(store: Store) -> None:
    store.set_clock(ANNA, 1)
    store.clock()[ANNA] = 5
    store.introductions()[ANNA] = b"x"
    assert store.clock() == {ANNA: 1}
    assert store.introductions() == {}


# -- registers


def test_a_register_is_replaced_as_a_whole_and_sorted(store: Store) -> None:
    one, two, three = record("a", BEN, 1), record("a", ANNA, 9), record("a", ANNA, 2)
    put(store, one, two, three)
    assert store.register(one.key) == (three, two, one)
    put(store, two)
    assert store.register(one.key) == (two,)
    store.put_register(one.key, ())
    assert store.register(one.key) == ()
    assert list(store.registers()) == []


def test_two_records_with_one_dot_are_both_kept(store: Store) -> None:
    one, two = record("a", hlc=1), record("a", hlc=2)
    put(store, one, two)
    assert set(store.register(one.key)) == {one, two}
    assert set(store.records_after(ANNA, 0, 10)) == {one, two}


def test_every_field_of_a_record_comes_back(store: Store) -> None:
    draft = Draft(
        ANNA, 5, ((ANNA, 4), (BEN, 9)), "ä/link", Kind.SYMLINK, 1 << 41, "büro", mode=0o777, mtime_ns=-1, target="../x"
    )
    written = author(replace(draft, base=b"h" * 32, moved="before"), KEYS, DEVICE)
    put(store, written)
    assert store.register(written.key) == (written,)


def test_registers_come_in_the_order_of_their_paths_bytes(store: Store) -> None:
    for seq, path in enumerate(PATHS, 1):
        put(store, record(path, ANNA, seq), record(path, BEN, seq, tombstone=True))
    found = list(store.registers())
    assert [register[0].path for register in found] == sorted(PATHS, key=str.encode)
    assert all([each.origin for each in register] == [ANNA, BEN] for register in found)


def test_an_iteration_may_be_left_in_the_middle(store: Store) -> None:
    for seq, path in enumerate(PATHS, 1):
        put(store, record(path, ANNA, seq))
        store.put_local(path, local())
    store.commit()
    registers, locals_ = store.registers(), store.locals_below("")
    next(registers)
    next(locals_)
    del registers, locals_
    store.put("x", b"1")
    store.rollback()
    assert len(list(store.registers())) == len(PATHS)


def test_records_after_are_by_seq_limited_and_of_one_origin(store: Store) -> None:
    mine = [record(f"file {seq}", ANNA, seq) for seq in (3, 1, 7, 5)]
    for each in (*mine, record("other", BEN, 4)):
        put(store, each)
    assert [r.seq for r in store.records_after(ANNA, 0, 10)] == [1, 3, 5, 7]
    assert [r.seq for r in store.records_after(ANNA, 1, 2)] == [3, 5]
    assert store.signed_after(ANNA, 1, 2) == [(r.seq, r.raw) for r in store.records_after(ANNA, 1, 2)]
    assert store.records_after(ANNA, 7, 10) == []
    assert store.records_after(ANNA, 0, 0) == []
    assert (store.highest_seq(ANNA), store.highest_seq(BEN), store.highest_seq(Origin(b"x" * 16))) == (7, 4, 0)


def test_a_superseded_record_is_no_longer_current(store: Store) -> None:
    put(store, record("a", ANNA, 1))
    put(store, record("a", ANNA, 2))
    assert [r.seq for r in store.records_after(ANNA, 0, 10)] == [2]
    put(store, record("a", BEN, 1))
    assert store.records_after(ANNA, 0, 10) == []
    assert store.highest_seq(ANNA) == 0


def test_below_means_inside_and_neither_the_directory_nor_its_neighbours(store: Store) -> None:
    for seq, path in enumerate(PATHS, 1):
        put(store, record(path, ANNA, seq))
        store.put_local(path, local())
    inside = ["a/b", "a/b.txt", "a/b/c", "a/é", "a/\uffff", "a/\U0001f600"]
    assert store.paths_below("a", 100) == inside
    assert [path for path, _ in store.locals_below("a")] == inside
    assert store.paths_below("a", 2) == inside[:2]
    assert store.paths_below("", 100) == sorted(PATHS, key=str.encode)
    assert [path for path, _ in store.locals_below("")] == sorted(PATHS, key=str.encode)
    assert store.live_below("a")
    assert store.live_below("")
    assert not store.live_below("a/b/c")
    assert not store.live_below("b")


def test_tombstones_do_not_live(store: Store) -> None:
    put(store, record("d/dead", seq=1, tombstone=True))
    put(store, record("d/both", ANNA, 2, tombstone=True), record("d/both", BEN, 2))
    assert store.paths_below("d", 10) == ["d/both"]
    put(store, record("d/both", ANNA, 3, tombstone=True))
    assert not store.live_below("d")
    assert not store.live_below("")
    assert len(list(store.registers())) == 2


def test_a_path_with_two_live_records_is_one_path(store: Store) -> None:
    put(store, record("d/x", ANNA, 1), record("d/x", BEN, 1))
    put(store, record("d/y", ANNA, 2))
    assert store.paths_below("d", 2) == ["d/x", "d/y"]


# -- tries


def test_leaves_are_found_by_prefixes_of_any_length(store: Store) -> None:
    live = store.live_trie
    keys = [PathKey(bytes.fromhex(text.ljust(40, "5"))) for text in ("ab0", "ab1", "abf", "ac0", "aa", "ff", "00")]
    for number, key in enumerate(keys):
        live.put_leaf(key, bytes((number,)) * 32)

    def found(prefix: str, limit: int = 100) -> list[str]:
        leaves = live.leaves(prefix, limit)
        assert all(digest == bytes((keys.index(key),)) * 32 for key, digest in leaves)
        return [key.hex()[:3] for key, _ in leaves]

    assert found("") == ["005", "aa5", "ab0", "ab1", "abf", "ac0", "ff5"]
    assert found("a") == ["aa5", "ab0", "ab1", "abf", "ac0"]
    assert found("ab") == ["ab0", "ab1", "abf"]
    assert found("abf") == ["abf"]
    assert found("f") == found("ff") == found("ff5") == ["ff5"]
    assert found("0") == ["005"]
    assert found("b") == []
    assert found("a", 2) == ["aa5", "ab0"]
    assert found(keys[2].hex()) == ["abf"]


def test_the_lowest_and_the_highest_key_are_within_every_prefix_of_theirs(store: Store) -> None:
    low, high = PathKey(bytes(20)), PathKey(b"\xff" * 20)
    store.live_trie.put_leaf(low, b"l" * 32)
    store.live_trie.put_leaf(high, b"h" * 32)
    for length in range(1, 41):
        assert store.live_trie.leaves("0" * length, 10) == [(low, b"l" * 32)]
        assert store.live_trie.leaves("f" * length, 10) == [(high, b"h" * 32)]


def test_leaves_and_nodes_are_replaced_and_removed_and_the_tries_are_apart(store: Store) -> None:
    key = PathKey(b"k" * 20)
    store.live_trie.put_leaf(key, b"1" * 32)
    store.live_trie.put_leaf(key, b"2" * 32)
    store.live_trie.put_node("a", TrieNode(1, bytes(512)))
    store.live_trie.put_node("a", TrieNode(2, bytes(512)))
    assert store.tombstone_trie.leaves("", 10) == []
    assert store.tombstone_trie.node("a") is None
    for _ in range(2):  # before and after the commit
        assert store.live_trie.leaves("", 10) == [(key, b"2" * 32)]
        assert store.live_trie.node("a") == TrieNode(2, bytes(512))
        store.commit()
    store.live_trie.put_leaf(key, None)
    store.live_trie.put_leaf(key, None)
    store.live_trie.put_node("a", None)
    store.live_trie.put_node("never", None)
    for _ in range(2):
        assert store.live_trie.leaves("", 10) == []
        assert store.live_trie.node("a") is None
        store.commit()


def test_more_nodes_than_are_held_back_are_still_rolled_back(store: Store) -> None:
    node = TrieNode(17, bytes(512))
    store.live_trie.put_node("0000", node)
    store.commit()
    for number in range(5_000):
        store.live_trie.put_node(f"{number:04x}", None if number == 0 else node)
    assert store.live_trie.node("0000") is None
    assert store.live_trie.node("0001") == node
    store.rollback()
    assert store.live_trie.node("0000") == node
    assert store.live_trie.node("0001") is None


def test_a_trie_has_the_same_root_wherever_it_is_kept(store: Store) -> None:
    rng = random.Random(1)
    twin = MemoryTrieStore()
    keys = [PathKey(rng.randbytes(1) + rng.randbytes(19)) for _ in range(400)]
    root = trie.root(store.live_trie)
    for round_ in range(12):
        batch = rng.sample(keys, rng.choice((1, 20, 300)))
        changes = {key: rng.choice((None, rng.randbytes(32))) for key in batch}
        found = trie.update(store.live_trie, changes)
        if round_ % 4 == 3:
            store.rollback()
            assert trie.root(store.live_trie) == root
        else:
            root = trie.update(twin, changes)
            assert found == root
            store.commit()


# -- the names of conflict copies


def test_claims_of_a_register_are_replaced_as_a_set(store: Store) -> None:
    store.set_claims("a", ["a (conflict)", "a (other)"])
    store.set_claims("b", ["b (conflict)"])
    store.set_claims("a", ["a (third)", "a (conflict)"])
    assert store.claimant("a (conflict)") == store.claimant("a (third)") == "a"
    assert store.claimant("a (other)") is None
    store.set_claims("a", [])
    assert store.claimant("a (conflict)") is None
    assert store.claimant("b (conflict)") == "b"


def test_a_name_belongs_to_the_register_that_claimed_it_last(store: Store) -> None:
    store.set_claims("a", ["shared", "own"])
    store.set_claims("b", ["shared"])
    assert store.claimant("shared") == "b"
    assert store.claimant("own") == "a"
    store.set_claims("a", [])
    assert store.claimant("shared") == "b"
    assert store.claimant("own") is None


# -- the local tree


@pytest.mark.parametrize(
    "value",
    [
        local(),
        local(kind=Kind.DIRECTORY, content=NO_CONTENT, size=0),
        local(kind=Kind.SYMLINK, content=NO_CONTENT, target="../ä"),
        local(installed=()),
        local(installed=((ANNA, (1 << 63) - 1),)),
        local(copy_of="a/b"),
        local(mtime_ns=-1, ctime_ns=0),
        local(inode=(1 << 64) - 1),  # of a network file system
        local(inode=1 << 127),
        local(mtime_ns=(1 << 63) * 30, ctime_ns=-(1 << 63) - 1),  # touch --date=9999-01-01
        local(size=(1 << 63) + 1),
    ],
)
def test_every_local_state_comes_back_as_it_was(store: Store, value: Local) -> None:
    store.put_local("d/x", value)
    store.commit()
    assert store.local("d/x") == value
    assert store.locals_in("d") == {"x": value}
    assert list(store.locals_below("d")) == [("d/x", value)]
    found = store.local("d/x")
    assert found is not None
    assert type(found.kind) is Kind


def test_children_are_direct_children(store: Store) -> None:
    for path in PATHS:
        store.put_local(path, local())
    assert set(store.locals_in("")) == {"a", "a!", "a-b", "a0", "b", "ab"}
    assert set(store.locals_in("a")) == {"b", "é", "\uffff", "\U0001f600", "b.txt"}
    assert set(store.locals_in("a/b")) == {"c"}
    assert store.locals_in("b") == {}
    store.put_local("a/b/c", None)
    store.put_local("a/b/c", None)
    assert store.locals_in("a/b") == {}
    assert store.local("a/b/c") is None


def test_files_are_found_by_content(store: Store) -> None:
    other = ContentId(b"d" * 32)
    for path in ("y", "x", "z"):
        store.put_local(path, local())
    store.put_local("dir", local(kind=Kind.DIRECTORY, content=NO_CONTENT))
    store.put_local("z", local(content=other))
    assert store.locals_with(CONTENT) == ["x", "y"]
    assert store.locals_with(CONTENT, limit=1) == ["x"]
    assert store.locals_with(other) == ["z"]
    assert store.locals_with(NO_CONTENT) == []
    store.put_local("x", None)
    assert store.locals_with(CONTENT) == ["y"]


# -- manifests and chunks


def test_changes_are_kept_by_path_with_what_they_are_on_top_of(store: Store) -> None:
    store.put_change("a", ((ANNA, 3), (BEN, 2**40)))
    store.put_change("b", ())
    store.commit()
    store.put_change("a", ((BEN, 1),))
    store.put_change("b", None)
    store.put_change("never", None)
    assert store.changes() == {"a": ((BEN, 1),)}
    store.rollback()
    assert store.changes() == {"a": ((ANNA, 3), (BEN, 2**40)), "b": ()}
    if isinstance(store, MemoryStore):
        assert store.snapshot().changes() == store.changes()


def test_manifest_nodes_are_found_by_their_identifier(store: Store) -> None:
    big = bytes(range(256)) * 4096
    store.put_manifest_node(b"1" * 32, big)
    store.put_manifest_node(b"2" * 32, b"")
    store.commit()
    assert store.manifest_node(b"1" * 32) == big
    assert store.manifest_node(b"2" * 32) == b""
    assert store.manifest_node(b"3" * 32) is None


def test_a_chunk_is_found_wherever_it_is(store: Store) -> None:
    store.put_chunks("x", [(chunk(1), 0, 10), (chunk(2), 10, 5), (chunk(1), 15, 10)])
    store.put_chunks("y", iter([(chunk(1), 0, 10)]))
    assert sorted(store.find_chunk(chunk(1))) == [ChunkPlace("x", 0, 10), ChunkPlace("x", 15, 10), ("y", 0, 10)]
    assert store.find_chunk(chunk(2)) == [ChunkPlace("x", 10, 5)]
    assert store.find_chunk(chunk(3)) == []
    assert len(store.find_chunk(chunk(1), limit=2)) == 2


def test_a_files_chunks_are_replaced_and_dropped(store: Store) -> None:
    store.put_chunks("x", [(chunk(1), 0, 10), (chunk(2), 10, 5)])
    store.put_chunks("x", [(chunk(3), 0, 10)])
    assert store.find_chunk(chunk(1)) == store.find_chunk(chunk(2)) == []
    assert store.find_chunk(chunk(3)) == [ChunkPlace("x", 0, 10)]
    store.put_chunks("x", [])
    assert store.find_chunk(chunk(3)) == []
    store.put_chunks("x", [(chunk(3), 0, 10)])
    store.drop_chunks("x")
    store.drop_chunks("x")
    assert store.find_chunk(chunk(3)) == []


def test_chunks_move_with_their_file(store: Store) -> None:
    store.put_chunks("x", [(chunk(1), 0, 10)])
    store.put_chunks("y", [(chunk(2), 0, 10)])
    store.move_chunks("x", "x")
    assert store.find_chunk(chunk(1)) == [ChunkPlace("x", 0, 10)]
    store.move_chunks("x", "y")
    assert store.find_chunk(chunk(1)) == [ChunkPlace("y", 0, 10)]
    assert store.find_chunk(chunk(2)) == []
    store.move_chunks("unknown", "y")
    assert store.find_chunk(chunk(1)) == []


def test_a_name_that_is_not_utf8_is_refused(store: Store) -> None:
    with pytest.raises(Bug):
        store.local("\udcff")
    with pytest.raises(Bug):
        store.locals_in("\udcff")
    with pytest.raises(Bug):
        store.put_local("\udcff", local())
    store.rollback()
    with pytest.raises(Bug):
        store.put_chunks("\udcff", [(chunk(1), 0, 1)])
    store.rollback()
    with pytest.raises(Bug):
        store.set_claims("a", ["\udcff"])
    store.rollback()
    store.put_chunks("x", [(chunk(1), 0, 1)])
    with pytest.raises(Bug):
        store.move_chunks("x", "\udcff")
    store.rollback()
    assert list(store.locals_below("")) == []


def test_a_snapshot_is_the_committed_state_and_lives_on_its_own() -> None:
    store = MemoryStore()
    change_everything(store, 1)
    store.commit()
    committed = everything(store)
    change_everything(store, 2)
    changed = everything(store)
    twin = store.snapshot()
    assert everything(twin) == committed
    assert everything(store) == changed
    twin.rollback()
    assert everything(twin) == committed
    change_everything(twin, 3)
    twin.commit()
    assert everything(store) == changed
    store.rollback()
    assert everything(store) == committed


# -- both at once: the same random changes, the same answers


CONTENTS = (CONTENT, ContentId(b"d" * 32), NO_CONTENT)
SEQ = itertools.count(1)
POOL = [
    record(path, origin, next(SEQ), tombstone)
    for path in PATHS
    for origin in (ANNA, BEN)
    for tombstone in (False, True)
]


def change_at_random(rng: random.Random, store: Store) -> None:
    """One change, the same for the same state of `rng`."""
    path, other = rng.choice(PATHS), rng.choice(PATHS)
    either = rng.choice((store.live_trie, store.tombstone_trie))
    match rng.randrange(13):
        case 0 | 1:
            records = [each for each in POOL if each.path == path]
            store.put_register(records[0].key, rng.sample(records, rng.randrange(4)))
        case 2 | 3:
            value = local(content=rng.choice(CONTENTS), size=rng.randrange(3))
            store.put_local(path, value if rng.random() < 0.7 else None)
        case 4:
            store.set_claims(path, rng.sample(PATHS, rng.randrange(3)))
        case 5:
            store.put_chunks(path, [(chunk(rng.randrange(10)), 10 * i, 10) for i in range(rng.randrange(3))])
        case 6:
            store.move_chunks(path, other)
        case 7:
            store.drop_chunks(path)
        case 8:
            either.put_leaf(PathKey(bytes((rng.randrange(256),)) * 20), rng.choice((None, b"1" * 32, b"2" * 32)))
        case 9:
            node = TrieNode(rng.randrange(99), bytes(512))
            either.put_node(rng.choice(("", "0", "1", "2", "ab")), node if rng.random() < 0.6 else None)
        case 10:
            store.put(rng.choice(("value", "other")), rng.choice((None, b"1", b"2")))
        case 11:
            store.set_clock(rng.choice((ANNA, BEN)), rng.randrange(9))
        case 12:
            store.put_introduction(rng.choice((ANNA, BEN)), rng.randbytes(4))


@settings(max_examples=40, deadline=None)
@given(st.randoms(use_true_random=True), st.lists(st.sampled_from("....CRO"), min_size=5, max_size=60))
def test_both_stores_answer_alike_whatever_happens(rng: random.Random, steps: list[str]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        name = str(Path(directory) / "index.db")
        real: Store = SqliteStore(name)
        twin = MemoryStore()
        committed = everything(twin)
        for step in steps:
            match step:
                case ".":
                    state = rng.getrandbits(64)
                    change_at_random(random.Random(state), real)
                    change_at_random(random.Random(state), twin)
                case "C":
                    real.commit()
                    twin.commit()
                    committed = everything(twin)
                case "R":
                    real.rollback()
                    twin.rollback()
                    assert everything(twin) == committed
                case "O":  # the process dies and starts again
                    real.close()
                    twin.close()
                    real = SqliteStore(name)
            assert everything(real) == everything(twin)  # what it remembers from here is to follow the next step
        assert everything(twin.snapshot()) == committed
        real.close()
