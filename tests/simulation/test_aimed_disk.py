"""Aimed scenarios: what a clock, an inode or an error of the disk hides."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from swarm.ids import Kind
from swarm.sync.dirty import Dirty
from swarm.sync.files import Traits
from tests.simulation import faults
from tests.simulation.oracle import Oracle
from tests.simulation.scenario import OLD_SECONDS, TEMPS, ahead, devices, join, judge, part
from tests.simulation.schedule import Step
from tests.simulation.witness import all_of, node_at
from tests.simulation.world import World

if TYPE_CHECKING:
    from tests.simulation.device import Device


def twice_in_a_tick() -> tuple[World, Device, Device]:
    """The first of two writes to a new file was read, and the second carries the same stat to the last bit."""
    world, [one, other] = devices()
    world.run(OLD_SECONDS)
    with one.user() as files:
        files.write_file("a", b"first")
    one.post(Dirty(frozenset({""}), frozenset({"a"})))
    before = one.files.stat("a")
    while one.store.local("a") is None:
        world.run(0.0002)
    with one.user() as files:
        files.write_file("a", b"again")
    assert one.files.stat("a") == before, "the first one was not read within the tick"
    return world, one, other


def test_a_second_write_in_one_tick_of_the_clock_is_a_version() -> None:
    world, _, other = twice_in_a_tick()
    judge(world)
    assert other.read("a") == b"again"


def test_a_second_write_in_one_tick_of_the_clock_that_the_watcher_tells_of_is_a_version() -> None:
    world, one, other = twice_in_a_tick()
    one.tell("a", closed=True)
    judge(world)
    assert other.read("a") == b"again"


def test_a_directory_made_anew_under_its_old_name_can_be_removed() -> None:
    world, [one, other] = devices()
    one.mkdir("d")
    world.settle()
    with other.user() as files:
        files.rmdir("d")
        files.mkdir("d", 0o755)
    other.tell("d")
    world.run(5.0)
    one.remove("d")
    judge(world)
    assert other.tree() == {}


def test_a_hard_link_to_a_file_whose_directory_was_away_for_a_moment_is_no_rename() -> None:
    world, [one, other] = devices()
    for path in ("d", "later"):
        one.mkdir(path)
    one.write("d/f", b"words")
    world.settle()
    with one.user() as files:
        files.rename("d", ".swarm/aside")
    one.tell("d")
    world.run(0.5)
    with one.user() as files:
        files.rename(".swarm/aside", "d")
    one.tell("d")
    world.run(5.0)
    with one.user() as files:
        files.link("d/f", "later/g")
    one.post(Dirty(frozenset({"d"})))
    world.run(2.0)
    one.tell("later/g")
    world.run(2.0)
    judge(world)
    assert sorted(other.tree()) == ["d", "d/f", "later", "later/g"]


def test_what_could_not_be_read_once_is_read_later() -> None:
    world, [one, other] = devices()

    def fail() -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), "a")

    ahead(one, "open", fail, "a")
    one.write("a", b"first")
    world.run(45.0)
    judge(world)
    assert other.read("a") == b"first"


def test_a_disk_that_is_away_whenever_it_is_listed_is_not_empty() -> None:
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    files, listed = other.files, other.files.scan

    def scan(path: str) -> dict[str, object]:
        assert world.oracle is not None
        world.oracle.look(other)
        files.unmount("empty")
        world.after(0.0001, files.mount)
        return dict(listed(path))

    files.scan = scan  # type: ignore[method-assign, assignment]
    for _ in range(8):
        other.post(Dirty(frozenset({""})))
        world.run(3.0)
    files.scan = listed  # type: ignore[method-assign]
    judge(world)
    assert one.contents() == other.contents() == [b"first"]


def test_a_disk_that_comes_back_while_it_is_listed_was_not_empty() -> None:
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    files, listed = other.files, other.files.scan
    flapping = True

    def away() -> None:
        assert world.oracle is not None
        world.oracle.look(other)
        if flapping:
            files.unmount("empty")

    def scan(path: str) -> dict[str, object]:
        found: dict[str, object] = dict(listed(path))
        files.mount()
        world.after(0.0001, away)
        return found

    files.scan = scan  # type: ignore[method-assign, assignment]
    away()
    other.post(Dirty(frozenset({""})))
    world.run(8.0)
    flapping = False
    files.mount()
    files.scan = listed  # type: ignore[method-assign]
    judge(world)
    assert one.contents() == other.contents() == [b"first"]


def stand_aside(what: str) -> None:
    """Something else is in the folder's place, for longer than it takes to look twice, and whoever works goes there."""
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    faults.ACTIONS[what](other, Step(0.0, 1, what, number=15_000))
    other.unmount("empty")
    other.overflow()
    world.run(20.0)
    judge(world)
    assert one.contents() == other.contents() == [b"first"]


