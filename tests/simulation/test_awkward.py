"""Awkward things on a disk: none of them may stop the rest, lose a byte, or make two devices disagree for ever."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from swarm.ids import Kind
from swarm.sync.dirty import Dirty
from swarm.sync.events import Scan
from swarm.sync.files import Traits
from swarm.sync.observer import UNREAD_AGAIN
from swarm.sync.planner import IN_THE_WAY
from tests.simulation.world import World, two_devices

if TYPE_CHECKING:
    from swarm.sync.memory_open_file import MemoryReader


def test_a_deleted_tree_with_ignored_files_stays_where_they_are_and_is_no_need() -> None:
    world, one, other = two_devices()
    one.mkdir("d")
    one.mkdir("d/e")
    one.write("d/e/f.txt", b"f")
    world.settle()
    other.write("d/e/notes.swp", b"ignored")
    one.remove("d")
    world.settle()
    assert "d" not in one.tree()
    assert other.read("d/e/notes.swp") == b"ignored"
    assert "d/e/f.txt" not in other.tree()


def test_what_is_written_to_a_file_is_told_of_all_its_names() -> None:
    world, one, other = two_devices()
    for directory in ("d", "e"):
        one.mkdir(directory)
    one.write("d/f", b"first")
    world.settle()
    with one.user() as files:
        files.link("d/f", "e/g")
    one.tell("e/g")
    world.run(10.0)
    one.write("d/f", b"second")
    world.settle()
    assert (other.read("d/f"), other.read("e/g")) == (b"second", b"second")
    with one.user() as files:
        files.set_mode("e/g", 0o600)
    one.tell("e/g")
    world.settle()
    assert one.tree() == other.tree()


def test_a_file_that_is_listed_and_cannot_be_found_is_told_and_not_looked_for_without_end() -> None:
    world, one, _ = two_devices()
    one.write("ghost", b"words")
    usual, tries = one.files.open, 0

    def find_nothing(path: str) -> MemoryReader:
        nonlocal tries
        if path != "ghost":
            return usual(path)
        tries += 1
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)

    one.files.open = find_nothing  # type: ignore[method-assign]
    world.run(20.0)
    assert tries < 5
    assert one.folder is not None
    assert [path for path, _ in one.folder.status().cannot] == ["ghost"]


def test_a_directory_with_ignored_files_where_a_file_shall_be_is_told_and_not_tried_without_end() -> None:
    world, one, other = two_devices()
    one.mkdir("d")
    one.write("d/f", b"f")
    world.settle()
    other.write("d/notes.swp", b"ignored")
    tries = 0
    before = other.files.before
    assert before is not None

    def count(called: str, at: str) -> None:
        nonlocal tries
        tries += (called, at) == ("rmdir", "d")
        before(called, at)

    other.files.before = count
    one.remove("d")
    one.write("d", b"a file")
    world.run(30.0)
    assert 1 < tries < 10
    assert other.folder is not None
    assert other.folder.status().troubles == (("d", IN_THE_WAY),)
    assert other.read("d/notes.swp") == b"ignored"
    other.remove("d/notes.swp")
    world.settle()
    assert other.read("d") == b"a file"


@pytest.mark.parametrize("pause", [0.02, 0.05, 0.06, 0.1])
def test_a_file_that_never_rests_is_a_version_all_the_same_whatever_its_rhythm(pause: float) -> None:
    world, one, other = two_devices()
    data = b""
    for _ in range(int(60 / pause)):
        data += b"line\n"
        with one.files.as_user():
            one.files.write_file("log.txt", data)
        one.tell("log.txt")
        world.run(pause)
    assert len(other.read("log.txt")) > len(data) // 3
    assert one.folder is not None
    assert one.folder.status().put_off == "log.txt", "it was a version so often that it has to wait by now"


def test_a_directory_whose_name_is_not_utf8_is_not_looked_into_whatever_happens_there() -> None:
    _, one, _ = two_devices()
    assert one.folder is not None
    told = Dirty(frozenset({"d/bad-\udcff/e", "bad-\udcff"}), frozenset({"bad-\udcff/f"}))
    effects = one.folder.step([told, Dirty(frozenset({"d"}))], one.world.now, one.wall_ms())
    listed = [effect.directory for effect in effects if isinstance(effect, Scan)]
    assert "d" in listed
    assert not [directory for directory in listed if "\udcff" in directory]


def test_a_file_that_never_rests_does_not_hold_up_the_others() -> None:
    world = World(5, 2)
    one, other = world.devices
    other.write("log.txt", b"line\n")
    one.write("a.txt", b"a")
    one.start(created=True)
    other.start()
    world.connect_all()
    for number in range(200):
        with other.files.as_user():
            other.files.write_file("log.txt", b"line\n" * (number + 2))
        other.post(Dirty(frozenset({""})))
        world.run(0.02)
    assert other.read("a.txt") == b"a"
    world.settle()
    assert one.tree() == other.tree()


def test_a_file_from_the_far_future_and_one_from_the_distant_past_are_synced() -> None:
    world, one, other = two_devices()
    for name, mtime_ns in (("future", 253_402_300_799 * 10**9), ("past", -(10**19))):
        one.write(name, name.encode())
        with one.files.as_user():
            one.files.set_mtime(name, mtime_ns)
    world.settle()
    assert other.read("future") == b"future"
    assert other.read("past") == b"past"


def test_what_cannot_be_synced_is_listed_and_the_rest_goes_on() -> None:
    world, one, other = two_devices()
    with one.files.as_user():
        one.files.make_fifo("pipe")
        one.files.symlink("nowhere", "link")
        one.files.node("link").target = "nowhere-\udcff"
    one.post(Dirty(frozenset({""})))
    one.write("a.txt", b"a")
    world.settle()
    assert one.folder is not None
    assert {path for path, _ in one.folder.status().cannot} == {"pipe", "link"}
    assert set(other.tree()) == {"a.txt"}


def test_a_directory_that_can_be_listed_again_is_looked_at_at_once_with_all_below_it_and_not_once_more() -> None:
    """Each look means that a device has changes to look at, and says so: members were told for nothing."""
    world, one, other = two_devices()
    one.write("d/e/f", b"before")
    world.settle()
    directory = one.files.node("d")
    mode, directory.mode = directory.mode, 0
    one.post(Dirty(frozenset({"d"})))
    world.run(1.0)
    one.files.write_file("d/e/g", b"meanwhile")
    directory.mode = mode
    one.post(Dirty(frozenset({"d"})))
    world.settle()
    assert other.read("d/e/g") == b"meanwhile"
    calls = one.calls
    world.run(2 * UNREAD_AGAIN)
    assert one.calls == calls


def test_names_of_every_kind_arrive() -> None:
    world, one, other = two_devices()
    names = ["a\nb", "-rf", " lead", "trail ", "🎉", "e\u0301", "\u00e9", "x" * 255, "a\\b", "*?", "ü" * 127]
    for number, name in enumerate(names):
        one.write(name, str(number).encode())
    one.mkdir("empty")
    one.write("zero", b"")
    world.settle()
    assert one.tree() == other.tree()
    assert len(other.tree()) == len(names) + 2


def test_swapping_two_files_swaps_them_everywhere_and_sends_nothing() -> None:
    world, one, other = two_devices()
    one.write("a", b"a" * 5000)
    one.write("b", b"b" * 6000)
    world.settle()
    assert other.folder is not None
    before = other.folder.fetcher.fetched_bytes
    one.rename("a", "t")
    one.rename("b", "a")
    one.rename("t", "b")
    world.settle()
    assert other.read("a") == b"b" * 6000
    assert other.read("b") == b"a" * 5000
    assert other.folder.fetcher.fetched_bytes == before


def test_a_symlink_is_kept_as_a_link_and_never_followed() -> None:
    world, one, other = two_devices()
    one.write("target", b"t")
    with one.files.as_user():
        one.files.symlink("target", "link")
        one.files.symlink("/etc/passwd", "outside")
    one.post(Dirty(frozenset({""})))
    world.settle()
    assert other.tree()["link"] == (Kind.SYMLINK, "target")
    assert other.tree()["outside"] == (Kind.SYMLINK, "/etc/passwd")


def test_a_file_that_becomes_ignored_is_no_deletion() -> None:
    world, one, other = two_devices()
    one.write("keep.log", b"keep")
    world.settle()
    one.write(".swarmignore", b"*.log\n")
    world.settle()
    assert other.read("keep.log") == b"keep"
    assert one.read("keep.log") == b"keep"
    one.remove("keep.log")
    world.settle()
    assert other.read("keep.log") == b"keep"


def test_three_devices_in_a_chain_converge() -> None:
    world = World(9, 3)
    one, middle, other = world.devices
    one.start(created=True)
    middle.start()
    other.start()
    world.connect(one, middle)
    world.connect(middle, other)
    one.write("from-one", b"1" * 70_000)
    other.write("from-other", b"2" * 70_000)
    world.settle()
    assert one.tree() == middle.tree() == other.tree()


def test_names_that_differ_in_case_alone_do_not_keep_a_folding_disk_busy_for_ever() -> None:
    world = World(21, 2)
    one, other = world.devices
    other.files.traits = Traits(folds_case=True)
    one.start(created=True)
    other.start()
    world.connect_all()
    for name in ("a.txt", "A.txt", "d/x", "D/x", "d/X"):
        if "/" in name and name.partition("/")[0] not in one.tree():
            one.mkdir(name.partition("/")[0])
        one.write(name, name.encode())
    world.settle()
    assert other.folder is not None
    assert len(one.tree()) == 7
    assert other.folder.status().cannot_count > 0
    assert any(path.lower() == "a.txt" for path in other.tree())
