"""Aimed scenarios: what a run leaves that ended, and what the next one may make of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.scenario import TEMPS, ahead, devices, judge, part

if TYPE_CHECKING:
    from tests.simulation.device import Device


def end(device: Device, seconds: float = 0.5) -> None:
    """Its process is killed, in whatever it is doing, and begins anew."""

    def then() -> None:
        device.world.note(device.name, "is killed")
        device.stop()
        device.world.after(seconds, device.start)

    device.power_cut(then)


def test_a_file_that_gave_way_to_a_directory_two_runs_ago_is_still_a_conflict_copy() -> None:
    """The second run ended before it had looked, and had noted what it was about to do itself."""
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    part(one, other)
    one.write("a", b"of the first")
    other.remove("a")
    other.mkdir("a")
    other.write("a/x", b"in a directory")
    world.run(5.0)

    def refuse() -> None:
        one.refusals.begin("commit", 1, 0.0)
        world.after(1.0, lambda: ahead(one, "rename_noreplace", lambda: end(one), TEMPS))
        other.write("z", b"for the second run")

    ahead(one, "rename", refuse, "a")
    judge(world)
    assert one.contents() == [b"for the second run", b"in a directory", b"of the first"]


def test_what_was_looked_at_once_is_in_no_doubt_any_more() -> None:
    """A user who removes it later, while nobody runs, has removed it."""
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    ahead(other, "sync_directory", lambda: other.refusals.begin("commit", 1, 0.0), after="exchange")
    one.write("a", b"second")
    world.run(10.0)
    world.settle()
    other.stop()
    other.remove("a")
    other.start()
    judge(world)
    assert one.tree() == {}
