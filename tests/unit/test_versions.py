"""What history has: found by names alone, restored as a user would, tidied."""

from __future__ import annotations

import pytest

from swarm.disk import tidy as tidying
from swarm.disk.history import ensure_directory, history_path
from swarm.disk.placement import SYNC_ALL_FROM
from swarm.disk.restore import restore, restore_all
from swarm.disk.retention import DAY_MS, KEPT_MS
from swarm.disk.tidy import tidy
from swarm.disk.versions import Version, all_versions, deleted, versions_of
from swarm.errors import UserError
from swarm.ids import Kind, parent_of
from swarm.sync.files import HISTORY
from swarm.sync.memory_files import MemoryFileSystem

NOW = 1_800_000_000_000
KEY = b"k" * 32


@pytest.fixture
def files() -> MemoryFileSystem:
    clock = iter(range(NOW * 1_000_000, NOW * 1_000_000 + 10**12, 1000))
    files = MemoryFileSystem(lambda: next(clock))
    for directory in (".swarm", ".swarm/tmp", HISTORY, "d"):
        files.mkdir(directory)
    return files


def keep(files: MemoryFileSystem, path: str, when_ms: int, data: bytes, unique: str = "abcdef") -> str:
    place = history_path(path, when_ms, unique)
    ensure_directory(files, parent_of(place))
    files.write_file(place, data)
    return place


def now_ns() -> int:
    return NOW * 1_000_000


def bring_back(files: MemoryFileSystem, version: Version, path: str = "") -> str:
    return restore(files, version, path or version.path, KEY, now_ns)


# -- listing


def test_versions_of_a_path_come_newest_first(files: MemoryFileSystem) -> None:
    keep(files, "d/a.txt", NOW - 5, b"old")
    keep(files, "d/a.txt", NOW - 1, b"newer")
    keep(files, "d/a.txtx", NOW, b"another")
    keep(files, "d/b.txt", NOW, b"another")
    keep(files, "a.txt", NOW, b"another")
    found = versions_of(files, "d/a.txt")
    assert [(one.when_ms, one.stat.size) for one in found] == [(NOW - 1, 5), (NOW - 5, 3)]
    assert {one.path for one in found} == {"d/a.txt"}


def test_a_name_too_long_for_history_is_found_by_its_whole_self(files: MemoryFileSystem) -> None:
    one, other, third = "é" * 100 + "1" * 50, "é" * 100 + "1" * 49 + "2", "é" * 100 + "2" * 50
    keep(files, one, NOW, b"one")
    [version] = versions_of(files, one)
    assert version.path == one
    # Cut, both are the same name: a version may be of either, and is shown for both.
    assert [found.place for found in versions_of(files, other)] == [version.place]
    assert versions_of(files, third) == []


def test_what_is_not_of_our_making_in_history_is_left_alone(files: MemoryFileSystem) -> None:
    files.write_file(f"{HISTORY}/notes.txt", b"of the user")
    files.mkdir(f"{HISTORY}/a~20260101-000000-000~abcdef")
    assert list(all_versions(files)) == []
    assert tidy(files, NOW + 100 * KEPT_MS, 10**12) == ()
    assert files.read_file(f"{HISTORY}/notes.txt") == b"of the user"


def test_without_a_history_there_are_no_versions(files: MemoryFileSystem) -> None:
    files.rmdir(HISTORY)
    assert versions_of(files, "a") == []
    assert deleted(files) == []
    assert tidy(files, NOW, 10**12) == ()


def test_deleted_is_what_history_has_and_the_folder_has_not(files: MemoryFileSystem) -> None:
    keep(files, "d/gone.txt", NOW - 9, b"first")
    keep(files, "d/gone.txt", NOW - 2, b"second!")
    keep(files, "d/there.txt", NOW, b"x")
    keep(files, "e/deep/gone.txt", NOW, b"x")
    files.write_file("d/there.txt", b"here")
    found = deleted(files)
    assert [(one.newest.path, one.newest.when_ms, one.versions) for one in found] == [
        ("d/gone.txt", NOW - 2, 2),
        ("e/deep/gone.txt", NOW, 1),
    ]
    assert [one.newest.path for one in deleted(files, "d")] == ["d/gone.txt"]
    assert [one.newest.path for one in deleted(files, "d/gone.txt")] == ["d/gone.txt"]
    assert deleted(files, "d/there.txt") == []


# -- restoring


def test_a_deleted_file_comes_back_with_its_mode_and_time_and_stays_in_history(files: MemoryFileSystem) -> None:
    place = keep(files, "e/f/a.txt", NOW, b"precious")
    files.set_mode(place, 0o750)
    files.set_mtime(place, 123_000_000_000)
    [version] = versions_of(files, "e/f/a.txt")
    assert bring_back(files, version) == ""
    assert files.read_file("e/f/a.txt") == b"precious"
    stat = files.stat("e/f/a.txt")
    assert (stat.mode, stat.mtime_ns) == (0o750, 123_000_000_000)
    assert files.read_file(place) == b"precious"
    assert files.list(".swarm/tmp") == []


def test_what_is_there_goes_to_history_first(files: MemoryFileSystem) -> None:
    keep(files, "d/a.txt", NOW - DAY_MS, b"old")
    files.write_file("d/a.txt", b"present")
    [version] = versions_of(files, "d/a.txt")
    place = bring_back(files, version)
    assert files.read_file("d/a.txt") == b"old"
    assert files.read_file(place) == b"present"
    assert [one.place for one in versions_of(files, "d/a.txt")] == [place, version.place]


