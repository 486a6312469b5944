import errno
import os

import pytest

from swarm.content.chunk import LARGEST_CHUNK, chunk_id
from swarm.disk.sender import ChunkReader, serve
from swarm.ids import ChunkId
from swarm.sync.events import ServeItem
from swarm.sync.memory_files import MemoryFileSystem
from swarm.sync.store import ChunkPlace

KEY = bytes(range(32))
DATA = os.urandom(30_000)
ONE, TWO, THREE = DATA[:10_000], DATA[10_000:20_000], DATA[20_000:]


@pytest.fixture
def files() -> MemoryFileSystem:
    files = MemoryFileSystem(lambda: 1_700_000_000_000_000_000)
    files.write_file("f", DATA)
    return files


def name(data: bytes) -> ChunkId:
    return chunk_id(KEY, data)


def item(data: bytes, *places: ChunkPlace) -> ServeItem:
    return ServeItem(name(data), None, name(data), places)


def test_a_chunk_is_read_from_the_first_place_whose_bytes_are_right(files: MemoryFileSystem) -> None:
    places = [
        ChunkPlace("nowhere", 0, 10_000),
        ChunkPlace("f", 1, 10_000),
        ChunkPlace("f", 25_000, 10_000),
        ChunkPlace("f", 10_000, 10_000),
    ]
    assert ChunkReader(files, KEY).read(name(TWO), places) == TWO
    assert ChunkReader(files, KEY).read(name(TWO), places[:3]) is None
    assert ChunkReader(files, KEY).read(name(TWO), []) is None


def test_a_file_that_changed_serves_nothing_false(files: MemoryFileSystem) -> None:
    files.write_file("f", bytes(30_000))
    assert ChunkReader(files, KEY).read(name(TWO), [ChunkPlace("f", 10_000, 10_000)]) is None


@pytest.mark.parametrize("place", [("f", -1, 10), ("f", 0, 0), ("f", 0, -5), ("f", 0, LARGEST_CHUNK + 1)])
def test_a_place_that_cannot_be_is_not_read(files: MemoryFileSystem, place: tuple[str, int, int]) -> None:
    def refuse(operation: str, path: str) -> None:
        raise AssertionError(operation)

    files.before = refuse
    assert ChunkReader(files, KEY).read(name(ONE), [ChunkPlace(*place)]) is None


def test_an_answer_has_every_item_in_order(files: MemoryFileSystem) -> None:
    items = (
        ServeItem(b"node", b"the node", None, ()),
        item(ONE, ChunkPlace("f", 0, 10_000)),
        ServeItem(b"unknown", None, None, ()),
        item(b"lost", ChunkPlace("f", 0, 4)),
        item(THREE, ChunkPlace("gone", 0, 10_000), ChunkPlace("f", 20_000, 10_000)),
    )
    assert list(serve(files, KEY, items)) == [
        (b"node", b"the node"),
        (name(ONE), ONE),
        (b"unknown", None),
        (name(b"lost"), None),
        (name(THREE), THREE),
    ]


def test_one_file_is_opened_once_for_chunks_in_a_row(files: MemoryFileSystem) -> None:
    calls: list[str] = []
    files.before = lambda operation, path: calls.append(operation)
    items = [item(part, ChunkPlace("f", i * 10_000, 10_000)) for i, part in enumerate((ONE, TWO, THREE))]
    assert [data for _, data in serve(files, KEY, items)] == [ONE, TWO, THREE]
    assert calls.count("open") == 1


def test_a_file_replaced_in_the_middle_of_an_answer_serves_what_it_now_has(files: MemoryFileSystem) -> None:
    other = os.urandom(100)
    answers = serve(files, KEY, [item(ONE, ChunkPlace("f", 0, 10_000)), item(other, ChunkPlace("f", 0, 100))])
    assert next(answers) == (name(ONE), ONE)
    files.write_file("g", other)
    files.rename("g", "f")
    assert next(answers) == (name(other), other)


def test_a_disk_that_fails_is_a_missing_chunk_and_no_exception(files: MemoryFileSystem) -> None:
    def fail(operation: str, path: str) -> None:
        if operation == "read_at":
            raise OSError(errno.EIO, "EIO", path)

    files.before = fail
    assert list(serve(files, KEY, [item(ONE, ChunkPlace("f", 0, 10_000))])) == [(name(ONE), None)]
