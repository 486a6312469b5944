"""Aimed scenarios: what two users do at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from swarm.ids import Kind
from swarm.sync.files import Traits
from tests.simulation import users
from tests.simulation.scenario import TEMPS, ahead, devices, join, judge, part
from tests.simulation.witness import all_of

if TYPE_CHECKING:
    from tests.simulation.device import Device
    from tests.simulation.world import World


def test_a_file_gives_way_to_a_directory_with_something_in_it() -> None:
    world, [one, other] = devices()
    one.mkdir("d")
    one.write("d/x", b"first")
    world.settle()
    part(one, other)
    one.remove("d")
    one.write("d", b"a file")
    other.write("d/x", b"edited")
    world.run(5.0)
    judge(world)
    assert one.tree()["d"] == (Kind.DIRECTORY, None)
    assert one.read("d/x") == b"edited"
    assert one.contents() == [b"a file", b"edited"]


def rivals() -> tuple[World, Device, Device]:
    """Both wrote to one name while apart, and know so; nobody could fetch the other's bytes yet. The first's wins."""
    world, [one, other] = devices()
    part(one, other)
    other.write("a", b"of the other")
    world.run(3.0)
    one.write("a", b"of the first")
    world.run(3.0)
    world.network.lost_lanes = 1.0
    join(one, other)
    world.run(3.0)
    assert other.read("a") == b"of the other"
    assert other.folder is not None
    assert len(other.folder.ledger.register("a")) == 2
    return world, one, other


def test_an_edit_of_what_is_about_to_become_a_conflict_copy_replaces_it() -> None:
    world, one, other = rivals()
    other.write("a", b"of the other, edited")
    world.run(3.0)
    judge(world)
    assert one.contents() == [b"of the first", b"of the other, edited"]


def test_an_edit_of_the_winner_leaves_the_conflict_copy() -> None:
    world, one, other = rivals()
    judge(world)
    other.write("a", b"edited by the other")
    judge(world)
    assert one.contents() == [b"edited by the other", b"of the other"]


def test_an_edit_that_says_what_the_rival_says_ends_the_conflict() -> None:
    world, one, other = rivals()
    other.write("a", b"of the first")
    world.run(3.0)
    judge(world)
    assert one.contents() == [b"of the first"]


def test_an_edit_does_not_cover_what_was_only_received() -> None:
    world, one, other = rivals()
    other.write("a", b"of the other, edited")
    judge(world)
    assert b"of the first" in one.contents()


def test_an_installation_that_was_not_committed_is_no_edit_of_the_version_that_it_replaced() -> None:
    """Else the version that gave way, and is a conflict copy by now, would count as written over by its author."""
    world, one, other = rivals()
    ahead(other, "exchange", lambda: other.refusals.begin("commit", 1, 0.0), ".swarm/history/")
    judge(world)
    assert other.folder is not None
    assert one.contents() == [b"of the first", b"of the other"]


def test_a_file_that_gave_way_to_a_directory_in_a_run_that_ended_is_still_a_conflict_copy() -> None:
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    part(one, other)
    one.write("a", b"of the first")
    other.remove("a")
    other.mkdir("a")
    other.write("a/x", b"in a directory")
    world.run(5.0)
    ahead(one, "rename", lambda: one.refusals.begin("commit", 1, 0.0), "a")
    judge(world)
    assert one.contents() == [b"in a directory", b"of the first"]


def test_what_a_run_that_ended_had_put_into_history_and_nobody_else_has_can_be_had() -> None:
    """Its own database does not know where it is, and everybody would wait for it for ever."""
    world, [one, other] = devices()
    one.mkdir("d")
    world.settle()
    part(one, other)
    one.write("d/a.txt", b"of the first")
    other.mkdir("d/a.txt")
    other.write("d/a.txt/x", b"in a directory")
    world.run(5.0)
    world.network.lost_lanes = 1.0

    def then() -> None:
        one.stop()
        with one.files.as_user():
            for temp in list(all_of(one.files, TEMPS.rstrip("/"))):
                one.files.remove(temp)  # with the power: nobody had made its name durable
        world.after(1.0, one.start)

    ahead(one, "rename_noreplace", lambda: one.power_cut(then), TEMPS, after="rename")
    join(one, other)
    world.run(5.0)
    assert other.contents() == [b"in a directory"]
    judge(world)
    assert other.contents() == [b"in a directory", b"of the first"]


def test_a_conflict_copy_that_its_user_gives_the_old_name_is_not_deleted() -> None:
    """The name is free for a moment, before the directory comes. It was taken for the loser still being there; and the
    copy, which had gone, for deleted."""
    world, [one, other] = devices()
    part(one, other)
    one.mkdir("d")
    other.write("d", b"a file")
    world.run(3.0)

    def rename() -> None:
        [copy] = [path for path in other.tree() if "(conflict " in path]
        other.rename(copy, "d")

    ahead(other, "sync_directory", rename, after="rename_noreplace")
    judge(world)
    assert one.tree()["d"] == (Kind.DIRECTORY, None)
    assert one.contents() == [b"a file"]


def test_a_rename_to_where_the_same_bytes_were_a_moment_ago_is_a_version() -> None:
    """All is as it was there, but for the inode. The deletion of what was there before took it away."""
    _rename_to_where_the_same_bytes_were(Traits())


def test_a_rename_to_where_the_same_bytes_were_is_a_version_where_times_are_coarse() -> None:
    _rename_to_where_the_same_bytes_were(Traits(mtime_granularity_ns=1_000_000_000))


def _rename_to_where_the_same_bytes_were(traits: Traits) -> None:
    world, [one, other] = devices(traits=traits)
    one.write("a", b"first")
    world.settle()
    part(one, other)
    one.rename("a", "b")
    world.run(5.0)
    other.remove("a")
    world.run(0.1)
    join(one, other)
    while "b" not in other.tree():
        world.run(0.01)
    world.run(0.1)
    other.rename("b", "a")
    judge(world)
    assert {path: data for path, (_, data) in one.tree().items()} == {"a": b"first"}


def test_a_conflict_copy_that_one_touches_while_another_edits_it_stays_beside_the_edit() -> None:
    """Nobody had written it at that name: the version that says its new time is the first one there."""
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    part(one, other)
    one.write("a", b"of the one")
    other.write("a", b"of the other")
    world.run(2.0)
    join(one, other)
    world.settle()
    [copy] = one.tree().keys() - {"a"}
    lost = one.read(copy)
    part(one, other)
    users.touch(other, copy)
    one.write(copy, b"edited")
    judge(world)
    assert {b"edited", lost} < set(one.contents())


@pytest.mark.timeout(60)
def test_a_directory_respelled_while_nobody_heard_of_it_comes_where_names_fold() -> None:
    """All of it is told at once: the new name waits for the old one to go, and what is below it for the new name."""
    world, [one, other] = devices(traits=Traits(folds_case=True))
    one.mkdir("D")
    one.write("D/x", b"first")
    world.settle()
    part(one, other)
    one.rename("D", "d")
    world.run(5.0)
    join(one, other)
    judge(world)
    assert {path: data for path, (_, data) in other.tree().items()} == {"d": None, "d/x": b"first"}


def test_a_name_respelled_right_before_the_exchange_is_the_name_of_the_new_version() -> None:
    """As it would be a moment later: the disk takes both names for one. What it replaced is in history."""
    world, [one, other] = devices()
    other.files.traits = Traits(folds_case=True)
    other.stop()
    other.start()
    one.write("a", b"first")
    world.settle()
    ahead(other, "exchange", lambda: other.rename("a", "A"), ".swarm/history/")
    one.write("a", b"second")
    judge(world)
    assert {path: data for path, (_, data) in other.tree().items()} == {"A": b"second"}
