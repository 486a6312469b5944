"""What only the Store in SQLite can get wrong: its file, damage, a full disk, versions. The rest is in the suite."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from swarm.disk import database, schema, sqlite_file
from swarm.disk.database import CorruptDatabase, SqliteStore, fingerprint, set_aside
from swarm.disk.machine import machine_id
from swarm.errors import Bug, Unavailable, UserError
from swarm.ids import ChunkId, ContentId, Kind, Origin
from swarm.index.record_codec import Draft, author
from swarm.index.trie import TrieNode
from swarm.keys.chain import FolderKeys
from swarm.keys.device import DeviceKey
from swarm.sync.store import Local

if TYPE_CHECKING:
    from collections.abc import Iterator

ANNA = Origin(b"a" * 16)
RECORD = author(
    Draft(ANNA, 1, (), "d/x", Kind.FILE, 7, "laptop", content=ContentId(b"c" * 32), size=5),
    FolderKeys.create(b"o" * 32),
    DeviceKey.create(b"d" * 32),
)
LOCAL = Local(Kind.FILE, 5, 0o644, 1, 2, 3, ContentId(b"c" * 32), "", ((ANNA, 1),))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(str(path))
    yield store
    store.close()


def filled(path: Path, values: int = 300) -> None:
    store = SqliteStore(str(path))
    for number in range(values):
        store.put(f"value {number}", b"v" * 1_000)
    store.put_register(RECORD.key, (RECORD,))
    store.commit()
    store.close()


def connection(store: SqliteStore) -> sqlite3.Connection:
    return store._file._connection


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


# -- the file


def test_the_file_and_its_log_are_for_their_owner_alone(path: Path) -> None:
    before = os.umask(0)
    try:
        store = SqliteStore(str(path))
        store.put("x", b"1")
        store.commit()
        assert [mode(each) for each in sorted(path.parent.iterdir())] == [0o600, 0o600, 0o600]
        store.close()
    finally:
        os.umask(before)


def test_permissions_that_have_become_wider_are_narrowed(path: Path) -> None:
    filled(path)
    path.chmod(0o644)
    SqliteStore(str(path)).close()
    assert mode(path) == 0o600


def test_commits_reach_the_disk_through_a_log(store: SqliteStore) -> None:
    assert connection(store).execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection(store).execute("PRAGMA synchronous").fetchone() == (2,)


def test_what_was_committed_survives_a_crash_and_the_rest_does_not(store: SqliteStore, path: Path) -> None:
    store.put("x", b"committed")
    store.live_trie.put_node("", TrieNode(17, bytes(512)))
    store.commit()
    store.put("x", b"not committed")
    store.live_trie.put_node("", None)
    crashed = path.with_name("crashed.db")
    for suffix in ("", "-wal"):
        shutil.copy(f"{path}{suffix}", f"{crashed}{suffix}")
    again = SqliteStore(str(crashed))
    assert again.get("x") == b"committed"
    assert again.live_trie.node("") == TrieNode(17, bytes(512))
    again.close()


def test_a_missing_directory_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        SqliteStore(str(tmp_path / "missing" / "index.db"))


def test_an_idle_checkpoint_empties_the_log(store: SqliteStore, path: Path) -> None:
    log = Path(f"{path}-wal")
    store.put("x", bytes(100_000))
    store.checkpoint()  # inside a transaction: nothing happens
    store.commit()
    assert log.stat().st_size > 100_000
    store.checkpoint()
    assert log.stat().st_size == 0
    assert store.get("x") == bytes(100_000)


def test_a_checkpoint_beside_an_unfinished_read_waits_for_another_time(store: SqliteStore) -> None:
    for number in range(500):
        store.put_local(f"file {number}", LOCAL)
    store.commit()
    reading = store.locals_below("")
    next(reading)
    store.checkpoint()
    assert len(list(reading)) == 499


def test_a_read_that_was_left_unfinished_ends_quietly_after_the_store(store: SqliteStore) -> None:
    for number in range(500):
        store.put_local(f"file {number}", LOCAL)
    reading = store.locals_below("")
    next(reading)
    store.close()
    assert isinstance(reading, Generator)
    reading.close()


def test_a_store_belongs_to_the_thread_that_made_it(store: SqliteStore) -> None:
    caught: list[Exception] = []

    def use() -> None:
        try:
            store.get("x")
        except Exception as error:
            caught.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert [type(error) for error in caught] == [Bug]


def test_a_closed_store_says_so(store: SqliteStore) -> None:
    store.close()
    with pytest.raises(Bug):
        store.get("x")
    with pytest.raises(Bug):
        next(store.registers())


# -- versions


def test_a_database_of_a_newer_swarm_is_refused_and_left_alone(path: Path) -> None:
    filled(path)
    raw = sqlite3.connect(path)
    raw.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")
    raw.close()
    before = path.read_bytes()
    with pytest.raises(UserError) as caught:
        SqliteStore(str(path))
    assert "newer" in caught.value.message
    assert caught.value.hint
    assert path.read_bytes() == before


def test_an_older_database_is_brought_up_to_date(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(path)
    monkeypatch.setattr(
        sqlite_file,
        "MIGRATIONS",
        (*schema.MIGRATIONS, "CREATE TABLE one(x)", "CREATE TABLE two(x); INSERT INTO two VALUES (7)"),
    )
    for _ in range(2):
        store = SqliteStore(str(path))
        assert connection(store).execute("SELECT x FROM two").fetchall() == [(7,)]
        assert store.get("value 0") == b"v" * 1_000
        store.close()


def test_a_migration_that_fails_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(path)
    monkeypatch.setattr(sqlite_file, "MIGRATIONS", (*schema.MIGRATIONS, "CREATE TABLE one(x); CREATE TABLE value(x)"))
    with pytest.raises(Bug):
        SqliteStore(str(path))
    monkeypatch.undo()
    store = SqliteStore(str(path))
    assert connection(store).execute("SELECT count(*) FROM sqlite_schema WHERE name = 'one'").fetchone() == (0,)
    store.close()


# -- damage


def test_a_file_that_is_no_database_is_corrupt(path: Path) -> None:
    path.write_bytes(b"my shopping list\n" * 100)
    with pytest.raises(CorruptDatabase):
        SqliteStore(str(path))


def test_another_programs_database_is_corrupt_and_left_alone(path: Path) -> None:
    raw = sqlite3.connect(path)
    raw.execute("CREATE TABLE bookmark(url)")
    raw.close()
    before = path.read_bytes()
    with pytest.raises(CorruptDatabase):
        SqliteStore(str(path))
    assert path.read_bytes() == before
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA user_version = 1")
    raw.close()
    with pytest.raises(CorruptDatabase):
        SqliteStore(str(path))


@pytest.mark.parametrize("checked_whole", [True, False])
def test_a_truncated_file_is_corrupt(path: Path, checked_whole: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(path)
    if not checked_whole:
        monkeypatch.setattr(sqlite_file, "CHECKED_WHOLE_BYTES", 0)
    SqliteStore(str(path)).close()
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(CorruptDatabase):
        SqliteStore(str(path))


def test_a_page_of_noise_is_corrupt(path: Path) -> None:
    filled(path)
    with path.open("r+b") as file:
        file.seek(-4096 * 3, os.SEEK_END)
        file.write(b"\xa5" * 4096)
    with pytest.raises(CorruptDatabase):
        SqliteStore(str(path))


def test_every_b_tree_of_a_large_file_is_looked_into(store: SqliteStore) -> None:
    look = connection(store).execute
    found = set()
    for (table,) in look("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
        for _, index, _, _, partial in look(f"PRAGMA index_list({table})").fetchall():
            if not partial:
                found.add((table, look(f"PRAGMA index_info({index})").fetchone()[2]))
    # rowid tables: `file` is read on the way to its paths, since its only index covers it
    assert found | {("record", "id")} == set(schema.PROBES)


def test_a_damaged_record_is_the_databases_fault_and_no_peers(store: SqliteStore) -> None:
    store.put_register(RECORD.key, (RECORD,))
    store.commit()
    store.rollback()  # forgets what it kept in memory
    connection(store).execute("UPDATE record SET body = x'00'")
    with pytest.raises(CorruptDatabase):
        store.register(RECORD.key)


def test_a_damaged_database_is_set_aside_with_its_log(path: Path) -> None:
    store = SqliteStore(str(path))
    store.put("x", b"1")
    store.commit()
    aside = Path(set_aside(str(path)))
    assert aside.exists()
    assert Path(f"{aside}-wal").exists()
    new = SqliteStore(str(path))
    assert new.get("x") is None
    new.put("x", b"2")
    new.commit()
    new.close()
    store.close()
    assert set_aside(str(path)) == str(aside)
    assert {each.name for each in path.parent.iterdir()} == {aside.name}


def test_the_log_of_a_database_set_aside_is_not_taken_for_the_new_ones(path: Path) -> None:
    store = SqliteStore(str(path))
    store.put("x", b"old")
    store.commit()
    path.rename(path.with_name("aside"))  # and the machine stops before the log follows
    new = SqliteStore(str(path))
    assert new.get("x") is None
    new.close()
    store.close()


# -- a disk that is full or somebody else's


def test_a_full_disk_takes_back_the_whole_transaction(store: SqliteStore) -> None:
    store.put("x", b"before")
    store.commit()
    pages = connection(store).execute("PRAGMA page_count").fetchone()[0]
    connection(store).execute(f"PRAGMA max_page_count = {pages}")
    store.put("x", b"after")
    with pytest.raises(Unavailable) as caught:
        store.put_manifest_node(b"n" * 32, bytes(1 << 20))
    assert "full" in caught.value.message
    assert caught.value.hint
    with pytest.raises(Bug):  # else the second half of the batch would be committed without the first
        store.put("y", b"1")
    with pytest.raises(Bug):
        store.commit()
    store.rollback()
    assert (store.get("x"), store.get("y")) == (b"before", None)
    connection(store).execute("PRAGMA max_page_count = 1000000")
    store.put("x", b"after")
    store.commit()
    assert store.get("x") == b"after"


def test_trie_nodes_held_back_are_part_of_a_transaction_that_failed(store: SqliteStore) -> None:
    pages = connection(store).execute("PRAGMA page_count").fetchone()[0]
    connection(store).execute(f"PRAGMA max_page_count = {pages}")
    for number in range(256):
        store.live_trie.put_node(f"{number:02x}", TrieNode(17, bytes(512)))
    with pytest.raises(Unavailable):
        store.commit()
    store.rollback()
    assert store.live_trie.node("00") is None
    store.commit()


def test_a_database_that_another_program_writes_is_unavailable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.0)
    store = SqliteStore(str(path))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable):
        store.put("x", b"1")
    with pytest.raises(Bug):
        store.commit()
    store.rollback()
    other.close()
    store.put("x", b"1")
    store.commit()
    store.close()


def test_a_number_that_sqlite_cannot_hold_is_our_bug(store: SqliteStore) -> None:
    with pytest.raises(Bug):
        store.set_clock(ANNA, 1 << 63)
    store.rollback()
    assert store.clock() == {}


# -- speed


def test_no_question_walks_through_a_table(store: SqliteStore) -> None:
    asked: set[str] = set()
    connection(store).set_trace_callback(asked.add)
    store.put_register(RECORD.key, (RECORD,))
    store.register(RECORD.key)
    store.records_after(ANNA, 0, 5)
    store.signed_after(ANNA, 0, 5)
    store.highest_seq(ANNA)
    store.live_below("d")
    store.paths_below("", 5)
    list(store.registers())
    store.live_trie.put_leaf(RECORD.key, b"1" * 32)
    store.live_trie.leaves("abc", 5)
    store.live_trie.node("abc")
    store.set_claims("a", ["b"])
    store.claimant("b")
    store.local("d/x")
    store.put_local("d/x", LOCAL)
    store.locals_in("d")
    list(store.locals_below("d"))
    store.locals_with(LOCAL.content)
    store.manifest_node(b"n" * 32)
    for _ in range(2):
        store.put_chunks("d/x", [(ChunkId(b"h" * 32), 0, 5)])
    store.find_chunk(ChunkId(b"h" * 32))
    store.move_chunks("d/x", "d/y")
    store.drop_chunks("d/y")
    connection(store).set_trace_callback(None)
    plans = {
        (statement, step)
        for statement in asked
        if statement.startswith(("SELECT", "DELETE", "UPDATE"))
        for *_, step in connection(store).execute(f"EXPLAIN QUERY PLAN {statement}")
    }
    assert len(plans) > 20
    walks = {step for _, step in plans if "SCAN" in step or "TEMP" in step}
    assert walks == {
        "SCAN claim USING COVERING INDEX claim_by_source",  # whether there is one
        "SCAN record USING INDEX record_by_path",  # all registers, which is what was asked for
        "SCAN (subquery-1)",  # at most `limit` places of a chunk
        "USE TEMP B-TREE FOR RIGHT PART OF ORDER BY",  # records that share a dot
    }


# -- whose database it is


def test_a_copied_database_has_another_fingerprint(path: Path) -> None:
    filled(path)
    before = fingerprint(str(path))
    filled(path)
    assert fingerprint(str(path)) == before
    assert len(before) == 16
    copy = shutil.copy(path, path.with_name("copy.db"))
    assert fingerprint(str(copy)) != before
    moved = path.rename(path.with_name("moved.db"))
    assert fingerprint(str(moved)) == before


def test_a_database_on_another_machine_has_another_fingerprint(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(path)
    here = fingerprint(str(path))
    monkeypatch.setattr(database, "machine_id", lambda: b"another machine")
    assert fingerprint(str(path)) != here


def test_a_machine_has_the_first_identifier_that_says_anything(tmp_path: Path) -> None:
    names = tuple(str(tmp_path / name) for name in ("missing", "empty", "image", "good", "later"))
    for name, text in zip(names[1:], ("\n", "uninitialized\n", "3d12\n", "other\n"), strict=True):
        Path(name).write_text(text)
    assert machine_id(names) == b"3d12"
    assert machine_id(names[:1])  # the host's name is better than nothing


def test_a_damaged_record_is_not_sent(store: SqliteStore) -> None:
    store.put_register(RECORD.key, (RECORD,))
    assert store.signed_after(RECORD.origin, 0, 5) == [(RECORD.seq, RECORD.raw)]
    connection(store).execute("UPDATE record SET raw = CAST(raw || x'00' AS BLOB)")
    with pytest.raises(CorruptDatabase):
        store.signed_after(RECORD.origin, 0, 5)


def test_what_is_kept_in_memory_is_bounded(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "MAX_LOCALS", 3)
    monkeypatch.setattr(database, "MAX_ALIVE", 3)
    for number in range(10):
        store.put_local(str(number), LOCAL)
        store.live_below(str(number))
        assert len(store._locals) <= 3
        assert len(store._alive) <= 3
    assert store.local("0") == LOCAL
