"""SQLite databases: files that are one thing, and make sense only as they were at one moment. Pure.

    mail.db    mail.db-journal    mail.db-wal        (mail.db-shm is worth nothing elsewhere, and is ignored)

While a program has a database open, what is committed may be in the log beside it, and what is in the file may be half
a transaction that only the journal can undo. A file of one moment beside a log of another is a broken database. So:

- they are read when all of them have rested for a while; one that never rests, between two writes;
- all that changed is read in one go, then the directory is listed once more, and only if none of them is another than
  before the reading do they become versions, in one step, together with the deletion of those that are gone.

What comes out is what a crash at that moment would have left, which SQLite is made to recover from.
See https://www.sqlite.org/fileformat2.html and https://www.sqlite.org/tempfiles.html.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from swarm.ids import join_path, name_of, parent_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from swarm.sync.events import Hashed
    from swarm.sync.files import Stat

SUFFIXES = ("-journal", "-wal")
REST = 1.0  # seconds without a write before the files of a database are read
LONGEST_REST = 20.0  # seconds after which they are read between two writes


class Verdict(NamedTuple):
    """What a listing says of the databases in a directory that were being read."""

    accepted: list[Hashed]  # what was read is what was there at one moment
    gone: list[str]  # and these had been there before
    again: list[str]  # read in vain


@dataclass(slots=True)
class _Reading:
    """The files of one database being read together."""

    expected: dict[str, Stat]  # all of them, those that are not read as well
    pending: set[str]
    results: list[Hashed] = field(default_factory=list)
    listings: int = -1  # listings still to come before the one that counts; -1: not asked for yet
    broken: bool = False  # one could not be read


class Databases:
    """One folder's."""

    def __init__(self) -> None:
        self._groups: dict[str, dict[str, Stat]] = {}  # database -> its files, as they were last listed
        self._in: dict[str, list[str]] = {}  # directory -> its databases
        self._readings: dict[str, _Reading] = {}

    def __contains__(self, path: str) -> bool:
        """Whether it is a file of a database that has more than one."""
        return database_of(path) in self._groups

    def listed(self, directory: str, entries: Mapping[str, Stat], known: Collection[str]) -> Verdict:
        """`entries`: what is in a directory now; `known`: names that the local tree has in it."""
        found: dict[str, dict[str, Stat]] = {}
        for name in {*(n for n in entries if n.endswith(SUFFIXES)), *(n for n in known if n.endswith(SUFFIXES))}:
            base = database_of(name)
            if base in entries:
                group = found.setdefault(join_path(directory, base), {join_path(directory, base): entries[base]})
                if name in entries:
                    group[join_path(directory, name)] = entries[name]
        for base in self._in.pop(directory, []):
            del self._groups[base]
        if found:
            self._in[directory] = list(found)
            self._groups.update(found)
        verdict = Verdict([], [], [])
        for base in [base for base in self._readings if parent_of(base) == directory]:
            self._judge(base, found.get(base, {}), known, verdict)
        return verdict

    def _judge(self, base: str, group: dict[str, Stat], known: Collection[str], verdict: Verdict) -> None:
        reading = self._readings[base]
        if reading.pending:
            return
        if reading.listings > 0 and group == reading.expected:
            reading.listings -= 1
            return
        del self._readings[base]
        if group != reading.expected:
            verdict.again.extend(event.path for event in reading.results)
            return
        verdict.accepted.extend(reading.results)
        names = (base + suffix for suffix in SUFFIXES)
        verdict.gone.extend(name for name in names if name not in group and name_of(name) in known)

    def others(self, path: str) -> dict[str, Stat] | None:
        """All files of the database that `path` belongs to; None while they are being read, or where it has but one."""
        base = database_of(path)
        return None if base in self._readings else self._groups.get(base)

    def is_being_read(self, path: str) -> bool:
        return database_of(path) in self._readings

    def begin(self, path: str, paths: Collection[str]) -> None:
        """`paths` are read now; the others of that database are as they are known."""
        base = database_of(path)
        self._readings[base] = _Reading(dict(self._groups[base]), set(paths))

    def hashed(self, event: Hashed, listing: bool) -> bool:
        """One was read. True: that was the last, and the directory is to be listed. `listing`: it is being listed."""
        reading = self._readings[database_of(event.path)]
        reading.pending.discard(event.path)
        reading.results.append(event)
        if reading.pending or reading.broken:
            return False
        reading.listings = 1 if listing else 0
        return True

    def failed(self, path: str) -> None:
        """One could not be read."""
        reading = self._readings.get(database_of(path))
        if reading is not None:
            reading.pending.discard(path)
            reading.broken = True

    def not_listed(self, directory: str) -> None:
        """The directory could not be listed."""
        for base, reading in self._readings.items():
            if parent_of(base) == directory:
                reading.broken = True

    def in_vain(self) -> list[str]:
        """What was read in vain, since something that belongs to it could not be: to be read again."""
        broken = [base for base, reading in self._readings.items() if reading.broken and not reading.pending]
        return [event.path for base in broken for event in self._readings.pop(base).results]


def database_of(path: str) -> str:
    """The database that `path` is, or would be a companion of."""
    for suffix in SUFFIXES:
        if path.endswith(suffix):
            return path.removesuffix(suffix)
    return path