def test_a_link_comes_back_as_a_link(files: MemoryFileSystem) -> None:
    place = history_path("d/link", NOW, "abcdef")
    ensure_directory(files, parent_of(place))
    files.symlink("../elsewhere", place)
    [version] = versions_of(files, "d/link")
    bring_back(files, version)
    assert files.read_link("d/link") == "../elsewhere"


def test_a_directory_in_the_place_is_not_touched(files: MemoryFileSystem) -> None:
    keep(files, "d", NOW, b"was a file")
    [version] = versions_of(files, "d")
    with pytest.raises(UserError, match="directory"):
        bring_back(files, version)
    assert files.stat("d").kind is Kind.DIRECTORY
    assert files.list(".swarm/tmp") == []


def test_nothing_is_restored_below_a_file(files: MemoryFileSystem) -> None:
    keep(files, "x/a", NOW, b"a")
    files.write_file("x", b"a file")
    [version] = versions_of(files, "x/a")
    with pytest.raises(UserError, match="is a file now"):
        bring_back(files, version)
    assert files.read_file("x") == b"a file"


def test_an_edit_made_meanwhile_stays_where_it_is(files: MemoryFileSystem) -> None:
    keep(files, "d/a.txt", NOW, b"old")
    files.write_file("d/a.txt", b"present")
    [version] = versions_of(files, "d/a.txt")

    def edit(operation: str, path: str) -> None:
        if operation == "exchange":
            files.before = None
            with files.as_user():
                files.write_file("d/a.txt", b"written meanwhile")

    files.before = edit
    with pytest.raises(UserError, match="changed just now"):
        bring_back(files, version)
    assert files.read_file("d/a.txt") == b"written meanwhile"
    assert files.list(".swarm/tmp") == []


def test_a_version_that_went_meanwhile_is_an_error_and_leaves_nothing(files: MemoryFileSystem) -> None:
    place = keep(files, "d/a.txt", NOW, b"old")
    [version] = versions_of(files, "d/a.txt")
    files.unlink(place)
    with pytest.raises(UserError):
        bring_back(files, version)
    assert files.list("d") == []
    assert files.list(".swarm/tmp") == []


# -- tidying


def test_what_is_too_old_goes_and_empty_directories_follow_in_their_time(files: MemoryFileSystem) -> None:
    old = keep(files, "e/f/old.txt", NOW - KEPT_MS, b"old")
    young = keep(files, "e/young.txt", NOW - KEPT_MS + 1, b"young")
    assert tidy(files, NOW, 10**12) == (old,)
    assert [one.place for one in all_versions(files)] == [young]
    assert files.stat(f"{HISTORY}/e/f").kind is Kind.DIRECTORY
    later = NOW + 2 * 3_600_000
    assert tidy(files, later, 10**12) == (young,)
    assert files.list(HISTORY) == []


def test_so_many_go_at_once_and_no_more(files: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tidying, "MAX_DROPPED", 2)
    places = [keep(files, f"{number}", NOW - KEPT_MS - number, b"x") for number in range(3)]
    assert tidy(files, NOW, 10**12) == (places[2], places[1])
    assert tidy(files, NOW, 10**12) == (places[0],)


def test_history_never_takes_the_last_of_a_small_disk(files: MemoryFileSystem) -> None:
    places = [keep(files, f"{number}", NOW - DAY_MS + number, bytes(100)) for number in range(3)]
    assert tidy(files, NOW, 2000) == (places[0],)


def test_a_group_comes_back_with_one_sync_for_its_contents_and_one_for_its_names(files: MemoryFileSystem) -> None:
    for number in range(SYNC_ALL_FROM):
        keep(files, f"gone/{number}", NOW, b"%d" % number)
    wanted = [(one.newest, one.newest.path) for one in deleted(files)]
    called: list[str] = []
    files.before = lambda operation, _: called.append(operation)
    assert restore_all(files, wanted, KEY, now_ns) == [""] * SYNC_ALL_FROM
    files.before = None
    assert sum("sync" in operation for operation in called) < 5
    assert {files.read_file(f"gone/{number}") for number in range(SYNC_ALL_FROM)} == {
        b"%d" % number for number in range(SYNC_ALL_FROM)
    }
    assert files.list(".swarm/tmp") == []


def test_of_a_group_those_before_one_that_cannot_be_restored_are(files: MemoryFileSystem) -> None:
    for name in ("a", "b", "c"):
        keep(files, f"d/{name}", NOW, name.encode())
    wanted = [(one.newest, one.newest.path) for one in deleted(files)]
    files.mkdir("d/b")
    with pytest.raises(UserError, match="d/b is a directory now"):
        restore_all(files, wanted, KEY, now_ns)
    assert files.read_file("d/a") == b"a"
    assert sorted(files.list("d")) == ["a", "b"]
    assert files.list(".swarm/tmp") == []


def test_of_many_to_restore_the_one_that_cannot_be_made_is_named(files: MemoryFileSystem) -> None:
    keep(files, "d/a.txt", NOW - 5, b"one")
    keep(files, "d/b.txt", NOW - 5, b"two")
    [first], [second] = versions_of(files, "d/a.txt"), versions_of(files, "d/b.txt")
    files.unlink(second.place)
    with pytest.raises(UserError, match=r"d/b\.txt"):
        restore_all(files, [(first, first.path), (second, second.path)], KEY, now_ns)
