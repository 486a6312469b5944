"""The archive: history is read through once where the database does not know it."""

from __future__ import annotations

from dataclasses import replace

from swarm.content.chunk import ChunkRef
from swarm.ids import ChunkId, ContentId, Kind
from swarm.sync.archive import Archive
from swarm.sync.events import Effect, Hash, Hashed, Scan, Scanned
from swarm.sync.files import HISTORY, Stat
from swarm.sync.memory_store import MemoryStore
from swarm.sync.store import ChunkPlace

FILE = Stat(Kind.FILE, 5, 0o644, 1, 1, 10, 1)
DIRECTORY = replace(FILE, kind=Kind.DIRECTORY, size=0)
CHUNK = ChunkRef(ChunkId(bytes(32)), 0, 5)


def archive() -> tuple[Archive, MemoryStore, list[Effect]]:
    store, effects = MemoryStore(), list[Effect]()
    return Archive(store, out=effects.append), store, effects


def test_it_reads_nothing_that_the_database_knows() -> None:
    it, _, effects = archive()
    it.tick()
    assert effects == []


def test_it_reads_all_of_history_one_after_the_other_and_only_once() -> None:
    it, store, effects = archive()
    it.distrust()
    it.tick()
    it.tick()
    assert effects == [Scan(HISTORY)]
    it.scanned(Scanned(HISTORY, {"d": DIRECTORY, "a": FILE, "pipe": replace(FILE, kind=None)}))
    assert effects[1:] == [Hash(f"{HISTORY}/a", FILE)]
    it.hashed(Hashed(f"{HISTORY}/a", FILE, ContentId(bytes(32)), "", ((b"n" * 32, b"raw"),), (CHUNK,)))
    assert effects[2:] == [Scan(f"{HISTORY}/d")]
    assert store.manifest_node(b"n" * 32) == b"raw"
    assert store.find_chunk(CHUNK.id) == [ChunkPlace(f"{HISTORY}/a", 0, 5)]
    it.failed()
    it.tick()
    assert len(effects) == 3


def test_a_disk_that_went_away_is_read_again_from_the_beginning() -> None:
    it, store, effects = archive()
    it.distrust()
    it.tick()
    it.interrupt()
    it.failed()
    again = Archive(store, out=effects.append)
    again.tick()
    assert effects == [Scan(HISTORY), Scan(HISTORY)]


def test_it_is_told_of_history_and_of_nothing_else() -> None:
    assert Archive.has(HISTORY)
    assert Archive.has(f"{HISTORY}/a")
    assert not Archive.has(f"{HISTORY}-of-mine")
    assert not Archive.has("a")
