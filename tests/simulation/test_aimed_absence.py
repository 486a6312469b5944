"""Aimed scenarios: what is held, what is listed, and what listings lack."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from swarm.sync.dirty import Dirty
from swarm.sync.memory_store import MemoryStore
from tests.simulation.scenario import OLD_SECONDS, ahead, devices, join, judge, part

if TYPE_CHECKING:
    from tests.simulation.device import Device
    from tests.simulation.world import World


def alone_and_without_a_database() -> tuple[World, Device, Device]:
    """The second device has lost its database, has looked at its disk, and has not heard of anybody yet."""
    world, [one, other] = devices()
    one.mkdir("d")
    one.mkdir("d/e")
    one.write("d/e/x", b"first")
    world.settle()
    part(one, other)
    other.stop()
    other.store = MemoryStore()
    assert world.oracle is not None
    world.oracle.forgot(other)
    other.start()
    world.run(5.0)
    return world, one, other


def test_what_was_held_below_a_directory_that_became_a_file_is_not_there() -> None:
    world, one, other = alone_and_without_a_database()
    other.remove("d")
    other.write("d", b"a file")
    world.run(5.0)
    one.remove("d")
    world.run(5.0)
    join(one, other)
    judge(world)
    assert one.contents() == [b"a file"]


def test_what_was_held_below_a_directory_that_was_removed_is_not_there() -> None:
    world, one, other = alone_and_without_a_database()
    other.remove("d")
    world.run(5.0)
    one.remove("d")
    world.run(5.0)
    join(one, other)
    judge(world)
    assert one.tree() == {}


def test_what_a_watcher_lost_in_a_directory_that_nobody_named_is_seen() -> None:
    world, [one, other] = devices()
    one.mkdir("d")
    one.write("d/x", b"first")
    world.settle()
    world.run(OLD_SECONDS)
    with one.user() as files:
        files.write_file("d/x", b"second")
    one.overflow()
    judge(world)
    assert other.read("d/x") == b"second"


def test_what_a_watcher_lost_while_the_root_was_being_listed_is_seen() -> None:
    world, [one, other] = devices()
    one.mkdir("d")
    one.write("d/x", b"first")
    world.settle()
    world.run(OLD_SECONDS)
    with one.user() as files:
        files.write_file("d/x", b"second")
    one.post(Dirty(frozenset({""})))
    one.overflow()
    judge(world)
    assert other.read("d/x") == b"second"


def test_a_deletion_that_could_not_be_looked_at_is_looked_at_again() -> None:
    """Its directory is not found for a moment, and is there again with nothing new in it."""
    world, [one, other] = devices()
    one.mkdir("d")
    one.write("d/x", b"first")
    world.settle()
    one.remove("d/x")
    world.run(1.0)

    def fail() -> None:
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), "d")

    ahead(one, "scan", fail, "d")
    judge(world)
    assert sorted(other.tree()) == ["d"]


def test_an_edit_that_brings_the_old_time_and_size_back_and_that_nobody_tells_of_is_seen() -> None:
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    world.run(OLD_SECONDS)
    with one.user() as files:
        mtime_ns = files.node("a").mtime_ns
        files.write_file("a", b"other")
        files.set_mtime("a", mtime_ns)
    one.overflow()
    judge(world)
    assert other.read("a") == b"other"


def test_where_an_installation_was_beaten_by_a_user_of_whom_nobody_tells_is_looked_at() -> None:
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    world.run(OLD_SECONDS)
    with other.user() as files:
        files.write_file("a", b"of the other's user")
    other.watch.tell = lambda path, closed=False: None  # type: ignore[method-assign]
    one.write("a", b"second")
    judge(world)
    assert one.contents() == [b"of the other's user", b"second"]
