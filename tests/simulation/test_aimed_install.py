"""Aimed scenarios: what a user does between two system calls of an installation, and what of one lasts."""

from __future__ import annotations

import errno
import os

from swarm.sync.files import Traits
from tests.simulation.scenario import OLD_SECONDS, TEMPS, ahead, devices, join, judge, part, sneak, write_unseen


def test_an_edit_with_the_old_size_and_time_is_seen_before_it_is_replaced() -> None:
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    world.run(OLD_SECONDS)
    ahead(other, "stat", lambda: sneak(other, "a", b"mine!"), "a")
    one.write("a", b"second")
    judge(world)
    assert one.contents() == [b"mine!", b"second"]


def test_an_edit_with_the_old_size_and_time_is_seen_before_it_is_removed() -> None:
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    world.run(OLD_SECONDS)
    ahead(other, "stat", lambda: sneak(other, "a", b"mine!"), "a")
    one.remove("a")
    judge(world)
    assert one.contents() == [b"mine!"]


def test_an_edit_right_before_the_exchange_is_put_back() -> None:
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    ahead(other, "exchange", lambda: other.write("a", b"of the other's user"))
    one.write("a", b"second")
    judge(world)
    assert one.contents() == [b"of the other's user", b"second"]


def test_an_edit_of_the_same_size_in_the_tick_of_the_old_one_is_put_back() -> None:
    """A disk whose times are whole seconds: only reading it tells what came out of the exchange."""
    world, [one, other] = devices(traits=Traits(mtime_granularity_ns=1_000_000_000))
    one.write("a", b"first")
    world.run(0.5)  # in step, and its time is still that of a write just now
    ahead(other, "exchange", lambda: sneak(other, "a", b"mine!"))
    one.write("a", b"second")
    judge(world)
    assert one.contents() == [b"mine!", b"second"]


def test_an_edit_right_after_the_exchange_is_a_version() -> None:
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    ahead(other, "stat", lambda: other.write("a", b"of the other's user"), "a", after="exchange")
    one.write("a", b"second")
    judge(world)
    assert one.contents() == [b"of the other's user"]


def test_what_is_removed_after_the_disk_refused_to_show_what_it_replaced_is_removed() -> None:
    """The new version was there to be seen. Taken for the old one, its removal was none of it, and it came back."""
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()

    def fail() -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), "what came out")

    def fail_twice() -> None:
        ahead(other, "stat", fail, ".swarm/history/")
        fail()

    ahead(other, "stat", fail_twice, ".swarm/history/", after="exchange")
    ahead(other, "sync_directory", lambda: other.remove("a"), after="exchange")
    one.write("a", b"second")
    judge(world)
    assert one.contents() == []


def test_an_edit_right_after_a_new_file_appeared_is_a_version() -> None:
    world, [one, other] = devices()
    ahead(other, "stat", lambda: other.write("a", b"of the other's user"), "a", after="rename|rename_noreplace")
    one.write("a", b"first")
    judge(world)
    assert one.contents() == [b"of the other's user"]


def test_an_edit_right_after_the_exchange_with_our_size_in_our_second_is_a_version() -> None:
    """A disk whose times are whole seconds: only reading it tells that it is not what we installed."""
    world, [one, other] = devices(traits=Traits(mtime_granularity_ns=1_000_000_000))
    one.write("a", b"first")
    world.settle()
    world.run(OLD_SECONDS - world.now % 1.0)
    ahead(other, "stat", lambda: other.write("a", b"mine!!"), "a", after="exchange")
    one.write("a", b"second")
    judge(world)
    assert one.contents() == [b"mine!!"]


def test_an_edit_right_after_the_exchange_in_our_second_that_the_watcher_lost_is_a_version() -> None:
    """It has our time and another size, and nobody tells that it was closed. So the stat of what we installed, and not
    of what is there, is all there is to find it by."""
    world, [one, other] = devices(traits=Traits(mtime_granularity_ns=1_000_000_000))
    one.write("a", b"first")
    world.settle()
    world.run(OLD_SECONDS - world.now % 1.0)
    ahead(other, "stat", lambda: write_unseen(other, "a", b"of the other's user"), "a", after="exchange")
    one.write("a", b"second")
    judge(world)
    assert one.contents() == [b"of the other's user"]


def test_an_edit_right_after_the_exchange_with_our_size_in_our_second_that_the_watcher_lost_is_a_version() -> None:
    """It has our size too: only reading it, in the installation itself, tells that it is not what we installed."""
    world, [one, other] = devices(traits=Traits(mtime_granularity_ns=1_000_000_000))
    one.write("a", b"first")
    world.settle()
    world.run(OLD_SECONDS - world.now % 1.0)
    ahead(other, "stat", lambda: write_unseen(other, "a", b"mine!!"), "a", after="exchange")
    one.write("a", b"second")
    judge(world)
    assert one.contents() == [b"mine!!"]


