"""One SQLite file of ours: opening, migrations, transactions, and errors in our own words.

- Write-ahead log with `synchronous=FULL`: what `commit` returned from is on the disk.
- A transaction begins by itself at the first change. Once a change has failed, SQLite may have rolled back on its own,
  and whatever followed would be committed as half a batch: nothing more is accepted until `rollback`.
- No sqlite3 exception leaves this module.

See https://www.sqlite.org/wal.html and https://www.sqlite.org/lang_transaction.html.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from swarm.disk.schema import APPLICATION_ID, MIGRATIONS, PROBES
from swarm.errors import Bug, SwarmError, Unavailable, UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

CACHE_BYTES = 24 << 20  # of pages, for each folder; SQLite takes it only as it is needed
CHECKED_WHOLE_BYTES = 64 << 20  # a file up to this size is checked page by page when opened, in some 50 ms
WAL_PAGES = 4_000  # 16 MB of log before a commit also writes the log back: idle checkpoints do it sooner
WAL_KEPT_BYTES = 32 << 20  # a log that one large batch has blown up is cut back to this
ROWS_AT_ONCE = 256  # fetched when a large table is read
BUSY_SECONDS = 2.0  # only our own process opens the file; more than this means that somebody else does

_CORRUPT = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_NOT_NOW = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "reading or writing failed",
    sqlite3.SQLITE_BUSY: "another program is using it",
    sqlite3.SQLITE_LOCKED: "another program is using it",
    sqlite3.SQLITE_PROTOCOL: "another program is using it",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
    sqlite3.SQLITE_READONLY: "it may not be written",
    sqlite3.SQLITE_PERM: "it may not be written",
    sqlite3.SQLITE_NOMEM: "memory ran out",
}


class CorruptDatabase(SwarmError):
    """The database is damaged. Set it aside and rebuild: the files themselves are the truth."""


def translated(error: Exception, path: str) -> SwarmError:
    """The same failure in our own words."""
    code = _primary_code(error)
    if code in _CORRUPT:
        return CorruptDatabase(f"the database {path} is damaged: {error}", "It is rebuilt from the files themselves.")
    if code in _NOT_NOW:
        return Unavailable(
            f"the database {path} is not available: {_NOT_NOW[code]}", "Free some space or mend the disk."
        )
    return Bug(f"the database {path} was misused: {error}")


class SqliteFile:
    """An open file with our tables. Used by the thread that made it, and by no other.

    Raises CorruptDatabase, Unavailable, and UserError where a newer Swarm wrote the file or its file system lacks a
    working write-ahead log.
    """

    def __init__(self, path: str, cache_bytes: int = CACHE_BYTES) -> None:
        self.path = path
        self._failed = False
        try:
            _make_private(path)
            self._connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, cached_statements=256)
        except sqlite3.Error as error:
            raise translated(error, path) from error
        except OSError as error:
            raise Unavailable(f"the database {path} cannot be opened: {error.strerror}") from error
        try:
            self._prepare(cache_bytes)
        except sqlite3.Error as error:
            self._connection.close()
            raise translated(error, path) from error
        except BaseException:
            self._connection.close()
            raise

    # -- reading

    def one(self, sql: str, arguments: Sequence[Any] = ()) -> Any:
        """The first row as a tuple, or None."""
        try:
            return self._connection.execute(sql, arguments).fetchone()
        except (sqlite3.Error, ValueError, OverflowError) as error:
            raise translated(error, self.path) from error

    def all(self, sql: str, arguments: Sequence[Any] = ()) -> list[Any]:
        try:
            return self._connection.execute(sql, arguments).fetchall()
        except (sqlite3.Error, ValueError, OverflowError) as error:
            raise translated(error, self.path) from error

    def rows(self, sql: str, arguments: Sequence[Any] = ()) -> Iterator[Any]:
        """Row by row, for what may be large. Ends its read when it is closed or collected."""
        try:
            cursor = self._connection.execute(sql, arguments)
            try:
                while rows := cursor.fetchmany(ROWS_AT_ONCE):
                    yield from rows
            finally:
                # An unfinished SELECT keeps the log from being written back. Collected late, it finds the file closed.
                with suppress(sqlite3.ProgrammingError):
                    cursor.close()
        except (sqlite3.Error, ValueError, OverflowError) as error:
            raise translated(error, self.path) from error

    # -- changing

    def change(self, sql: str, arguments: Sequence[Any] = ()) -> int:
        """Runs one statement in the transaction; the row id of an INSERT."""
        try:
            self._begin()
            return self._connection.execute(sql, arguments).lastrowid or 0
        except (sqlite3.Error, ValueError, OverflowError) as error:  # a surrogate in a text; an integer above 63 bits
            self._failed = True
            raise translated(error, self.path) from error

    def change_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        try:
            self._begin()
            self._connection.executemany(sql, rows)
        except (sqlite3.Error, ValueError, OverflowError) as error:
            self._failed = True
            raise translated(error, self.path) from error

    def commit(self) -> None:
        if self._failed:
            raise Bug(f"half a transaction of {self.path} must not be committed", "roll back first")
        if self._connection.in_transaction:
            try:
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                self._failed = True
                raise translated(error, self.path) from error

    def rollback(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise translated(error, self.path) from error
        self._failed = False

    def checkpoint(self) -> None:
        """Writes the log back into the file and empties it; nothing while a transaction or a read is under way."""
        try:
            if not self._connection.in_transaction:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:
            if _primary_code(error) not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise translated(error, self.path) from error

    def close(self) -> None:
        """Forgets what was not committed."""
        try:
            self._connection.close()
        except sqlite3.Error as error:
            raise translated(error, self.path) from error

    def _begin(self) -> None:
        if self._failed:
            raise Bug(f"a change of {self.path} failed: nothing more goes into this transaction", "roll back first")
        if not self._connection.in_transaction:
            self._connection.execute("BEGIN IMMEDIATE")

    # -- opening

    def _prepare(self, cache_bytes: int) -> None:
        """Sets the connection up, looks whether the file is sound, and brings its tables up to date."""
        version = self._pragma("user_version")
        if version > len(MIGRATIONS):
            raise UserError(f"the database {self.path} was written by a newer Swarm", "Update Swarm on this device.")
        if version == 0 and self.one("SELECT count(*) FROM sqlite_schema")[0]:
            raise CorruptDatabase(f"the database {self.path} holds something that Swarm did not write")
        if version > 0 and self._pragma("application_id") != APPLICATION_ID:
            raise CorruptDatabase(f"the database {self.path} is not one of Swarm's")
        if self._pragma("journal_mode = WAL") != "wal":
            raise UserError(
                f"the file system of {self.path} cannot hold a write-ahead log",
                "Set SWARM_HOME to a directory on a local disk.",
            )
        self._pragma("synchronous = FULL")
        self._pragma("fullfsync = ON")  # macOS, where fsync stops short of the disk; nothing elsewhere
        self._pragma(f"cache_size = {-(cache_bytes >> 10)}")
        self._pragma("temp_store = MEMORY")
        self._pragma("cell_size_check = ON")  # damage is noticed when a page is read, not when it has spread
        self._pragma(f"wal_autocheckpoint = {WAL_PAGES}")
        self._pragma(f"journal_size_limit = {WAL_KEPT_BYTES}")
        if version > 0:
            self._look_for_damage()
        for number, script in enumerate(MIGRATIONS[version:], version + 1):
            # One transaction with its number: a crash leaves a migration done or not begun.
            self._connection.executescript(
                f"BEGIN IMMEDIATE; {script}; PRAGMA application_id = {APPLICATION_ID};"
                f"PRAGMA user_version = {number}; COMMIT;"
            )

    def _look_for_damage(self) -> None:
        """All pages of a small file; of a large one both ends of every B-tree, which shows a truncated file."""
        if self._pragma("page_count") * self._pragma("page_size") <= CHECKED_WHOLE_BYTES:
            verdict = self._pragma("quick_check(1)")
            if verdict != "ok":
                raise CorruptDatabase(f"the database {self.path} is damaged: {verdict}")
        else:
            for table, column in PROBES:
                self.one(f"SELECT (SELECT min({column}) FROM {table}), (SELECT max({column}) FROM {table})")

    def _pragma(self, text: str) -> Any:
        row = self._connection.execute(f"PRAGMA {text}").fetchone()
        return row[0] if row else None


def _primary_code(error: Exception) -> int:
    """What SQLite said, without the upper bits that only detail it; not one of its codes where it was not asked."""
    code: int = getattr(error, "sqlite_errorcode", -1)
    return code & 0xFF


def _make_private(path: str) -> None:
    """A file that only its owner can read; SQLite gives its log and its shared memory the same mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        for name in (path, f"{path}-wal", f"{path}-shm"):
            if os.path.exists(name):
                os.chmod(name, 0o600)
