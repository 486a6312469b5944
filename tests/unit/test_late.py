"""Late writes: a program that had a file open when it was replaced does not write into the void."""

from __future__ import annotations

import pytest

from swarm.disk.late import LATE_SECONDS, LateWatch
from swarm.disk.placement import Late
from swarm.sync.memory_files import MemoryFileSystem


@pytest.fixture
def files() -> MemoryFileSystem:
    clock = iter(range(10**18, 10**18 + 10**9, 1000))
    files = MemoryFileSystem(lambda: next(clock))
    for directory in (".swarm", ".swarm/tmp", ".swarm/history", "d"):
        files.mkdir(directory)
    files.write_file(".swarm/history/a~20260101-000000-000~abcdef.txt", b"the old version")
    return files


HISTORY = ".swarm/history/a~20260101-000000-000~abcdef.txt"


def displaced(files: MemoryFileSystem) -> Late:
    return Late("d/a.txt", HISTORY, files.stat(HISTORY))


def test_what_is_written_late_comes_back_as_a_conflict_copy(files: MemoryFileSystem) -> None:
    watch = LateWatch()
    watch.add([displaced(files)], now=100.0)
    files.write_file(HISTORY, b"the old version, and more")
    [path] = watch.look(files, "anna", 100.0 + LATE_SECONDS)
    assert path.startswith("d/a (conflict anna ")
    assert path.endswith(").txt")
    assert files.read_file(path) == b"the old version, and more"
    assert files.read_file(HISTORY) == b"the old version, and more"


@pytest.mark.parametrize("instead", ["nothing", "a file"])
def test_what_is_written_late_below_a_directory_that_has_gone_comes_back_where_that_was(
    files: MemoryFileSystem, instead: str
) -> None:
    watch = LateWatch()
    watch.add([displaced(files)._replace(path="d/e/f/a.txt")], now=100.0)
    if instead == "a file":
        files.write_file("d/e", b"another kind")
    files.write_file(HISTORY, b"the old version, and more")
    [path] = watch.look(files, "anna", 100.0 + LATE_SECONDS)
    assert path.startswith("d/a (conflict anna ")
    assert files.read_file(path) == b"the old version, and more"


def test_what_was_not_written_to_stays_where_it_is(files: MemoryFileSystem) -> None:
    watch = LateWatch()
    watch.add([displaced(files)], now=100.0)
    assert watch.next_due() == 100.0 + LATE_SECONDS
    assert watch.look(files, "anna", 200.0) == []
    assert watch.next_due() is None
    assert files.list("d") == []


def test_nothing_is_looked_at_before_its_time(files: MemoryFileSystem) -> None:
    watch = LateWatch()
    watch.add([displaced(files)], now=100.0)
    files.write_file(HISTORY, b"more")
    assert watch.look(files, "anna", 100.0 + LATE_SECONDS - 1) == []
    assert len(watch.look(files, "anna", 100.0 + LATE_SECONDS)) == 1


def test_a_name_that_is_taken_is_left_alone(files: MemoryFileSystem) -> None:
    watch = LateWatch()
    entry = displaced(files)
    watch.add([entry], now=0.0)
    files.write_file(HISTORY, b"late")
    [path] = watch.look(files, "anna", 20.0)
    files.write_file(path, b"a user's own")
    watch.add([entry], now=20.0)
    assert watch.look(files, "anna", 40.0) == []
    assert files.read_file(path) == b"a user's own"
    assert files.list(".swarm/tmp") == []


def test_no_copy_ever_appears_inside_of_a_repository(files: MemoryFileSystem) -> None:
    for directory in ("r", "r/.git"):
        files.mkdir(directory)
    watch = LateWatch()
    watch.add([displaced(files)._replace(path="r/.git/index")], now=100.0)
    files.write_file(HISTORY, b"the old version, and more")
    assert watch.look(files, "anna", 200.0) == []
    assert files.list("r/.git") == []
    assert files.read_file(HISTORY) == b"the old version, and more"
