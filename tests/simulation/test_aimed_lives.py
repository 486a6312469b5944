"""Aimed scenarios: what an old copy of a database tells anew, and what it must not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.scenario import devices, join, judge, part

if TYPE_CHECKING:
    from swarm.sync.memory_store import MemoryStore
    from tests.simulation.device import Device


def roll_back(device: Device, old: MemoryStore) -> None:
    """Its database is an old copy of itself from now on, and nothing says so."""
    device.stop()
    device.store = old
    oracle = device.world.oracle
    assert oracle is not None
    oracle.may_double(old, device)
    oracle.forgot(device)
    device.start()


def test_an_old_database_does_not_tell_anew_what_it_had_told() -> None:
    """Nor is it asked whether anybody has confirmed it: a deletion elsewhere covers the record that was told."""
    world, [one, other] = devices()
    one.write("a", b"first")
    while one.store.local("a") is None:
        world.run(0.001)
    assert one.store.get("told") == (1).to_bytes(8, "big")
    assert one.store.get("confirmed") is None
    old = one.store.snapshot()
    one.write("b", b"second")
    world.settle()
    part(one, other)
    other.remove("a")
    world.run(5.0)
    roll_back(one, old)
    join(one, other)
    judge(world)
    assert other.contents() == [b"second"]


def test_what_an_old_database_tells_anew_is_no_newer_than_it_was() -> None:
    """Nobody wrote it again, so an edit of it that was made meanwhile keeps the name."""
    world, [one, other] = devices()
    part(one, other)
    one.write("a", b"first")
    world.run(1.0)
    old = one.store.snapshot()
    join(one, other)
    world.settle()
    part(one, other)
    other.write("a", b"edited")
    world.run(1.0)
    roll_back(one, old)
    join(one, other)
    judge(world)
    assert one.read("a") == b"edited"
    assert one.contents() == [b"edited", b"first"], "what stands for another record, for all that it knows, is kept"


def test_whoever_has_heard_of_one_author_and_not_yet_of_another_is_at_no_fault() -> None:
    """What the second one has superseded is in no delta of the first: equal clocks have other roots for a moment."""
    world, [one, two, three, four] = devices(4)
    for other in (one, two, three):
        part(four, other)
    one.write("a", b"first")
    world.run(3.0)
    part(two, three)
    two.write("a", b"second")
    while len(one.store.clock()) < 2:
        world.run(0.001)
    for other in (one, three):
        join(four, other)
        world.network.connect(four, other)
        world.run(0.03)
    assert three.folder is not None
    assert four.folder is not None
    assert three.store.clock() == four.store.clock() != one.store.clock()
    assert three.folder.ledger.roots != four.folder.ledger.roots
    judge(world)
    assert four.contents() == [b"second"]


def test_what_is_told_anew_does_not_supersede_what_only_has_the_same_dot() -> None:
    """Of two copies of a machine, one deletes its own version, which the other's database knows as another one."""
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    twin = world.clone(one)
    assert world.oracle is not None
    world.oracle.cloned(one, twin)
    part(twin, other)
    twin.start()
    one.write("a", b"of one")
    twin.write("a", b"of the twin")
    world.run(5.0)
    twin.remove("a")
    world.run(5.0)
    judge(world)
    assert one.contents() == twin.contents() == other.contents() == [b"of one"]
