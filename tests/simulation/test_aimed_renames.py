"""Aimed scenarios: what is moved, and is seen more than once."""

from __future__ import annotations

from swarm.sync.files import Traits
from tests.simulation.scenario import OLD_SECONDS, devices, judge


def test_a_file_of_a_renamed_directory_that_was_written_to_is_read() -> None:
    world, [one, other] = devices()
    one.mkdir("d")
    one.write("d/x", b"first")
    world.settle()
    world.run(OLD_SECONDS)
    with one.user() as files:
        files.rename("d", "e")
        files.write_file("e/x", b"second")
    one.tell("d")
    one.tell("e")
    judge(world)
    assert other.read("e/x") == b"second"


def test_what_was_renamed_over_another_file_and_touched_is_told_once() -> None:
    """A rename to its own name makes another ctime, and is no second version while the old name is still missing."""
    world, [one, _] = devices()
    one.write("a", b"first")
    one.write("b", b"second")
    world.settle()
    world.run(OLD_SECONDS)
    one.rename("a", "b")
    world.run(1.5)
    one.rename("b", "b")
    judge(world)


def test_a_file_of_a_respelled_directory_is_not_read_again_at_its_old_name() -> None:
    """Where times are coarse a fresh file is read twice. By then a disk that folds names had the new name answer to the
    old one: a file that nobody had made was told of."""
    world, [one, other] = devices(traits=Traits(folds_case=True, mtime_granularity_ns=2_000_000_000))
    one.mkdir("D")
    one.write("D/x", b"first")
    world.run(0.5)
    one.rename("D", "d")
    world.run(3.0)
    judge(world)
    assert {path: data for path, (_, data) in other.tree().items()} == {"d": None, "d/x": b"first"}
