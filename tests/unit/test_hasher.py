import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from swarm.content.chunk import MIN_CHUNK
from swarm.content.manifest import EMPTY_CONTENT, chunk_list
from swarm.disk.hasher import read, same_content
from swarm.disk.safefs import SafeFileSystem
from swarm.ids import NO_CONTENT, Kind
from swarm.sync.events import Hash, Hashed, HashFailed
from swarm.sync.memory_files import MemoryFileSystem

KEY = bytes(range(32))


class Clock:
    """A wall clock that no two looks find at the same time."""

    def __init__(self) -> None:
        self.ns = 1_700_000_000_000_000_000

    def __call__(self) -> int:
        self.ns += 1_000
        return self.ns


@pytest.fixture
def files() -> MemoryFileSystem:
    return MemoryFileSystem(Clock())


def hashed(files: MemoryFileSystem, path: str) -> Hashed | HashFailed:
    return read(files, Hash(path, files.stat(path)), KEY)


def at(files: MemoryFileSystem, operation: str, action: Callable[[], None]) -> None:
    """Lets a user act just before the first such system call."""

    def before(name: str, path: str) -> None:
        if name == operation:
            files.before = None
            action()

    files.before = before


@pytest.mark.parametrize("size", [1, MIN_CHUNK - 1, MIN_CHUNK, MIN_CHUNK + 1, 3_000_000])
def test_a_file_is_the_content_that_its_manifest_says(files: MemoryFileSystem, size: int) -> None:
    data = os.urandom(size)
    files.write_file("f", data)
    found = hashed(files, "f")
    assert isinstance(found, Hashed)
    assert found.stat == files.stat("f")
    assert list(found.chunks) == chunk_list(found.content, dict(found.nodes).get, size)
    assert sum(chunk.length for chunk in found.chunks) == size


def test_an_empty_file_has_the_empty_content_and_no_chunk(files: MemoryFileSystem) -> None:
    files.write_file("f", b"")
    found = hashed(files, "f")
    assert isinstance(found, Hashed)
    assert (found.content, found.chunks) == (EMPTY_CONTENT, ())
    assert dict(found.nodes)[EMPTY_CONTENT]


def test_a_sparse_file_is_what_it_reads_as(files: MemoryFileSystem) -> None:
    files.create("sparse").truncate(1_000_000)
    files.write_file("zeros", bytes(1_000_000))
    sparse, zeros = hashed(files, "sparse"), hashed(files, "zeros")
    assert isinstance(sparse, Hashed)
    assert isinstance(zeros, Hashed)
    assert sparse.content == zeros.content


def test_a_symlink_is_its_target(files: MemoryFileSystem) -> None:
    files.symlink("../elsewhere", "link")
    assert hashed(files, "link") == Hashed("link", files.stat("link"), NO_CONTENT, "../elsewhere")


def test_a_file_that_changed_since_the_scan_is_unsettled(files: MemoryFileSystem) -> None:
    files.write_file("f", b"one")
    seen = files.stat("f")
    files.write_file("f", b"two")
    found = read(files, Hash("f", seen), KEY)
    assert isinstance(found, HashFailed)
    assert found.unsettled
    assert found.stat == files.stat("f")


@pytest.mark.parametrize("size", [100, 300_000])
@pytest.mark.parametrize("what", ["grown", "shorter", "same size", "replaced", "chmod"])
def test_a_file_that_changes_while_it_is_read_is_unsettled(files: MemoryFileSystem, size: int, what: str) -> None:
    files.write_file("f", b"a" * size)

    def act() -> None:
        match what:
            case "grown":
                files.write_file("f", b"b" * (size + 1))
            case "shorter":
                files.write_file("f", b"b" * (size // 2))
            case "same size":
                files.write_file("f", b"b" * size)
            case "replaced":
                files.write_file("g", b"b" * size)
                files.rename("g", "f")
            case "chmod":
                files.set_mode("f", 0o755)

    at(files, "read_at", act)
    found = hashed(files, "f")
    assert isinstance(found, HashFailed)
    assert found.unsettled
    assert found.stat == files.stat("f")


def test_a_file_that_vanishes_is_gone(files: MemoryFileSystem) -> None:
    files.write_file("d/f", b"data")
    at(files, "read_at", lambda: files.remove("d/f"))
    found = hashed(files, "d/f")
    assert isinstance(found, HashFailed)
    assert (found.gone, found.unsettled) == (True, False)
    files.write_file("d/f", b"data")
    seen = files.stat("d/f")
    files.remove("d")
    assert read(files, Hash("d/f", seen), KEY).gone  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", [Kind.DIRECTORY, Kind.SYMLINK, None])
def test_a_file_that_became_something_else_is_unsettled(files: MemoryFileSystem, kind: Kind | None) -> None:
    files.write_file("f", b"data")
    seen = files.stat("f")
    files.remove("f")
    match kind:
        case Kind.DIRECTORY:
            files.mkdir("f")
        case Kind.SYMLINK:
            files.symlink("g", "f")
        case _:
            files.make_fifo("f")
    found = read(files, Hash("f", seen), KEY)
    assert isinstance(found, HashFailed)
    assert found.unsettled
    assert found.stat is not None
    assert found.stat.kind is kind


def test_a_symlink_that_is_replaced_is_unsettled(files: MemoryFileSystem) -> None:
    files.symlink("a", "link")

    def replace() -> None:
        files.unlink("link")
        files.symlink("b", "link")

    at(files, "read_link", replace)
    found = hashed(files, "link")
    assert isinstance(found, HashFailed)
    assert found.unsettled


def test_what_cannot_be_read_says_why(files: MemoryFileSystem) -> None:
    files.write_file("f", b"data", mode=0o200)
    found = hashed(files, "f")
    assert isinstance(found, HashFailed)
    assert (found.gone, found.unsettled) == (False, False)
    assert "permission" in found.why

    def fail(operation: str, path: str) -> None:
        if operation == "read_at":
            raise OSError(errno.EIO, "EIO", path)

    files.set_mode("f", 0o600)
    files.before = fail
    found = hashed(files, "f")
    assert isinstance(found, HashFailed)
    assert (found.gone, found.unsettled) == (False, False)
    assert "disk" in found.why


def test_content_is_compared_with_the_stat_it_was_said_to_have(files: MemoryFileSystem) -> None:
    files.write_file("f", b"data")
    found = hashed(files, "f")
    assert isinstance(found, Hashed)
    assert same_content(files, "f", found.stat, found.content, KEY)
    assert not same_content(files, "f", found.stat, EMPTY_CONTENT, KEY)
    files.write_file("f", b"data")
    assert not same_content(files, "f", found.stat, found.content, KEY)


def test_a_real_disk_gives_the_same_content(files: MemoryFileSystem, tmp_path: Path) -> None:
    data = os.urandom(200_000)
    (tmp_path / "f").write_bytes(data)
    files.write_file("f", data)
    real = SafeFileSystem(tmp_path)
    try:
        there = read(real, Hash("f", real.stat("f")), KEY)
    finally:
        real.close()
    here = hashed(files, "f")
    assert isinstance(there, Hashed)
    assert isinstance(here, Hashed)
    assert (there.content, there.chunks) == (here.content, here.chunks)
