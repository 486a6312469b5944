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


def test_of_paths_in_doubt_it_reads_only_what_may_have_been_there() -> None:
    it, store, effects = archive()
    it.doubt([])
    it.tick()
    assert effects == []
    long = "n" * 200
    it.doubt(["d/a.txt", f"d/{long}", ".rc"])
    it = Archive(store, out=effects.append)  # the run ends before it begins
    it.doubt(["e"])
    it.tick()
    assert effects == [Scan(f"{HISTORY}/d")]
    others = {"a.txt": FILE, "b~1~2.txt": FILE, "a~": DIRECTORY}
    it.scanned(Scanned(f"{HISTORY}/d", others | {"a~1~2.txt": FILE, f"{'n' * 190}~1~2": FILE}))
    assert effects[1:] == [Hash(f"{HISTORY}/d/{'n' * 190}~1~2", FILE)]
    it.failed()
    it.failed()
    assert effects[2:] == [Hash(f"{HISTORY}/d/a~1~2.txt", FILE), Scan(f"{HISTORY}/d/a~")]
    it.scanned(Scanned(f"{HISTORY}/d/a~", {"whatever": FILE}))
    it.failed()
    assert effects[4:] == [Hash(f"{HISTORY}/d/a~/whatever", FILE), Scan(HISTORY)]
    it.scanned(Scanned(HISTORY, {"e~1~2": FILE, ".rc~1~2": FILE, "f~1~2": FILE}))
    it.failed()
    it.failed()
    assert {effect.path for effect in effects[6:] if isinstance(effect, Hash)} == {
        f"{HISTORY}/e~1~2",
        f"{HISTORY}/.rc~1~2",
    }
    it.tick()
    assert len(effects) == 8


def test_what_is_in_doubt_adds_nothing_where_all_is_to_be_read() -> None:
    it, _, effects = archive()
    it.distrust()
    it.doubt(["a"])
    it.tick()
    it.scanned(Scanned(HISTORY, {"b~1~2": FILE}))
    assert effects == [Scan(HISTORY), Hash(f"{HISTORY}/b~1~2", FILE)]


def test_it_is_told_of_history_and_of_nothing_else() -> None:
    assert Archive.has(HISTORY)
    assert Archive.has(f"{HISTORY}/a")
    assert not Archive.has(f"{HISTORY}-of-mine")
    assert not Archive.has("a")
