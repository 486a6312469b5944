"""A folder's thread: what it decides by itself, which is when a database may say at once what is here."""

from __future__ import annotations

import os
import queue
import threading
import time
from typing import TYPE_CHECKING

from swarm.disk import marker
from swarm.disk.database import SqliteStore
from swarm.disk.home import Home
from swarm.errors import Unavailable
from swarm.ids import DeviceId
from swarm.keys.chain import FolderKeys
from swarm.keys.device import DeviceKey
from swarm.node import folder_thread
from swarm.node.folder_thread import FolderThread
from swarm.node.hands import Hands
from swarm.sync.events import MemberDown, Scanned, ScanWanted
from swarm.sync.files import Stat
from swarm.sync.folder import Identity

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from swarm.sync.events import Event
    from swarm.sync.folder import FolderStatus


def test_a_database_that_is_made_anew_in_the_run_that_made_the_folder_hears_a_member_first(tmp_path: Path) -> None:
    """Its folder is no longer empty of others: what they have is not to be contradicted by what happens to be here."""
    keys = FolderKeys.create(b"o" * 32)
    root = tmp_path / "docs"
    root.mkdir()
    marker.lay_out(str(root), keys.folder_id)
    home = Home.open(tmp_path / "home")
    try:
        folder_home = home.add_folder(keys.folder_id, "a key", str(root))
        identity = Identity(keys, DeviceKey.create(b"d" * 32), "anna", 1, cloned=False, created=True)
        thread = FolderThread(folder_home, str(root), identity, outlet=lambda *_: None, on_status=lambda _: None)
        posted: queue.SimpleQueue[Event] = queue.SimpleQueue()
        hands = Hands(str(root), identity, posted.put)
        try:
            holding = []
            for _ in range(2):
                store = SqliteStore(str(folder_home.database))
                holding.append(thread._open_folder(store, hands).status().holding)
                store.close()
                for suffix in ("", "-wal", "-shm"):
                    if os.path.exists(f"{folder_home.database}{suffix}"):
                        os.unlink(f"{folder_home.database}{suffix}")
            assert holding == [False, True]
        finally:
            hands.close()
    finally:
        home.close()


class Running:
    """A folder's thread at work, and what can be waited for in it."""

    def __init__(self, base: Path) -> None:
        keys = FolderKeys.create(b"o" * 32)
        self.root = base / "docs"
        self.root.mkdir()
        marker.lay_out(str(self.root), keys.folder_id)
        self._home = Home.open(base / "home")
        self._changed = threading.Event()
        identity = Identity(keys, DeviceKey.create(b"d" * 32), "anna", 1, cloned=False, created=True)
        self.thread = FolderThread(
            self._home.add_folder(keys.folder_id, "a key", str(self.root)),
            str(self.root),
            identity,
            outlet=lambda *_: None,
            on_status=lambda _: self._changed.set(),
        )

    def __enter__(self) -> Running:
        self.thread.start()
        self.until(lambda status: not status.scanning)
        return self

    def __exit__(self, *_: object) -> None:
        self.thread.stop(20)
        self._home.close()

    def until(self, condition: Callable[[FolderStatus], bool]) -> None:
        deadline = time.monotonic() + 20
        while (status := self.thread.status) is None or self.thread.failure is not None or not condition(status):
            assert self._changed.wait(max(0.0, deadline - time.monotonic())), "it never comes to that"
            self._changed.clear()


def test_who_waits_is_told_by_the_engine_after_the_one_that_was_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_thread, "HEALTH_INTERVAL", 0.05)
    with Running(tmp_path) as running:
        usual, refused = SqliteStore.commit, threading.Event()

        def commit(store: SqliteStore) -> None:
            if not refused.is_set():
                refused.set()
                raise Unavailable("the disk is full")
            usual(store)

        monkeypatch.setattr(SqliteStore, "commit", commit)
        barrier = running.thread.flush()
        running.until(lambda status: status.barrier == barrier)
        assert refused.is_set()


def test_a_disk_that_is_back_is_seen_however_much_members_say_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_thread, "HEALTH_INTERVAL", 0.2)
    with Running(tmp_path) as running:
        aside = running.root.with_name("aside")
        running.root.rename(aside)
        running.thread.post(ScanWanted())
        running.until(lambda status: bool(status.health))
        done = threading.Event()

        def speak() -> None:
            while not done.wait(0.05):
                running.thread.post(MemberDown(DeviceId(b"b" * 32)))

        member = threading.Thread(target=speak)
        member.start()
        try:
            aside.rename(running.root)
            running.until(lambda status: not status.health)
        finally:
            done.set()
            member.join()


def test_a_step_ends_after_so_many_names_though_the_listings_are_few(tmp_path: Path) -> None:
    """Members begin with the first half of what a large directory comes to while we are at the second."""
    running = Running(tmp_path)  # which does not run
    listing = Scanned("d", {str(number): Stat(None, 0, 0, 0, 0, 0, 0) for number in range(200)})
    for _ in range(7):
        running.thread.post(listing)
    hands = Hands(str(running.root), running.thread.identity, lambda _: None)
    store = SqliteStore(str(tmp_path / "x.db"))
    try:
        steps = [len(running.thread._drain(None, hands, store)) for _ in range(3)]
    finally:
        store.close()
        hands.close()
        running._home.close()
    assert steps == [3, 3, 1]
