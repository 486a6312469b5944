"""What the disk has not done yet is counted, and what it has done is not."""

from __future__ import annotations

from swarm.content.chunk import ChunkRef
from swarm.ids import ChunkId, ContentId, DeviceId
from swarm.sync.backlog import MAX_UNWRITTEN, Backlog
from swarm.sync.events import StoreChunks, StoreFiles

PEER = DeviceId(bytes(32))
CONTENT = ContentId(bytes(32))


def chunks(size: int) -> StoreChunks:
    return StoreChunks(PEER, 1, ((CONTENT, 0, "temp", ChunkRef(ChunkId(bytes(32)), 0, size), bytes(size)),))


def files(size: int) -> StoreFiles:
    return StoreFiles(PEER, 1, ((CONTENT, "temp", bytes(size)),))


def test_work_passes_through_unchanged() -> None:
    work = chunks(3)
    assert Backlog().taking(work) is work


def test_it_is_full_until_the_disk_has_done_enough() -> None:
    backlog = Backlog()
    backlog.taking(chunks(MAX_UNWRITTEN - 1))
    assert not backlog.is_full()
    backlog.taking(files(1))
    assert backlog.is_full()
    backlog.done()
    assert not backlog.is_full()
    backlog.done()
    backlog.taking(chunks(MAX_UNWRITTEN - 1))
    assert not backlog.is_full()


def test_more_answers_than_questions_do_no_harm() -> None:
    backlog = Backlog()
    backlog.done()
    backlog.taking(files(MAX_UNWRITTEN))
    assert backlog.is_full()
