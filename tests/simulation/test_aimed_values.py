"""Aimed scenarios: links, times and permissions, which are part of what a user wrote; and where the bytes are."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from swarm.content.manifest import parse_node
from swarm.ids import ChunkId, Kind
from swarm.sync.dirty import Dirty
from swarm.sync.files import Traits
from swarm.sync.memory_open_file import CutShort, Unsynced
from swarm.sync.memory_store import MemoryStore
from tests.simulation import users
from tests.simulation.scenario import OLD_SECONDS, TEMPS, ahead, devices, join, judge, part
from tests.simulation.test_aimed_rivals import rivals as _rivals

if TYPE_CHECKING:
    from tests.simulation.device import Device


def lose(device: Device) -> None:
    """Its database is lost, and it begins anew."""
    device.stop()
    device.store = MemoryStore()
    assert device.world.oracle is not None
    device.world.oracle.doubles = True
    device.world.oracle.forgot(device)


def test_a_link_that_is_made_to_lead_elsewhere_does_so_everywhere() -> None:
    world, [one, other] = devices()
    users.link(one, "l", "here")
    world.settle()
    users.link(one, "l", "there")
    judge(world)
    assert other.tree()["l"] == (Kind.SYMLINK, "there")


def test_a_link_that_was_changed_while_its_database_was_lost_is_a_version() -> None:
    world, [one, other] = devices()
    users.link(one, "l", "here")
    world.settle()
    part(one, other)
    lose(other)
    users.link(other, "l", "there")
    other.start()
    join(one, other)
    judge(world)
    assert "there" in [target for _, target in one.tree().values()]


def test_a_time_that_a_user_set_is_set_everywhere() -> None:
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    world.run(OLD_SECONDS)
    users.touch(one, "a")
    judge(world)
    assert other.files.node("a").mtime_ns == one.files.node("a").mtime_ns


def test_an_edit_of_what_was_adopted_does_not_cover_its_rivals() -> None:
    world, one, other = _rivals()
    lose(other)
    other.start()
    world.run(5.0)
    other.write("a", b"edited by the other")
    world.run(3.0)
    judge(world)
    assert one.contents() == [b"edited by the other", b"of the first"]


def test_an_own_loser_that_has_no_copy_yet_is_not_swallowed_by_the_next_edit() -> None:
    world, [one, other] = devices()
    part(one, other)
    other.write("a", b"of the other")
    world.run(3.0)
    one.write("a", b"of the first")
    world.run(3.0)

    def fail() -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), "a")

    ahead(other, "rename_noreplace", fail, TEMPS)  # the copy is made half a second later
    join(one, other)
    while other.read("a") != b"of the first":
        world.run(0.001)
    assert other.contents() == [b"of the first"]
    other.write("a", b"edited by the other")
    judge(world)
    assert one.contents() == [b"edited by the other", b"of the other"]


def test_what_a_writer_closed_while_the_installer_was_at_it_is_read() -> None:
    """It has the old size and time, and the permissions that were set right after have hidden its ctime."""
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    world.run(OLD_SECONDS)

    def write() -> None:
        with other.user() as files:
            mtime_ns = files.node("a").mtime_ns
            files.write_file("a", b"mine!")
            files.set_mtime("a", mtime_ns)
        other.post(Dirty(frozenset({""}), frozenset({"a"}), written=frozenset({"a"})))
        other.step_now()
        other.pools.work_elsewhere("scan")
        other.step_now()

    ahead(other, "set_mode", write, "a")
    users.chmod(one, "a", 0o600)
    judge(world)
    assert one.read("a") == b"mine!"


def test_what_a_sync_that_failed_left_is_not_believed_when_a_second_one_says_that_all_is_well() -> None:
    world, [one, other] = devices()

    def fail() -> None:
        raise Unsynced(errno.EIO)

    ahead(other, "sync", fail, TEMPS)
    one.write("a", b"first")
    judge(world)
    assert other.contents() == [b"first"]


def test_a_write_that_ended_early_is_no_chunk() -> None:
    world, [one, other] = devices()
    data = world.rng.randbytes(1_000_000)

    def cut() -> None:
        raise CutShort(errno.EIO, 0.5)

    ahead(other, "write_at", cut, TEMPS)
    one.write("a", data)
    judge(world)
    assert other.read("a") == data


def test_a_name_that_a_disk_would_give_back_as_another_is_not_put_there() -> None:
    world, [one, other] = devices()
    other.stop()
    other.files.traits = Traits(folds_unicode=True, decomposes=True)
    other.start()
    one.write("cafe\u0301", b"first")
    world.run(10.0)
    judge(world)
    assert sorted(one.tree()) == ["cafe\u0301"]
    assert other.tree() == {}


def test_what_gave_way_can_be_had_from_history() -> None:
    """Nobody else has it any more."""
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    one.remove("a")
    world.settle()
    assert world.oracle is not None
    [chunk] = [
        chunk
        for raw in [other.store.manifest_node(world.oracle.name_of(b"first"))]
        if raw is not None
        for chunk, _ in parse_node(raw).entries
    ]
    assert [place.path.split("~")[0] for place in other.store.find_chunk(ChunkId(chunk))] == [".swarm/history/a"]
    judge(world)


def test_what_is_deep_in_history_can_be_had_after_a_database_was_lost_whatever_came_between() -> None:
    world, [one, other] = devices()
    one.mkdir("d")
    one.write("d/x", b"first")
    one.write("y", b"second")
    world.settle()
    one.remove("d/x")
    one.remove("y")
    world.settle()
    part(one, other)
    lose(other)

    def away() -> None:
        other.files.unmount("missing")
        other.healthy()
        world.after(5.0, other.mount)

    other.start()
    ahead(other, "open", lambda: world.after(0.0, away), ".swarm/history/")
    world.run(30.0)
    join(one, other)
    judge(world)
    assert world.oracle is not None
    for data in (b"first", b"second"):
        raw = other.store.manifest_node(world.oracle.name_of(data))
        assert raw is not None
        assert all(other.store.find_chunk(ChunkId(chunk)) for chunk, _ in parse_node(raw).entries)


def test_what_a_member_could_not_read_for_a_moment_is_asked_for_again() -> None:
    world, [one, other] = devices()

    def fail() -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), "a")

    ahead(one, "open", fail, "a", after="read_at")  # it has been hashed, and is asked for
    one.write("a", b"first")
    world.run(100.0)
    assert other.contents() == [b"first"]
    judge(world)


def test_a_branch_comes_after_its_objects_and_does_come() -> None:
    world, [one, other] = devices()
    one.write("r/.git/objects/ab/cdef", b"an object")
    one.write("r/.git/refs/heads/main", b"its name")
    seen: list[list[str]] = []
    while len(other.contents()) < 2:
        world.run(0.01)
        seen.append([path for path, (kind, _) in other.tree().items() if kind is Kind.FILE])
        assert world.now < 1020.0
    assert ["r/.git/refs/heads/main"] not in seen
    judge(world)
