"""Aimed scenarios: members that hold the write key, and lie."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from swarm.content.chunk import MIN_CHUNK
from tests.simulation.liar import Liar
from tests.simulation.scenario import devices, judge

if TYPE_CHECKING:
    from swarm.sync.events import DataArrived
    from tests.simulation.device import Device


def lied_to(*lies: str) -> None:
    world, [one, other] = devices()
    oracle = world.oracle
    assert oracle is not None
    oracle.lies = True
    liar = Liar(world, world.rng)
    one.write("a", b"first")
    world.run(5.0)
    for lie in lies:
        liar.lie(lie, other, one, "a")
        world.run(1.0)
        one.write("b", b"second")
        other.write("c", b"third")
        world.run(3.0)
    world.network.cut_all_of(liar)
    judge(world)
    assert {b"first", b"second", b"third"} <= set(one.contents()) & set(other.contents())


def test_a_forged_deletion_deletes_nothing() -> None:
    lied_to("forge")


def test_a_content_that_is_not_what_its_name_says_is_never_seen() -> None:
    lied_to("no such content")


def test_a_manifest_that_is_another_one_than_was_asked_for_is_not_taken() -> None:
    lied_to("another manifest")


def test_a_size_that_is_not_that_of_the_content_is_not_believed() -> None:
    lied_to("odd size")


def test_a_clock_alone_removes_nothing() -> None:
    world, [one, other] = devices()
    assert world.oracle is not None
    world.oracle.lies = True
    one.write("a", b"first")
    world.run(5.0)
    assert other.folder is not None
    known = other.folder.ledger.register("a")
    assert known
    liar = Liar(world, world.rng)
    liar.lie("claim all", other, one, "a")
    world.run(0.3)
    assert other.folder.ledger.register("a") == known
    world.network.cut_all_of(liar)
    judge(world)


def test_a_chunk_that_is_not_what_its_name_says_is_never_seen() -> None:
    world, [one, other] = devices()
    assert world.oracle is not None
    world.oracle.lies = True
    data = world.rng.randbytes(1_000_000)
    answer = world.network.answer
    spoilt = 0

    def spoiling(source: Device, target: Device, event: DataArrived, request: int) -> None:
        nonlocal spoilt
        if not spoilt and any(len(piece) > MIN_CHUNK for _, piece in event.items):
            spoilt += 1
            event = replace(event, items=tuple((name, bytes(len(piece))) for name, piece in event.items))
        answer(source, target, event, request)

    world.network.answer = spoiling  # type: ignore[method-assign, assignment]
    one.write("a", data)
    world.run(10.0)
    assert len(world.accusations) == 1
    world.accusations.clear()  # of one that the network had lied for
    judge(world)
    assert spoilt
    assert other.read("a") == data


def test_a_context_of_the_future_swallows_no_edit() -> None:
    world, [one, other] = devices()
    oracle = world.oracle
    assert oracle is not None
    oracle.lies = True
    liar = Liar(world, world.rng)
    one.write("a", b"first")
    world.run(5.0)
    liar.lie("cover the future", other, other, "a")
    world.run(3.0)
    other.remove("a")
    other.write("a", b"second")
    world.run(3.0)
    other.write("a", b"third")
    world.run(3.0)
    world.network.cut_all_of(liar)
    judge(world)
    assert b"third" in one.contents()
