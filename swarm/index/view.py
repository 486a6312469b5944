"""The view: the visible tree, a pure function of all registers. Every device computes the same one.

In this order: a live record beats a deletion; siblings of equal value are one; the latest (hlc, origin, seq, hash)
gets the name, and every other becomes a *virtual copy*, a conflict copy beside it that has no record of its own; a
directory, or a path with something live below it, keeps its name against any file. Below a `.git` directory losers
are hidden, since a file more would break the repository.

What one register makes visible depends on that register, on whether anything below its path is live, and on the
same two facts of each name that its copies *claim*: the names tried, from the shortest hash on, up to the one that is
free or that already shows the very value. It depends on no other resolution, so the view can be kept up to date
register by register (`affected`), and no two entries fight for one path:

- a register's own name against a copy: the copy gives way, to a longer hash;
- copies of one register: the later in rank gives way;
- copies of two registers: their names differ, because path, device name and hash can be read back from a name whose
  stem is whole, and a name with a cut stem shows 128 bits of a hash that covers the path (`paths.conflict_name`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from blake3 import blake3

from swarm.errors import Bug
from swarm.ids import Kind, parent_of
from swarm.index.paths import ALL_DIGITS, DIGITS, below_git, conflict_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from swarm.index.record import Record


class Registers(Protocol):
    """What a resolution looks at."""

    def register(self, path: str) -> tuple[Record, ...]:
        """The records at `path`; () where there is none."""
        ...

    def live_below(self, path: str) -> bool:
        """Whether anything strictly below `path` has a record that is no tombstone."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One visible name."""

    path: str
    record: Record | None  # None: a directory without a record, there because something below it is
    virtual: bool = False  # a loser shown at its conflict name; `record.path` is the register that it is from

    @property
    def kind(self) -> Kind:
        return Kind.DIRECTORY if self.record is None else self.record.kind


@dataclass(frozen=True, slots=True)
class Resolution:
    """What is visible thanks to one register."""

    entries: tuple[Entry, ...] = ()  # the one at the register's own path first
    hidden: tuple[Record, ...] = ()  # losers below .git, which appear nowhere
    claims: tuple[str, ...] = ()  # every name that was tried for a copy, shown there or not


NOTHING = Resolution()


def resolve(path: str, registers: Registers) -> Resolution:
    """The entries that the register at `path`, or something live below it, makes visible."""
    values = _values(registers.register(path))
    directory = registers.live_below(path)
    if not values:
        return Resolution((Entry(path, None),)) if directory else NOTHING
    if len(values) == 1 and (not directory or values[0].kind is Kind.DIRECTORY):
        return Resolution((Entry(path, values[0]),))
    winner, losers = _decide(values, directory)
    own = Entry(path, winner)
    if below_git(path):
        return Resolution((own,), tuple(losers))
    copies = []
    claims: dict[str, None] = {}  # an ordered set
    for loser in losers:
        copy = _place(path, loser, registers, claims)
        if copy is not None:
            copies.append(copy)
    return Resolution((own, *copies), (), tuple(claims))


def affected(path: str, claimant: Callable[[str], str | None], turned: Callable[[str], bool]) -> list[str]:
    """The paths whose resolution may differ once the register at `path` has changed, `path` first.

    `claimant(name)` is the path whose last resolution has `name` among its claims, or None; no two have.
    `turned(directory)` says whether `live_below` of that directory differs now.
    """
    looked_at = [path]
    directory = parent_of(path)
    while directory and turned(directory):
        looked_at.append(directory)
        directory = parent_of(directory)
    paths = dict.fromkeys(looked_at)
    for name in looked_at:
        source = claimant(name)
        if source is not None:
            paths[source] = None
    return list(paths)


def project(registers_by_path: Mapping[str, tuple[Record, ...]]) -> dict[str, Entry]:
    """The whole view, by path."""
    registers = _All(registers_by_path)
    entries = (entry for path in registers.paths() for entry in resolve(path, registers).entries)
    return {entry.path: entry for entry in entries}


class _All:
    """Registers held in memory, all at once."""

    def __init__(self, registers: Mapping[str, tuple[Record, ...]]) -> None:
        self._registers = registers
        self._parents: set[str] = set()  # of everything live
        for path, records in registers.items():
            if any(not record.tombstone for record in records):
                directory = parent_of(path)
                while directory and directory not in self._parents:
                    self._parents.add(directory)
                    directory = parent_of(directory)

    def register(self, path: str) -> tuple[Record, ...]:
        return self._registers.get(path, ())

    def live_below(self, path: str) -> bool:
        return path in self._parents

    def paths(self) -> set[str]:
        return self._parents.union(self._registers)


def copy_of(path: str, loser: Record, registers: Registers) -> Entry | None:
    """Where a copy of `loser` is, or was as long as another record had the name `path`; None where its value is shown
    there already."""
    return _place(path, loser, registers, {})


def rank(record: Record) -> tuple[int, bytes, int, bytes]:
    """The highest rank gets the name."""
    return (record.hlc, record.origin, record.seq, record.hash)


def _values(register: tuple[Record, ...]) -> list[Record]:
    """The live records, of those with equal value the highest in rank; the highest first."""
    if len(register) == 1:
        return [] if register[0].tombstone else [register[0]]
    values: dict[tuple[Kind, bytes, str], Record] = {}  # what Record.same_value compares, but not in n² steps
    for record in sorted(register, key=rank, reverse=True):
        if not record.tombstone:
            values.setdefault((record.kind, record.content, record.target), record)
    return list(values.values())


def _decide(values: list[Record], directory: bool) -> tuple[Record | None, list[Record]]:
    """Who gets the name (None: an implied directory), and who does not. Directories have one value, so none loses."""
    for value in values:
        if value.kind is Kind.DIRECTORY:
            return value, [other for other in values if other is not value]
    if directory:
        return None, values
    return values[0], values[1:]


def _place(path: str, loser: Record, registers: Registers, claims: dict[str, None]) -> Entry | None:
    """Where the loser's copy is shown; None where a register of that name shows the same value already.

    Ends, since every name that is taken has a register or a live path of its own.
    """
    for name in _names(path, loser):
        if name in claims:
            continue
        claims[name] = None
        values = _values(registers.register(name))
        directory = registers.live_below(name)
        if not values and not directory:
            return Entry(name, loser, virtual=True)
        # It must get that name, and not be a loser there: two registers could else each take the other for the place.
        if values and (winner := _decide(values, directory)[0]) is not None and winner.same_value(loser):
            return None
    raise Bug("names for copies never end")


def _names(path: str, record: Record) -> Iterator[str]:
    """Names for a copy, each rarer than the last."""
    digest: bytes = record.hash
    for digits in range(DIGITS, ALL_DIGITS + 2, 2):
        yield conflict_name(path, record.device_name, digest.hex(), digits)
    while True:  # somebody took all of them on purpose
        digest = blake3(digest).digest()
        yield conflict_name(path, record.device_name, digest.hex(), ALL_DIGITS)
