"""Aimed scenarios: a user who is quicker twice, temps that have another name, and what members are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.content.manifest import parse_node
from swarm.ids import ChunkId
from swarm.sync.files import Traits
from tests.simulation import users
from tests.simulation.scenario import OLD_SECONDS, TEMPS, ahead, devices, judge

if TYPE_CHECKING:
    from tests.simulation.device import Device


def quicker_twice(other: Device, then: object) -> None:
    """A write right before the exchange, and `then` right before the one that takes it back."""

    def first() -> None:
        other.write("a", b"mine, first")
        ahead(other, "exchange", then)  # type: ignore[arg-type]

    ahead(other, "exchange", first)


def test_the_newest_of_what_a_user_wrote_between_exchanges_keeps_the_name() -> None:
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    quicker_twice(other, lambda: other.write("a", b"mine, newest"))
    one.write("a", b"second")
    judge(world)
    assert b"mine, newest" in one.contents()


def test_what_was_taken_from_a_name_that_its_user_emptied_gets_it_back() -> None:
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    quicker_twice(other, lambda: other.remove("a"))
    one.write("a", b"second")
    judge(world)
    assert b"mine, first" in one.contents()


def test_a_temp_that_is_a_users_file_as_well_is_only_read() -> None:
    """Where nothing can be renamed without replacing, a run may end between a file's new name and the end of its old
    one. Who goes on in that temp goes on in the user's file."""
    world, [one, other] = devices(traits=Traits(exchange=False, noreplace=False))

    def end() -> None:
        other.stop()
        world.after(1.0, other.start)

    ahead(other, "unlink", lambda: other.power_cut(end), TEMPS)
    one.write("a", b"first")
    world.run(5.0)
    world.settle()
    users.copy(one, "a", "b")
    world.settle()
    other.write("a", b"second")
    judge(world)
    assert {path: data for path, (_, data) in one.tree().items()} == {"a": b"second", "b": b"first"}


def test_a_delta_that_is_full_says_how_far_it_goes() -> None:
    """What was left out comes with the next one, and not by a comparison of the two indexes."""
    world, [one, other] = devices()
    world.oracle = None  # which would look at all of them at each system call
    with one.user() as files:
        for number in range(600):
            files.mkdir(f"d{number}", 0o755)
    one.overflow()
    world.run(10.0)
    assert other.folder is not None
    assert len(other.tree()) == 600
    assert other.folder.exchange.faults == {}


def test_an_old_copy_of_a_database_reads_what_is_in_history() -> None:
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    old = other.store.snapshot()
    one.remove("a")
    world.settle()
    world.run(OLD_SECONDS)
    assert world.oracle is not None
    other.stop()
    other.store = old
    world.oracle.doubles = True
    world.oracle.forgot(other)
    other.start(cloned=True)
    world.settle()
    world.run(5.0)
    raw = other.store.manifest_node(world.oracle.name_of(b"first"))
    assert raw is not None
    [(chunk, _)] = parse_node(raw).entries
    assert [place for place in other.store.find_chunk(ChunkId(chunk)) if place.path.startswith(".swarm/history/")]
    judge(world)


def test_a_member_that_has_yet_to_look_at_its_disk_is_not_identical() -> None:
    world, [one, other] = devices()
    one.write("a", b"first")
    world.settle()
    other.remove("a")
    world.run(1.0)  # a listing lacks it, and it is not believed yet
    assert one.folder is not None
    assert other.folder is not None
    assert one.folder.status().root == other.folder.status().root
    [member] = one.folder.status().members
    assert not member.identical
    judge(world)


def test_what_a_program_writes_to_a_file_that_was_replaced_comes_back_beside_it() -> None:
    world, [one, other] = devices()
    other.looks_late = True
    one.write("a", b"first")
    world.settle()
    world.run(OLD_SECONDS)
    users.write_late(other, "a", b"of a program that had it open")
    one.write("a", b"second")
    world.run(20.0)
    judge(world)
    assert one.contents() == [b"of a program that had it open", b"second"]
    assert one.read("a") == b"second"
