import re

import pytest

from swarm.disk.history import MAX_TRIES, ensure_directory, free_place, history_path, parse
from swarm.ids import name_of, parent_of
from swarm.sync.files import HISTORY
from swarm.sync.memory_files import MemoryFileSystem
from tests.unit.marked_files import marked

NOW_MS = 1_753_000_123_456  # 2025-07-20 08:28:43.456 UTC


@pytest.fixture
def files() -> MemoryFileSystem:
    return marked(lambda: NOW_MS * 1_000_000)


def test_a_displaced_file_keeps_its_directory_and_its_extension() -> None:
    assert history_path("a/b/report.txt", NOW_MS, "00ff00") == f"{HISTORY}/a/b/report~20250720-082843-456~00ff00.txt"
    assert history_path("Makefile", NOW_MS, "00ff00") == f"{HISTORY}/Makefile~20250720-082843-456~00ff00"
    assert history_path(".profile", NOW_MS, "00ff00") == f"{HISTORY}/.profile~20250720-082843-456~00ff00"


@pytest.mark.parametrize(
    "name",
    ["report.txt", "Makefile", ".profile", "a~b~c.tar.gz", "ends.", "x.y~z", "ä ö.ü", "new\nline.t", "~", ".." + "x"],
)
def test_a_name_can_be_read_back(name: str) -> None:
    found = parse(name_of(history_path(f"dir/{name}", NOW_MS, "012345")))
    assert found is not None
    assert found == (name, NOW_MS, "012345")


@pytest.mark.parametrize("name", ["a" * 255, "ä" * 127, "🦀" * 63 + ".txt", "x." + "e" * 253, "s" * 250 + ".jpeg"])
def test_every_name_fits(name: str) -> None:
    place = name_of(history_path(name, NOW_MS, "abcdef"))
    assert len(place.encode()) <= 255
    found = parse(place)
    assert found is not None
    assert found.when_ms == NOW_MS


@pytest.mark.parametrize("name", ["f.txt", "a~20250720-082843-456~XYZXYZ", "a~20259920-082843-456~abcdef", "", "~"])
def test_a_name_that_is_not_of_our_making_is_none(name: str) -> None:
    assert parse(name) is None


@pytest.mark.parametrize("now_ms", [-5, 0, 1 << 62])
def test_a_mad_clock_still_gives_a_name(now_ms: int) -> None:
    assert parse(name_of(history_path("f", now_ms, "abcdef"))) is not None


def test_a_place_is_free_and_its_directories_are_there(files: MemoryFileSystem) -> None:
    place, made = free_place(files, "a/b/f.txt", NOW_MS * 1_000_000)
    assert made == [".swarm", HISTORY, f"{HISTORY}/a"]
    files.write_file(place, b"x")
    other, made = free_place(files, "a/b/f.txt", NOW_MS * 1_000_000)
    assert other != place
    assert parent_of(other) == parent_of(place)
    assert made == []


def test_one_path_displaced_without_end_at_one_moment_is_refused(files: MemoryFileSystem) -> None:
    for _ in range(MAX_TRIES):
        files.write_file(free_place(files, "f", 5)[0], b"")
    with pytest.raises(FileExistsError):
        free_place(files, "f", 5)


def test_directories_of_ours_are_for_our_eyes_only(files: MemoryFileSystem) -> None:
    ensure_directory(files, f"{HISTORY}/a")
    assert files.stat(f"{HISTORY}/a").mode == 0o700
    assert ensure_directory(files, f"{HISTORY}/a") == []


def test_two_places_of_one_moment_differ_by_path() -> None:
    assert re.fullmatch(r".*~[0-9a-f]{6}", history_path("f", 1, "abcdef"))
    assert history_path("a/f", 1, "abcdef") != history_path("b/f", 1, "abcdef")
