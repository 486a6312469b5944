"""Aimed scenarios: what lost messages, and lost or old databases, hide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.content.manifest import parse_node
from swarm.ids import ChunkId
from swarm.sync.events import Received
from swarm.sync.memory_store import MemoryStore
from swarm.wire.messages import Delta, Introduce
from tests.simulation.scenario import devices, join, judge, part

if TYPE_CHECKING:
    from swarm.sync.events import Event
    from tests.simulation.device import Device


def test_a_delta_after_a_lost_one_does_not_hide_the_gap() -> None:
    """Found by its number, not by a comparison of the two indexes, which is for what nobody can explain."""
    world, [one, other] = devices()
    lost = False

    def drop_one(source: Device, message: object) -> bool:
        nonlocal lost
        if lost or source is not one or not isinstance(message, Delta) or not message.records:
            return False
        lost = True
        return True

    send = world.network.send

    def sending(source: Device, target: Device, message: object) -> None:
        if not drop_one(source, message):
            send(source, target, message)

    world.network.send = sending  # type: ignore[method-assign, assignment]
    one.write("a", b"first")
    world.run(1.0)
    assert lost
    one.write("b", b"second")
    judge(world)
    assert other.folder is not None
    assert other.folder.exchange.faults == {}
    assert other.contents() == [b"first", b"second"]


def test_a_database_that_others_know_better_gives_no_dot_a_second_time() -> None:
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    old = one.store.snapshot()
    for number in range(5):
        one.write("a", b"edit %d" % number)
        world.run(3.0)
    world.settle()
    part(one, other)
    one.stop()
    one.store = old
    assert world.oracle is not None
    world.oracle.forgot(one)
    one.start()
    join(one, other)
    for number in range(8):  # as many as it takes to use up what others know already
        world.run(3.0)
        one.write(f"new {number}", b"new %d" % number)
    judge(world)
    assert other.contents() == sorted([b"edit 4", *(b"new %d" % number for number in range(8))])


def test_an_old_database_that_signed_as_much_as_others_know_comes_to_rest_as_well() -> None:
    """It looks like a new one to everybody, so that dots stand for two records each: the two indexes are compared."""
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    old = one.store.snapshot()
    one.write("b", b"second")
    world.settle()
    part(one, other)
    one.stop()
    one.store = old
    one.write("b", b"second, edited")
    assert world.oracle is not None
    world.oracle.may_double(old, one)
    world.oracle.forgot(one)
    one.start()
    world.run(3.0)
    judge(world)
    assert b"second, edited" in other.contents()


def test_an_old_database_that_wrote_as_much_as_others_know_gives_no_dot_to_what_they_know_deleted() -> None:
    """Its new record would be taken for the one that was deleted, and go with it."""
    world, [one, other] = devices()
    world.settle()
    old = one.store.snapshot()
    one.write("a", b"first")
    world.settle()
    other.remove("a")
    world.run(5.0)
    world.settle()
    part(one, other)
    one.stop()
    one.store = old
    assert world.oracle is not None
    world.oracle.doubles = True
    world.oracle.forgot(one)
    one.write("a", b"second")
    one.start()
    world.run(3.0)
    judge(world)
    assert other.contents() == [b"second"]


def test_a_lost_database_signs_nothing_for_what_others_have_as_well() -> None:
    world, [one, other] = devices()
    one.write("a", b"first")
    one.write("b", b"second")
    world.settle()
    part(one, other)
    other.stop()
    other.store = MemoryStore()
    assert world.oracle is not None
    world.oracle.forgot(other)
    other.start()
    world.run(5.0)
    join(one, other)
    judge(world)
    assert other.folder is not None
    assert other.folder.ledger.seq == 0
    assert other.folder.fetcher.fetched_bytes == 0


def test_what_was_removed_before_anybody_was_heard_is_not_there() -> None:
    """It was held for a member, and nobody may say that it is here."""
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    part(one, other)
    other.stop()
    other.store = MemoryStore()
    assert world.oracle is not None
    world.oracle.forgot(other)
    other.start()
    world.run(5.0)
    other.rename("a", "b")
    world.run(5.0)
    join(one, other)
    judge(world)
    assert one.contents() == [b"first", b"first"]


def test_a_member_that_cannot_have_a_file_is_not_identical() -> None:
    world, [one, other] = devices()
    other.files.capacity = other.files._disk.used + 50
    one.write("a", b"a" * 5000)
    world.run(10.0)
    assert one.folder is not None
    [member] = one.folder.status().members
    assert not member.identical
    assert member.need_files == 1
    other.files.capacity = 1 << 40
    judge(world)
    assert other.read("a") == b"a" * 5000


def test_what_nobody_has_any_more_is_not_asked_for_without_end() -> None:
    world, [one, other] = devices()
    assert world.oracle is not None
    world.network.lost_lanes = 1.0
    one.write("a", b"first")
    world.run(3.0)
    assert other.folder is not None
    assert other.folder.planner.need_files == 1
    one.stop()
    one.store = MemoryStore()
    one.remove("a")
    world.oracle.doubles = True
    world.oracle.forgot(one)
    one.start()
    judge(world)


def test_what_is_in_history_can_be_had_after_a_database_was_lost() -> None:
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    one.remove("a")
    world.settle()
    assert other.files.tree(".swarm/history", ours=True)
    other.stop()
    other.store = MemoryStore()
    assert world.oracle is not None
    world.oracle.forgot(other)
    other.start()
    world.settle()
    world.run(5.0)
    [chunk] = [
        chunk
        for raw in [other.store.manifest_node(world.oracle.name_of(b"first"))]
        if raw is not None
        for chunk, _ in parse_node(raw).entries
    ]
    assert other.store.find_chunk(ChunkId(chunk))
    judge(world)


def test_of_two_machines_with_one_identity_one_takes_a_life_of_its_own() -> None:
    """As after a copy of a virtual machine, which nothing on it can notice: both sign the same dots, until one of them
    sees a record of its life that it did not make."""
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    twin = world.clone(one)
    assert world.oracle is not None
    world.oracle.cloned(one, twin)
    twin.start()
    assert one.folder is not None
    life, seq = one.folder.ledger.origin, one.folder.ledger.seq
    one.write("b", b"of one")
    twin.write("c", b"of the twin")
    world.run(60.0)
    assert twin.folder is not None
    assert {one.folder.ledger.origin, twin.folder.ledger.origin} != {life}
    judge(world)
    assert one.contents() == twin.contents() == other.contents() == [b"first", b"of one", b"of the twin"]
    lives = {one.folder.ledger.origin, twin.folder.ledger.origin}
    one.write("b", b"of one, edited")
    twin.write("c", b"of the twin, edited")
    judge(world)
    assert seq == 1
    assert lives == {one.folder.ledger.origin, twin.folder.ledger.origin}


def test_a_database_that_knows_that_it_was_copied_begins_a_life_of_its_own_at_once() -> None:
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    twin = world.clone(one)
    assert world.oracle is not None
    world.oracle.cloned(one, twin)
    one.write("b", b"of one")
    twin.write("c", b"of the twin")
    twin.start(cloned=True)
    world.run(60.0)
    judge(world)
    assert other.contents() == [b"first", b"of one", b"of the twin"]


def test_two_machines_with_one_identity_that_told_different_members_find_out_by_a_record() -> None:
    """To each its own clock says that all it signed was told, and by no more than it knows."""
    world, [one, third, fourth] = devices(3)
    twin = world.clone(one)
    assert world.oracle is not None
    world.oracle.cloned(one, twin)
    assert one.folder is not None
    life = one.folder.ledger.origin
    for here, there in ((one, third), (twin, fourth), (third, fourth)):
        part(here, there)
    twin.start()
    world.run(10.0)
    one.write("b", b"of one")
    twin.write("c", b"of the twin")
    world.run(10.0)
    for here, there in ((one, third), (twin, fourth), (third, fourth)):
        join(here, there)
    world.run(60.0)
    assert twin.folder is not None
    assert {one.folder.ledger.origin, twin.folder.ledger.origin} != {life}
    judge(world)
    assert third.contents() == fourth.contents() == [b"of one", b"of the twin"]


def test_whoever_builds_on_an_introduction_that_was_lost_with_a_commit_is_not_accused() -> None:
    """What goes on coming before it has heard that it shall say all again."""
    world, [one, other, third] = devices(3)
    part(third, other)  # so that all of the third comes by the first
    post = other.post

    def refusing(event: Event) -> None:
        if isinstance(event, Received) and isinstance(event.message, Introduce):
            other.post = post  # type: ignore[method-assign]
            other.refusals.begin("commit", 1, 0.0)
        post(event)

    other.post = refusing  # type: ignore[method-assign]
    world.network.latency = 1.0
    for number in range(20):
        third.write(f"{number}", b"version %d" % number)
        world.run(1.0)
    assert any("closes its folder" in line for line in world.trace)
    judge(world)
    assert world.accusations == []
    assert other.contents() == one.contents() == third.contents()
