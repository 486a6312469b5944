"""Version vectors, and the merge of a register: pure functions over records.

The merge keeps the maximal records: `a` goes when another record's context covers `a`'s dot. No clock of any kind, no
name and no content takes part, so the result is the same whatever the order, the grouping and the number of times
that records arrive. It rests on contexts being causal: whoever writes takes in the dots *and* the contexts of all that
the new record replaces (`context_of`), its own earlier records at the path included.

A writer that breaks this can confuse the registers that it may write to anyway, but never empties one: two records that
claim to supersede each other are both kept. (A context that covers an honest device's future would otherwise swallow
its edits and itself with them.)

After Preguiça, Baquero et al., "Dotted Version Vectors" (2010), with one version vector a path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from swarm.ids import Dot, Origin
    from swarm.index.record import Context, Record

Clock = dict["Origin", int]


def order(record: Record) -> tuple[Origin, int, bytes]:
    """The order of the records in a register."""
    return (record.origin, record.seq, record.hash)


def supersedes(new: Record, old: Record) -> bool:
    """Whether `old` goes once `new` is here. No record supersedes itself, or one that supersedes it."""
    return new.covers(old.dot) and not old.covers(new.dot)


def merge(register: Sequence[Record], incoming: Iterable[Record]) -> tuple[Record, ...]:
    """The maximal records of both, sorted by (origin, seq, hash). `register` is itself the result of a merge.

    Two records with one dot and different hashes are both kept: a device was cloned or restored, neither may vanish.
    """
    kept = {record.hash: record for record in register}
    for new in incoming:
        if new.hash in kept or any(supersedes(old, new) for old in kept.values()):
            continue
        for gone in [old.hash for old in kept.values() if supersedes(new, old)]:
            del kept[gone]
        kept[new.hash] = new
    return tuple(sorted(kept.values(), key=order))


def context_of(records: Iterable[Record], *more: Context) -> Context:
    """What a record that replaces all of `records` has to carry: their dots, their contexts, and `more` contexts."""
    union: Clock = {}
    for context in more:
        _raise_to(union, context)
    for record in records:
        _raise_to(union, record.context)
        _raise_to(union, (record.dot,))
    return tuple(sorted(union.items()))


def context_covers(context: Context, dot: Dot) -> bool:
    """Whether a context (of a record, or of what is installed on our disk) contains that record."""
    return any(origin == dot.origin and seq >= dot.seq for origin, seq in context)


def covers(clock: Mapping[Origin, int], dot: Dot) -> bool:
    """Whether a clock says that we have been told of that record. A filter for transfers, never evidence."""
    return clock.get(dot.origin, 0) >= dot.seq


def join(one: Mapping[Origin, int], other: Mapping[Origin, int]) -> Clock:
    """The least clock that covers both."""
    union = dict(one)
    _raise_to(union, other.items())
    return union


def _raise_to(clock: Clock, entries: Iterable[tuple[Origin, int]]) -> None:
    for origin, seq in entries:
        if seq > clock.get(origin, 0):
            clock[origin] = seq