def test_an_edit_right_after_the_exchange_that_brings_our_time_back_is_a_version() -> None:
    """Everything that a stat can say is as we installed it. Only the watcher tells that somebody closed it."""
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    ahead(other, "stat", lambda: sneak(other, "a", b"mine!!"), "a", after="exchange")
    one.write("a", b"second")
    judge(world)
    assert one.contents() == [b"mine!!"]


def test_what_appears_right_before_a_new_file_is_not_replaced() -> None:
    world, [one, other] = devices()
    ahead(other, "rename|rename_noreplace", lambda: other.write("a", b"of the other's user"), TEMPS)
    one.write("a", b"first")
    judge(world)
    assert one.contents() == [b"first", b"of the other's user"]


def test_an_edit_right_before_a_removal_comes_back() -> None:
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    world.run(OLD_SECONDS)
    ahead(other, "rename", lambda: other.write("a", b"of the other's user"), "a")
    one.remove("a")
    judge(world)
    assert one.contents() == [b"of the other's user"]


def test_an_edit_right_before_a_move_keeps_its_name() -> None:
    """Who writes to a name finds it there, whatever somebody elsewhere made of what it had before."""
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    world.run(OLD_SECONDS)
    ahead(other, "rename", lambda: other.write("a", b"of the other's user"), "a")
    one.rename("a", "b")
    judge(world)
    assert one.read("a") == b"of the other's user"
    assert one.read("b") == b"first"


def test_an_edit_right_after_a_move_keeps_its_name() -> None:
    """It was taken for one right before it, and given the old name; the new one had again what was written over."""
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    world.run(OLD_SECONDS)
    ahead(other, "stat", lambda: other.write("b", b"of the other's user"), "b", after="rename_noreplace")
    one.rename("a", "b")
    judge(world)
    assert {path: data for path, (_, data) in one.tree().items()} == {"b": b"of the other's user"}


def test_what_was_moved_and_then_deleted_stays_deleted() -> None:
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    world.run(OLD_SECONDS)
    ahead(other, "stat", lambda: other.remove("b"), "b", after="rename|rename_noreplace")
    one.rename("a", "b")
    judge(world)
    assert one.tree() == {}


def test_what_could_not_be_put_in_place_is_put_there_later() -> None:
    world, [one, other] = devices()

    def fail() -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), "a")

    ahead(other, "rename_noreplace", fail, TEMPS)
    one.write("a", b"first")
    judge(world)
    assert other.read("a") == b"first"


# -- what lasts


def test_a_directory_in_one_that_its_user_made_just_now_lasts() -> None:
    world, [one, other] = devices()
    part(one, other)
    for device in (one, other):
        device.mkdir("d")
    world.run(5.0)
    join(one, other)
    world.run(3.0)
    world.settle()
    one.mkdir("d/e")
    judge(world)


def test_permissions_that_were_reported_as_set_last() -> None:
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    with one.user() as files:
        files.set_mode("a", 0o600)
    one.tell("a")
    judge(world)
    assert other.files.node("a").mode == 0o600


def test_what_was_told_is_known_after_a_kill() -> None:
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    assert one.folder is not None
    seq, root = one.folder.ledger.seq, one.folder.status().root
    one.stop()
    one.start()
    assert (one.folder.ledger.seq, one.folder.status().root) == (seq, root)
    judge(world)
    assert other.contents() == [b"first"]


def test_what_an_earlier_run_put_in_place_and_did_not_sync_is_made_to_last_before_it_counts() -> None:
    world, [one, other] = devices()

    def end() -> None:
        other.stop()
        world.after(1.0, other.start)

    ahead(other, "sync_directory", lambda: other.power_cut(end), after="rename_noreplace")
    one.write("a", b"first")
    judge(world)
    assert other.contents() == [b"first"]


def test_half_a_temp_of_an_earlier_run_is_not_taken_for_a_file() -> None:
    world, [one, other] = devices()
    data = world.rng.randbytes(3_000_000)
    one.write("a", data)
    while len(data) not in [len(held or b"") for _, held in other.files.tree(TEMPS[:-1], ours=True).values()]:
        world.run(0.0002)
    other.stop()
    other.start()
    judge(world)
    assert other.read("a") == data


def test_what_was_moved_and_then_became_a_directory_stays_one() -> None:
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()

    def swap() -> None:
        with other.user() as files:
            files.remove("b")
            files.mkdir("b", 0o755)
            files.write_file("b/inside", b"of the other's user")
        other.tell("b")

    ahead(other, "stat", swap, "b", after="rename_noreplace")
    one.rename("a", "b")
    judge(world)
    assert one.contents() == [b"of the other's user"]
    assert one.read("b/inside") == b"of the other's user"


def test_a_deletion_is_not_of_a_version_that_came_after_it_with_the_same_bytes() -> None:
    """Nothing is to be done on the disk for that version, and yet it counts only where it was looked at."""
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    world.run(OLD_SECONDS)
    part(one, other)
    one.rename("a", "b")
    world.run(5.0)
    one.rename("b", "a")
    world.run(5.0)
    with other.user() as files:
        files.remove("a")  # and the watcher is slow to tell
    join(one, other)
    world.run(1.0)
    other.tell("a")
    judge(world)
    assert one.read("a") == b"first"
