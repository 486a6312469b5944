import errno
import os
from typing import NamedTuple

import pytest

from swarm.content.chunk import MIN_CHUNK, ChunkRef, chunk_id
from swarm.content.manifest import single_chunk_content
from swarm.disk.assembler import FLUSH_EVERY, KEPT_FREE, drop, prepare, store_chunks, store_files, sweep
from swarm.ids import ContentId, DeviceId, Kind
from swarm.sync.events import PrepareTemp, StoreChunks, StoreFiles
from swarm.sync.files import Traits
from swarm.sync.memory_files import MemoryFileSystem
from swarm.sync.store import ChunkPlace
from tests.unit.marked_files import marked

KEY = bytes(range(32))
PEER = DeviceId(bytes(32))
CONTENT = ContentId(b"c" * 32)
TEMP = f".swarm/tmp/{CONTENT.hex()}"
PART = 5_000


class Clock:
    def __init__(self) -> None:
        self.ns = 1_700_000_000_000_000_000

    def __call__(self) -> int:
        self.ns += 1_000
        return self.ns


class File(NamedTuple):
    """Content cut into equal chunks."""

    data: bytes
    chunks: tuple[ChunkRef, ...]

    def part(self, index: int) -> bytes:
        return self.data[index * PART : (index + 1) * PART]


def cut(data: bytes) -> File:
    parts = [data[start : start + PART] for start in range(0, len(data), PART)]
    return File(data, tuple(ChunkRef(chunk_id(KEY, part), i * PART, len(part)) for i, part in enumerate(parts)))


FILE = cut(os.urandom(4 * PART + 10))


def wanted(file: File, places: dict[int, ChunkPlace] | None = None) -> PrepareTemp:
    known = places or {}
    where = tuple((known[i],) if i in known else () for i in range(len(file.chunks)))
    return PrepareTemp(CONTENT, len(file.data), TEMP, file.chunks, where)


def sent(file: File, *indexes: int) -> StoreChunks:
    return StoreChunks(PEER, 7, tuple((CONTENT, i, TEMP, file.chunks[i], file.part(i)) for i in indexes))


@pytest.fixture(params=[True, False], ids=["noreplace", "link and unlink"])
def files(request: pytest.FixtureRequest) -> MemoryFileSystem:
    return marked(Clock(), traits=Traits(noreplace=request.param))


def test_a_new_temp_is_private_and_empty_of_chunks(files: MemoryFileSystem) -> None:
    assert prepare(files, wanted(FILE), KEY).present == ()
    stat = files.stat(TEMP)
    assert (stat.kind, stat.mode, stat.size) == (Kind.FILE, 0o600, len(FILE.data))


def test_chunks_that_our_own_disk_has_are_copied(files: MemoryFileSystem) -> None:
    files.write_file("mine", b"--" + FILE.part(1))
    files.write_file("tail", FILE.part(4))
    done = prepare(files, wanted(FILE, {1: ChunkPlace("mine", 2, PART), 4: ChunkPlace("tail", 0, 10)}), KEY)
    assert (done.present, done.why) == ((1, 4), "")
    assert files.read_file(TEMP)[PART : 2 * PART] == FILE.part(1)


def test_a_source_that_changed_is_not_used(files: MemoryFileSystem) -> None:
    files.write_file("mine", FILE.part(1)[:-1] + b"?")
    done = prepare(files, wanted(FILE, {1: ChunkPlace("mine", 0, PART), 2: ChunkPlace("gone", 0, PART)}), KEY)
    assert (done.present, done.why) == ((), "")
    assert files.read_file(TEMP) == bytes(len(FILE.data))


def test_what_an_earlier_run_fetched_is_not_fetched_again(files: MemoryFileSystem) -> None:
    prepare(files, wanted(FILE), KEY)
    store_chunks(files, sent(FILE, 0, 3), KEY)
    files.set_mode(TEMP, 0o400)  # an attempt to install it got so far
    assert prepare(files, wanted(FILE), KEY).present == (0, 3)
    assert files.stat(TEMP).mode == 0o600
    assert store_chunks(files, sent(FILE, 1, 2, 4), KEY).stored == ((CONTENT, 1), (CONTENT, 2), (CONTENT, 4))
    assert files.read_file(TEMP) == FILE.data


def test_an_earlier_temp_that_is_torn_keeps_only_its_whole_chunks(files: MemoryFileSystem) -> None:
    files.write_file(TEMP, FILE.part(0) + b"x" * 17 + FILE.part(1)[17:] + FILE.part(2)[:100])
    assert prepare(files, wanted(FILE), KEY).present == (0,)
    assert files.stat(TEMP).size == len(FILE.data)


