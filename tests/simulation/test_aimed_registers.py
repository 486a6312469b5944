"""Aimed scenarios: what one record says of another."""

from __future__ import annotations

from swarm.sync.events import Received
from swarm.wire.messages import Registers
from tests.simulation.scenario import devices, judge


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
