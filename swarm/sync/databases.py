"""SQLite databases: files that are one thing, and make sense only as they were at one moment. Pure.

    mail.db    mail.db-journal    mail.db-wal        (mail.db-shm is worth nothing elsewhere, and is ignored)

While a program has a database open, what is committed may be in the log beside it, and what is in the file may be half
a transaction that only the journal can undo. A file of one moment beside a log of another is a broken database. So
they are read in one go, when all of them have rested for a while; one that never rests, between two writes. If none of
them was another after the reading than before, what was read becomes a version, in one step with the deletion of those
that are gone. It is what a crash at that moment would have left, from which SQLite is made to recover.

See https://www.sqlite.org/fileformat2.html and https://www.sqlite.org/tempfiles.html.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from swarm.ids import join_path

if TYPE_CHECKING:
    from collections.abc import Collection

SUFFIXES = ("-journal", "-wal")
REST = 1.0  # seconds without a write before the files of a database are read
LONGEST_REST = 20.0  # seconds after which they are read between two writes
LAST_PAUSE = 2.0  # seconds between two vain attempts at that, at most
MAX_SEEN = 10_000  # databases remembered; one that is forgotten is known again once it has a log or a journal

_NAMES = re.compile(r".*\.(?:db|db3|sqlite|sqlite3)\Z", re.DOTALL)


class Databases:
    """One folder's."""

    def __init__(self) -> None:
        self.reading: dict[str, list[str]] = {}  # being read, with those of their files that had waited for it
        self._seen: dict[str, None] = {}  # those with another name than databases have, by what was beside them

    def __contains__(self, path: str) -> bool:
        """Whether it is one of the files of a database."""
        database = database_of(path)
        return database in self._seen or _NAMES.match(database) is not None

    def listed(self, directory: str, names: Collection[str]) -> None:
        """`names` are in a directory."""
        for name in names:
            if name.endswith(SUFFIXES) and database_of(name) in names:
                self._seen[join_path(directory, database_of(name))] = None
        while len(self._seen) > MAX_SEEN:
            del self._seen[next(iter(self._seen))]


def database_of(path: str) -> str:
    """The database that `path` is, or would be beside."""
    for suffix in SUFFIXES:
        if path.endswith(suffix):
            return path.removesuffix(suffix)
    return path


def files_of(database: str) -> list[str]:
    """All that belongs to it, be it there or not."""
    return [database, *(database + suffix for suffix in SUFFIXES)]