def test_an_earlier_temp_that_is_too_long_is_cut(files: MemoryFileSystem) -> None:
    files.write_file(TEMP, FILE.data + b"more")
    assert prepare(files, wanted(FILE), KEY).present == (0, 1, 2, 3, 4)
    assert files.read_file(TEMP) == FILE.data


def test_zeros_need_no_writing_in_a_new_temp_and_are_written_over_an_old_one() -> None:
    files = marked(Clock())
    zeros = cut(bytes(2 * PART))
    files.write_file("mine", bytes(PART))
    writes: list[str] = []
    files.before = lambda operation, path: writes.append(path) if operation == "write_at" else None
    places = {i: ChunkPlace("mine", 0, PART) for i in range(2)}
    assert prepare(files, wanted(zeros, places), KEY).present == (0, 1)
    assert writes == []
    files.write_file(TEMP, b"x" * 2 * PART)
    assert prepare(files, wanted(zeros, places), KEY).present == (0, 1)
    assert files.read_file(TEMP) == bytes(2 * PART)


def test_a_temp_that_is_also_a_users_file_is_never_written_to() -> None:
    files = marked(Clock(), traits=Traits(noreplace=False))
    files.write_file("installed", FILE.data)  # a crash came between link and unlink
    files.mkdir(".swarm/tmp")
    files.link("installed", TEMP)
    files.write_file("installed", b"edited since" * 2000)
    edited = files.read_file("installed")
    prepare(files, wanted(FILE), KEY)
    store_chunks(files, sent(FILE, 0, 1, 2, 3, 4), KEY)
    assert files.read_file("installed") == edited
    assert files.read_file(TEMP) == FILE.data


@pytest.mark.parametrize("kind", ["symlink", "fifo", "directory"])
def test_whatever_is_in_a_temps_place_is_replaced_and_never_followed(files: MemoryFileSystem, kind: str) -> None:
    files.write_file("victim", b"precious")
    files.mkdir(".swarm/tmp")
    match kind:
        case "symlink":
            files.symlink("../../victim", TEMP)
        case "fifo":
            files.make_fifo(TEMP)
        case "directory":
            files.mkdir(TEMP)
    assert prepare(files, wanted(FILE), KEY).why == ""
    assert files.stat(TEMP).kind is Kind.FILE
    assert files.read_file("victim") == b"precious"


def test_a_directory_with_something_in_it_in_a_temps_place_is_told(files: MemoryFileSystem) -> None:
    files.write_file(f"{TEMP}/something", b"x")
    assert prepare(files, wanted(FILE), KEY).why
    drop(files, TEMP)
    assert files.read_file(f"{TEMP}/something") == b"x"


def test_our_directory_as_a_symlink_is_not_followed(files: MemoryFileSystem) -> None:
    files.mkdir("elsewhere")
    files.rmdir(".swarm")
    files.symlink("elsewhere", ".swarm")
    assert prepare(files, wanted(FILE), KEY).why
    assert files.list("elsewhere") == []


@pytest.mark.parametrize(("code", "present"), [(errno.EIO, (0, 1)), (errno.ENOSPC, ())])
def test_a_disk_that_refuses_is_told_and_half_a_file_does_not_keep_it_full(code: int, present: tuple[int, ...]) -> None:
    files = marked(Clock())
    files.write_file("mine", FILE.data)
    places = {i: ChunkPlace("mine", i * PART, chunk.length) for i, chunk in enumerate(FILE.chunks)}
    writes: list[str] = []

    def refuse(operation: str, path: str) -> None:
        if operation == "write_at":
            writes.append(path)
            if len(writes) == 3:
                raise OSError(code, errno.errorcode[code], path)

    files.before = refuse
    done = prepare(files, wanted(FILE, places), KEY)
    files.before = None
    assert done.present == present
    assert "disk" in done.why
    assert (TEMP in files.tree(ours=True)) == bool(present)
    assert prepare(files, wanted(FILE), KEY).present == present  # what there was need not be fetched again


def test_what_would_not_fit_is_not_begun() -> None:
    files = marked(Clock(), capacity=KEPT_FREE + 2 * len(FILE.data) - 1)
    done = prepare(files, wanted(FILE), KEY)
    assert "full" in done.why
    assert TEMP not in files.tree(ours=True)
    files.capacity += 1
    assert prepare(files, wanted(FILE), KEY).why == ""