def test_another_folder_in_the_place_of_this_one_is_left_alone() -> None:
    stand_aside("foreign")


def test_an_empty_directory_in_the_place_of_the_folder_is_left_alone() -> None:
    stand_aside("aside")


def test_a_directory_that_may_not_be_listed_is_not_empty() -> None:
    world, [one, other] = devices()
    one.mkdir("d")
    one.write("d/x", b"first")
    world.settle()
    directory = other.files.node("d")
    mode, directory.mode = directory.mode, 0
    other.tell("d/x")
    world.run(8.0)
    assert one.contents() == [b"first"]
    directory.mode = mode
    other.tell("d/x")
    world.run(40.0)
    judge(world)


def test_two_files_of_one_size_are_not_the_same() -> None:
    world = World(1, 2)
    world.oracle = Oracle(world)
    one, other = world.devices
    one.write("a", b"of one..")
    other.write("a", b"of other")
    one.start(created=True)
    other.start()
    world.network.dial()
    judge(world)
    assert one.contents() == [b"of one..", b"of other"]


def test_a_removal_of_ours_that_was_not_committed_is_no_deletion_of_what_has_come_since() -> None:
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    world.run(OLD_SECONDS)
    ahead(other, "rename", lambda: other.refusals.begin("commit", 1, 0.0), "a")
    one.remove("a")
    world.run(3.0)
    assert "a" not in other.tree()
    one.write("a", b"second")
    judge(world)
    assert other.folder is not None
    assert other.folder.ledger.seq == 0
    assert other.contents() == [b"second"]


def test_a_database_that_refuses_to_read_a_manifest_says_nothing_about_the_manifest() -> None:
    """The folder is closed and opened again; nobody may go on in a transaction that has failed, or give the file up."""
    world, [one, other] = devices()
    store = other.store
    usual = store.manifest_node

    def refuse(identifier: bytes) -> bytes | None:
        store.manifest_node = usual  # type: ignore[method-assign]
        other.refusals.begin("read", 1, 0.0)
        return usual(identifier)

    store.manifest_node = refuse  # type: ignore[method-assign]
    one.write("a", b"first")
    judge(world)
    assert store.manifest_node == usual, "nobody has asked for the manifest"
    assert other.lives > 1, "its folder was not closed"
    assert other.contents() == [b"first"]


def test_what_is_to_be_put_below_a_directory_that_is_missing_waits() -> None:
    """On a disk that folds names it would end up in another directory, and go with the one that was meant."""
    world, [one, other] = devices()
    other.files.traits = Traits(folds_case=True)
    other.stop()
    other.start()
    one.mkdir("D")
    one.write("D/x", b"first")
    world.settle()
    part(one, other)
    other.rename("D/x", "x")
    other.remove("D")
    other.mkdir("d")
    one.write("D/y", b"second")
    world.run(1.0)
    join(one, other)
    world.run(1.0)
    judge(world)
    assert one.read("D/y") == b"second"
    assert "d/y" not in other.tree()


def test_what_was_gathered_before_the_disk_was_away_is_looked_at_before_it_is_seen() -> None:
    """A stick that is pulled out and put in again: what no sync had made durable is in the temp no more."""
    world, [one, other] = devices()
    data = world.rng.randbytes(10_000_000)  # more than is asked for at once
    ahead(other, "write_at", lambda: world.network.bar(one, other), TEMPS, after="write_at")
    one.write("a", data)
    world.run(3.0)
    [temp] = [path for path, (kind, _) in all_of(other.files, TEMPS[:-1]).items() if kind is Kind.FILE]
    assert "a" not in other.tree()
    other.unmount("broken")
    world.run(8.0)
    torn = node_at(other.files, temp).data
    assert any(torn), "nothing had been gathered yet"
    torn[:] = bytes(len(torn))
    other.mount()
    world.run(8.0)
    join(one, other)
    judge(world)
    assert other.read("a") == data


def test_a_walk_that_meets_a_listing_under_way_goes_on_below_it() -> None:
    world, [one, other] = devices()
    one.mkdir("d")
    world.settle()

    def unseen() -> None:
        with one.user() as files:
            files.write_file("d/f", b"new")
        one.overflow()
        one.step_now()

    ahead(one, "scan", unseen)
    one.write("top", b"x")
    judge(world)
    assert other.read("d/f") == b"new"
