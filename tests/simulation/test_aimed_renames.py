"""Aimed scenarios: what is moved, and is seen more than once."""

from __future__ import annotations

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
