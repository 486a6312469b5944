"""Databases that are written to while they are synced, and logs that grow all day."""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from swarm.disk.retention import NEWEST
from swarm.sync.pace import COST, FREE
from tests.live.daemon import settle, until
from tests.live.tree import content, write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.daemon import Daemon

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


def test_a_log_that_grows_all_day_is_sent_now_and_then_and_at_once_when_somebody_waits(
    pair: tuple[Daemon, Daemon],
) -> None:
    anna, bob = pair
    log = anna.folder / "app.log"
    log.write_bytes(content(7, 300_000))
    settle(anna, bob)
    before = bob.fetched()
    with log.open("ab", buffering=0) as stream:
        for number in range(FREE * 3):
            stream.write(b"line %d\n" % number)
            time.sleep(0.08)  # what is tested: more lines than versions that cost nothing
    until(lambda: "app.log is written to all the time" in (anna.report()["why"] or ""), "the status says so")
    versions = len(list((bob.folder / ".swarm" / "history").glob("app~*")))
    assert versions <= FREE + 2
    assert bob.fetched() - before < (FREE + 2) * COST
    settle(anna, bob)
    assert (bob.folder / "app.log").read_bytes() == log.read_bytes()


def test_a_file_that_is_replaced_all_the_time_does_not_fill_history(pair: tuple[Daemon, Daemon]) -> None:
    anna, bob = pair
    for number in range(2 * NEWEST + 2):
        write(anna.folder / "counter", f"{number}")
        there = bob.folder / "counter"
        until(lambda there=there, n=f"{number}": there.exists() and there.read_text() == n, "each of them")  # type: ignore[misc]
    until(
        lambda: len(list((bob.folder / ".swarm" / "history").glob("counter~*"))) <= NEWEST + 4, "history is thinned out"
    )
    kept = {path.read_text() for path in (bob.folder / ".swarm" / "history").glob("counter~*")}
    assert "0" in kept, "what was there first"
    assert f"{2 * NEWEST}" in kept, "what was there last"
