"""Which files are one database, and that they are read as they are at one moment."""

from __future__ import annotations

import errno
from itertools import count
from typing import TYPE_CHECKING

import pytest

from swarm.disk.hasher import read_database
from swarm.ids import ContentId
from swarm.sync import databases
from swarm.sync.databases import Databases, database_of, files_of
from swarm.sync.events import DatabaseRead, ReadDatabase
from swarm.sync.found import Found
from swarm.sync.memory_files import MemoryFileSystem

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = bytes(range(32))
PATHS = tuple(files_of("mail.db"))


@pytest.fixture
def files() -> MemoryFileSystem:
    times = count(1_700_000_000_000_000_000, 1_000)
    made = MemoryFileSystem(lambda: next(times))
    made.write_file("mail.db", b"pages")
    made.write_file("mail.db-wal", b"log")
    return made


def read(files: MemoryFileSystem, *known: str, healthy: Callable[[], str] = lambda: "") -> DatabaseRead:
    alike = []
    for path in known:
        stat = files.stat(path)
        assert stat.kind is not None
        alike.append((path, Found(stat, stat.kind, ContentId(path.encode().ljust(32, b"\0")), "").local(())))
    return read_database(files, ReadDatabase("mail.db", PATHS, tuple(alike)), KEY, healthy)


def meddle(files: MemoryFileSystem, operation: str, path: str, action: Callable[[], object]) -> None:
    """Lets a program act just before the first such system call at that path."""

    def before(name: str, where: str) -> None:
        if (name, where) == (operation, path):
            files.before = None
            action()

    files.before = before


def test_a_database_is_known_by_its_name_or_by_what_is_beside_it() -> None:
    known = Databases()
    assert "a/mail.db" in known
    assert "a/mail.sqlite3-journal" in known
    assert "a/History" not in known
    assert "a/notes-wal" not in known
    known.listed("a", {"History", "History-journal", "notes-wal"})
    assert "a/History" in known
    assert "a/History-wal" in known
    assert "b/History" not in known
    assert "a/notes-wal" not in known, "without the file that it would be the log of"
    assert database_of("a/History-journal") == "a/History"


def test_what_is_remembered_of_databases_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "MAX_SEEN", 2)
    known = Databases()
    known.listed("", {name for number in range(5) for name in (f"{number}", f"{number}-wal")})
    assert sum(f"{number}" in known for number in range(5)) == 2


def test_all_files_of_a_database_are_read_and_those_that_are_not_there_are_told(files: MemoryFileSystem) -> None:
    found = read(files)
    assert found.failure is None
    assert found.there == ("mail.db", "mail.db-wal")
    assert [result.path for result in found.files] == ["mail.db", "mail.db-wal"]
    assert [result.stat for result in found.files] == [files.stat("mail.db"), files.stat("mail.db-wal")]


def test_what_is_known_and_unchanged_is_not_read_again(files: MemoryFileSystem) -> None:
    assert [result.path for result in read(files, "mail.db").files] == ["mail.db-wal"]


@pytest.mark.parametrize("path", ["mail.db", "mail.db-wal", "mail.db-journal"])
def test_a_write_to_any_of_them_while_they_are_read_spoils_it(files: MemoryFileSystem, path: str) -> None:
    meddle(files, "open", "mail.db-wal", lambda: files.write_file(path, b"of another moment"))
    found = read(files, "mail.db")
    assert found.failure is not None
    assert found.failure.unsettled
    assert found.files == ()


def test_one_that_cannot_be_read_is_named(files: MemoryFileSystem) -> None:
    def refuse(name: str, where: str) -> None:
        if (name, where) == ("open", "mail.db-wal"):
            raise PermissionError(errno.EACCES, "no")

    files.before = refuse
    found = read(files)
    assert found.failure is not None
    assert found.failure.path == "mail.db-wal"
    assert not found.failure.unsettled


def test_files_of_a_disk_that_went_are_not_taken_for_deleted(files: MemoryFileSystem) -> None:
    found = read(files, healthy=lambda: "the disk is away")
    assert found.failure is not None
    assert found.there == ()
