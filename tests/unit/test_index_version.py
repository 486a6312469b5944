"""The merge of a register, and clocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.ids import ContentId, Dot, Kind, Origin
from swarm.index.record_codec import Draft, author
from swarm.index.version import context_covers, context_of, covers, join, merge, supersedes
from swarm.keys.chain import FolderKeys
from swarm.keys.device import DeviceKey

if TYPE_CHECKING:
    from swarm.index.record import Context, Record

KEYS = FolderKeys.create(bytes(range(32)))
DEVICE = DeviceKey.create(bytes(32))
A, B, C = (Origin(letter * 16) for letter in (b"A", b"B", b"C"))


def record(origin: Origin, seq: int, *context: tuple[Origin, int], content: bytes = b"c") -> Record:
    file = ContentId(content * 32)
    return author(Draft(origin, seq, tuple(context), "p", Kind.FILE, 1, "x", content=file), KEYS, DEVICE)


def test_a_record_that_covers_another_replaces_it_in_either_order() -> None:
    old, new = record(A, 1), record(B, 1, (A, 1))
    assert merge((), [old, new]) == merge((), [new, old]) == (new,)
    assert merge((old,), [new]) == merge((new,), [old]) == (new,)


def test_records_that_do_not_know_of_each_other_are_both_kept_in_order() -> None:
    one, other = record(A, 7), record(B, 2)
    assert merge((other,), [one]) == merge((one,), [other]) == (one, other)


def test_a_context_entry_covers_every_earlier_record_of_that_origin_here() -> None:
    assert merge((record(A, 1),), [record(B, 1, (A, 5))]) == (record(B, 1, (A, 5)),)
    assert len(merge((record(A, 6),), [record(B, 1, (A, 5))])) == 2


def test_a_later_record_without_a_context_replaces_nothing() -> None:
    assert len(merge((record(A, 1),), [record(A, 2)])) == 2


def test_one_dot_with_two_contents_is_kept_twice() -> None:
    one, clone = record(A, 1), record(A, 1, content=b"d")
    register = merge((one,), [clone, one])
    assert set(register) == {one, clone}
    assert merge(register, [record(B, 1, (A, 1))]) == (record(B, 1, (A, 1)),)


def test_records_that_claim_to_replace_each_other_are_both_kept() -> None:
    poisoned = record(B, 1, (A, 1 << 62))
    honest = record(A, 9, (B, 1))
    assert not supersedes(poisoned, honest)
    assert not supersedes(honest, poisoned)
    assert set(merge((poisoned,), [honest])) == set(merge((honest,), [poisoned])) == {poisoned, honest}


def test_a_merge_never_empties_a_register() -> None:
    cycle = [record(A, 1, (B, 1)), record(B, 1, (C, 1)), record(C, 1, (A, 1))]
    assert merge((), cycle)
    assert merge(merge((), cycle), cycle)


def test_a_new_context_takes_in_dots_and_contexts() -> None:
    known: Context = ((A, 3), (C, 1))
    assert context_of([record(B, 2, (A, 1)), record(A, 2)], known, ((C, 2),)) == ((A, 3), (B, 2), (C, 2))
    assert context_of([]) == ()


def test_what_a_context_contains() -> None:
    context: Context = ((A, 3), (B, 1))
    assert context_covers(context, Dot(A, 3))
    assert context_covers(context, Dot(A, 1))
    assert not context_covers(context, Dot(A, 4))
    assert not context_covers(context, Dot(C, 1))


def test_clocks_join_to_the_higher_of_each() -> None:
    one, other = {A: 3, B: 1}, {B: 2, C: 1}
    assert join(one, other) == join(other, one) == {A: 3, B: 2, C: 1}
    assert one == {A: 3, B: 1}
    assert covers(one, Dot(A, 3))
    assert not covers(one, Dot(A, 4))
    assert not covers(one, Dot(C, 1))
