"""Aimed scenarios: what one record says of another."""

from __future__ import annotations

from swarm.sync.events import Received
from swarm.wire.messages import Registers
from tests.simulation.scenario import TEMPS, ahead, devices, join, judge, part


def test_a_record_that_was_superseded_does_not_come_back_with_an_old_message() -> None:
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    assert one.folder is not None
    [old] = one.folder.ledger.register("a")
    one.write("a", b"second")
    world.settle()
    other.post(Received(one.id, Registers(world.keys.folder_id, (old.raw,), last=True)))
    world.run(3.0)
    judge(world)
    assert one.contents() == other.contents() == [b"second"]


def test_what_gave_way_to_a_directory_stays_when_a_file_takes_the_name_of_that() -> None:
    """Its name is its own for a moment, between the end of the directory and the new file, which covers it then."""
    world, [one, other] = devices()
    part(one, other)
    one.write("d", b"a file")
    other.mkdir("d")
    other.write("d/x", b"in a directory")
    world.run(3.0)
    join(one, other)
    world.run(3.0)
    world.settle()
    ahead(one, "rename_noreplace", lambda: one.write("d", b"another file"), TEMPS)
    one.remove("d")
    judge(world)
    assert one.contents() == [b"a file", b"another file"]