def test_what_a_peer_sent_wrong_is_bad_and_not_written(files: MemoryFileSystem) -> None:
    prepare(files, wanted(FILE), KEY)
    good, other = FILE.chunks[0], FILE.chunks[1]
    pieces = (
        (CONTENT, 0, TEMP, good, FILE.part(0)[:-1] + b"?"),
        (CONTENT, 1, TEMP, other, FILE.part(1)),
        (CONTENT, 2, TEMP, FILE.chunks[2]._replace(length=1), FILE.part(2)),
        (CONTENT, 3, TEMP, FILE.chunks[3], b""),
    )
    done = store_chunks(files, StoreChunks(PEER, 7, pieces), KEY)
    assert (done.peer, done.request) == (PEER, 7)
    assert done.stored == ((CONTENT, 1),)
    assert done.bad == ((CONTENT, 0), (CONTENT, 2), (CONTENT, 3))
    assert files.read_file(TEMP)[:PART] == bytes(PART)


def test_a_temp_that_is_gone_is_told_and_the_others_go_on(files: MemoryFileSystem) -> None:
    prepare(files, wanted(FILE), KEY)
    gone = (ContentId(b"g" * 32), 0, ".swarm/tmp/gone", FILE.chunks[0], FILE.part(0))
    done = store_chunks(files, StoreChunks(PEER, 7, (gone, *sent(FILE, 1).pieces)), KEY)
    assert (done.stored, done.bad) == (((CONTENT, 1),), ())
    assert done.why
    assert done.refused == ((gone[0], 0),)


def test_a_large_file_is_sent_to_the_disk_as_it_arrives() -> None:
    files = marked(Clock())
    size = 1 << 20
    data = os.urandom(size)
    flushed: list[str] = []
    files.write_file(TEMP, b"")
    files.before = lambda operation, path: flushed.append(path) if operation == "flush_range" else None
    for index in range(2 * FLUSH_EVERY // size):
        piece = (CONTENT, index, TEMP, ChunkRef(chunk_id(KEY, data), index * size, size), data)
        store_chunks(files, StoreChunks(PEER, 1, (piece,)), KEY)
    assert len(flushed) == 2


def test_small_files_become_whole_temps(files: MemoryFileSystem) -> None:
    content, node, chunk = single_chunk_content(KEY, b"small")
    done = store_files(files, StoreFiles(PEER, 3, ((content, TEMP, b"small"),)), KEY)
    assert (done.stored, done.bad, done.why) == (((content, node, chunk),), (), "")
    assert files.read_file(TEMP) == b"small"
    assert files.stat(TEMP).mode == 0o600


def test_a_small_file_replaces_whatever_was_in_its_temp(files: MemoryFileSystem) -> None:
    content, _, _ = single_chunk_content(KEY, b"small")
    files.write_file(TEMP, b"something longer")
    files.link(TEMP, "users")
    store_files(files, StoreFiles(PEER, 3, ((content, TEMP, b"small"),)), KEY)
    assert files.read_file(TEMP) == b"small"
    assert files.read_file("users") == b"something longer"


@pytest.mark.parametrize("data", [b"", b"smalL", bytes(MIN_CHUNK + 1)])
def test_a_small_file_that_is_not_what_its_name_says_is_bad(files: MemoryFileSystem, data: bytes) -> None:
    content, _, _ = single_chunk_content(KEY, b"small")
    done = store_files(files, StoreFiles(PEER, 3, ((content, TEMP, data),)), KEY)
    assert (done.stored, done.bad) == ((), (content,))
    assert TEMP not in files.tree(ours=True)


def test_a_disk_that_refuses_small_files_is_told() -> None:
    files = marked(Clock(), capacity=3)
    content, _, _ = single_chunk_content(KEY, b"small")
    done = store_files(files, StoreFiles(PEER, 3, ((content, TEMP, b"small"),)), KEY)
    assert (done.stored, done.bad) == ((), ())
    assert "full" in done.why


def test_dropping_a_temp_twice_is_nothing(files: MemoryFileSystem) -> None:
    prepare(files, wanted(FILE), KEY)
    drop(files, TEMP)
    drop(files, TEMP)
    assert TEMP not in files.tree(ours=True)


def test_a_sweep_removes_temps_of_contents_and_nothing_else() -> None:
    files = marked(lambda: 10**18)
    files.mkdir(".swarm/tmp")
    files.write_file(f".swarm/tmp/{'ab' * 32}", b"left over")
    files.write_file(".swarm/tmp/own-link", b"of the installer")
    files.write_file("abc", b"the user's")
    sweep(files)
    assert files.list(".swarm/tmp") == ["own-link"]
    assert files.read_file("abc") == b"the user's"
