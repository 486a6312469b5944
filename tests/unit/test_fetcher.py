"""What the fetcher makes of a member that is slow, and of one that is stuck."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.content.chunk import ChunkRef, min_chunk
from swarm.content.manifest import build
from swarm.ids import ChunkId, ContentId, DeviceId
from swarm.sync.events import Ask, ChunksStored, DataArrived, TempPrepared
from swarm.sync.fetcher import Fetcher
from swarm.sync.memory_store import MemoryStore
from swarm.sync.requests import REQUEST_TIMEOUT

if TYPE_CHECKING:
    from swarm.sync.events import Effect

BOB = DeviceId(b"b" * 32)
FIRST, SECOND = (ContentId(letter * 32) for letter in (b"1", b"2"))


def two_requests() -> tuple[Fetcher, list[int]]:
    """A fetcher that has asked Bob for two small files, one after the other; and the requests' numbers."""
    effects: list[Effect] = []
    fetcher = Fetcher(MemoryStore(), out=effects.append, ready=lambda _: None, failed=lambda *_: None)
    fetcher.member_up(BOB)
    for path, content in (("one", FIRST), ("two", SECOND)):
        fetcher.want(path, content, 100)
        fetcher.pump(0.0)
    return fetcher, [effect.request for effect in effects if isinstance(effect, Ask)]


def test_a_request_that_waits_behind_another_is_not_given_up() -> None:
    fetcher, (first, second) = two_requests()
    fetcher.data(DataArrived(BOB, first, (), (), last=False), REQUEST_TIMEOUT - 10)
    fetcher.pump(REQUEST_TIMEOUT + 10)
    assert set(fetcher._requests) == {first, second}


def test_a_member_that_says_nothing_for_a_minute_is_given_up() -> None:
    fetcher, (first, _) = two_requests()
    fetcher.data(DataArrived(BOB, first, (), (), last=False), 10)
    fetcher.pump(REQUEST_TIMEOUT + 10)
    assert not fetcher._requests


def test_what_is_in_temps_counts_as_there_until_nobody_wants_it() -> None:
    store = MemoryStore()
    chunks = [ChunkRef(ChunkId(letter * 32), 0, min_chunk(0)) for letter in (b"x", b"y", b"z")]
    manifest = build(chunks, 0)
    for identifier, raw in manifest.nodes.items():
        store.put_manifest_node(identifier, raw)
    effects: list[Effect] = []
    fetcher = Fetcher(store, out=effects.append, ready=lambda _: None, failed=lambda *_: None)
    fetcher.member_up(BOB)
    fetcher.want("file", manifest.root, 3 * min_chunk(0))
    fetcher.pump(0.0)
    fetcher.prepared(TempPrepared(manifest.root, (0,)))
    assert fetcher.stored_bytes == min_chunk(0)
    fetcher.pump(0.0)
    for _ in range(2):  # told twice, counted once
        fetcher.chunks_stored(ChunksStored(BOB, 1, ((manifest.root, 1),), ()))
        assert fetcher.stored_bytes == 2 * min_chunk(0)
    fetcher.chunks_stored(ChunksStored(BOB, 1, ((manifest.root, 2),), ()))
    assert fetcher.is_ready("file")
    assert fetcher.stored_bytes == 3 * min_chunk(0)
    fetcher.installed("file")
    assert fetcher.stored_bytes == 0


def test_of_two_contents_in_one_answer_the_one_that_the_disk_refused_is_asked_for_again() -> None:
    store = MemoryStore()
    size = 2 * min_chunk(0)
    roots = []
    for letters in (b"ab", b"cd"):
        manifest = build([ChunkRef(ChunkId(bytes([letter]) * 32), 0, min_chunk(0)) for letter in letters], 0)
        for identifier, raw in manifest.nodes.items():
            store.put_manifest_node(identifier, raw)
        roots.append(manifest.root)
    effects: list[Effect] = []
    fetcher = Fetcher(store, out=effects.append, ready=lambda _: None, failed=lambda *_: None)
    fetcher.member_up(BOB)
    for path, root in zip(("one", "two"), roots, strict=True):
        fetcher.want(path, root, size)
    fetcher.pump(0.0)
    for root in roots:
        fetcher.prepared(TempPrepared(root, ()))
    fetcher.pump(0.0)
    (ask,) = (effect for effect in effects if isinstance(effect, Ask))
    answer = tuple((name, bytes(min_chunk(0))) for name in ask.identifiers)
    fetcher.data(DataArrived(BOB, ask.request, answer, (), last=True), 0.0)
    one, two = roots
    fetcher.chunks_stored(
        ChunksStored(BOB, ask.request, ((one, 0), (one, 1)), (), "The disk is full.", ((two, 0), (two, 1)))
    )
    assert fetcher.is_ready("one"), "it has all that it needs"
    fetcher.pump(1.0)
    fetcher.prepared(TempPrepared(two, ()))
    fetcher.pump(1.0)
    again = [effect for effect in effects if isinstance(effect, Ask)][-1]
    assert again.request != ask.request
    assert len(again.identifiers) == 2
