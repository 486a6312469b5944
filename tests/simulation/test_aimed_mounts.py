"""Aimed scenarios: what is mounted over a part of the folder, and a root that is another one than was opened."""

from __future__ import annotations

from tests.simulation import faults
from tests.simulation.scenario import devices, join, judge, part
from tests.simulation.schedule import Step


def test_what_was_deleted_while_something_covered_it_goes_once_it_is_uncovered() -> None:
    """The directory waited for what is in it, and that waited for the directory."""
    world, [one, other] = devices()
    one.mkdir("d")
    one.write("d/x", b"first")
    world.settle()
    faults.ACTIONS["cover"](other, Step(0.0, 1, "cover", "d", number=8000))
    world.run(1.0)
    one.remove("d")
    world.run(10.0)
    judge(world)
    assert other.tree() == {}


def test_a_folder_that_comes_back_on_another_disk_is_opened_anew() -> None:
    """What was open is of the disk that has gone, and says so for ever."""
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    part(one, other)
    faults.ACTIONS["remount"](other, Step(0.0, 1, "remount", number=3000))
    world.run(15.0)
    join(one, other)
    one.write("b", b"second")
    judge(world)
    assert other.contents() == [b"first", b"second"]


def test_a_copy_of_the_folder_in_its_place_is_opened_anew() -> None:
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    faults.ACTIONS["replaced"](other, Step(0.0, 1, "replaced"))
    world.run(15.0)
    one.write("b", b"second")
    judge(world)
    assert other.contents() == [b"first", b"second"]
