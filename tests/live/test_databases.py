"""Databases that are written to while they are synced, and logs that grow all day."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.live.daemon import Daemon, settle

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live


def soundness(database: Path, scratch: Path) -> int:
    """Rows in a copy of a database with its log and journal, which has to be whole."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    for path in database.parent.glob(f"{database.name}*"):
        shutil.copy(path, scratch)
    with closing(sqlite3.connect(scratch / database.name)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows, total = connection.execute("SELECT count(*), coalesce(sum(n), 0) FROM numbers").fetchone()
    assert total == rows * (rows - 1) // 2, "transactions in the order in which they were made, and none left out"
    return int(rows)


class Writer:
    """A program that writes to a database for as long as it lives."""

    def __init__(self, path: Path, journal: str, pause: float) -> None:
        self._path = path
        self._pause = pause
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute(f"PRAGMA journal_mode = {journal}")
        self._connection.execute("PRAGMA wal_autocheckpoint = 20")  # pages: the log is written back all the time
        self._connection.execute("CREATE TABLE numbers (n INTEGER PRIMARY KEY, filler BLOB)")
        self.rows = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self._thread.start()

    def _write(self) -> None:
        while not self._stopping.wait(self._pause):
            with self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                for _ in range(7):
                    self._connection.execute("INSERT INTO numbers VALUES (?, randomblob(900))", (self.rows,))
                    self.rows += 1
                self._connection.execute("COMMIT")

    def stop(self) -> None:
        """It rests, and has the database open still."""
        self._stopping.set()
        self._thread.join()

    def close(self) -> None:
        self.stop()
        self._connection.close()


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_a_database_that_is_written_to_is_whole_on_the_other_side_whenever_it_arrives(
    pair: tuple[Daemon, Daemon], tmp_path: Path, journal: str
) -> None:
    anna, bob = pair
    here, there = anna.folder / "mail.db", bob.folder / "mail.db"
    writer = Writer(here, journal, 0.4)
    try:
        for _ in range(3):  # while it is written to: what has arrived then is of one moment, and not of long ago
            before = writer.rows
            anna.wait()
            assert before <= soundness(there, tmp_path / "scratch") <= writer.rows
        writer.stop()
        anna.wait()
        assert soundness(there, tmp_path / "scratch") == writer.rows, "with its log, while it is open"
    finally:
        writer.close()
    settle(anna, bob)
    assert soundness(there, tmp_path / "scratch") == writer.rows
    assert not list(bob.folder.glob("*-shm"))
