"""What the hands do by themselves."""

from __future__ import annotations

import errno
import os
import queue
import threading
import time
from typing import TYPE_CHECKING

import pytest

from swarm.disk import marker
from swarm.disk.history import history_path
from swarm.disk.late import LATE_SECONDS
from swarm.disk.placement import Late
from swarm.errors import Unavailable
from swarm.keys.chain import FolderKeys
from swarm.keys.device import DeviceKey
from swarm.node.hands import FIRST_TIDY, Hands
from swarm.sync.events import Event, Health, HistoryDropped, Scan, Scanned
from swarm.sync.folder import Identity

if TYPE_CHECKING:
    from pathlib import Path

    from swarm.sync.files import Stat


def test_history_is_tidied_now_and_then_and_the_engine_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = FolderKeys.create(b"o" * 32)
    marker.lay_out(str(tmp_path), keys.folder_id)
    place = history_path("a.txt", 1_000_000_000_000, "abcdef")
    kept = history_path("a.txt", time.time_ns() // 1_000_000, "abcdef")
    for name in (place, kept):
        (tmp_path / name).write_text("x")
    posted: queue.SimpleQueue[Event] = queue.SimpleQueue()
    identity = Identity(keys, DeviceKey.create(b"d" * 32), "anna", 1, cloned=False, created=True)
    hands = Hands(str(tmp_path), identity, posted.put)
    try:
        hands.tidy_now_and_then()
        assert os.path.exists(tmp_path / place)  # there is more urgent work at the start
        started = time.monotonic()
        monkeypatch.setattr("swarm.node.hands.time.monotonic", lambda: started + FIRST_TIDY)
        hands.tidy_now_and_then()
        assert posted.get(timeout=20) == HistoryDropped((place,))
        hands.tidy_now_and_then()
    finally:
        hands.close()
    assert os.listdir(tmp_path / ".swarm/history") == [os.path.basename(kept)]
    assert posted.empty()


def test_a_copy_of_the_folder_in_its_place_is_opened_before_it_is_worked_with(tmp_path: Path) -> None:
    """What was open goes on to be the directory that was moved away: a scan of that one would be of no use, and once
    it is emptied, its emptiness would pass for deletions."""
    keys = FolderKeys.create(b"o" * 32)
    root = tmp_path / "docs"
    for directory, name in ((root, "old.txt"), (tmp_path / "copy", "new.txt")):
        directory.mkdir()
        marker.lay_out(str(directory), keys.folder_id)
        (directory / name).write_text("x")
    posted: queue.SimpleQueue[Event] = queue.SimpleQueue()
    identity = Identity(keys, DeviceKey.create(b"d" * 32), "anna", 1, cloned=False, created=True)
    hands = Hands(str(root), identity, posted.put)
    try:
        assert not hands.healthy()
        os.rename(root, tmp_path / "aside")
        os.rename(tmp_path / "copy", root)
        assert "another directory" in hands.healthy()
        assert posted.get(timeout=20) == Health(hands.away)
        assert "another directory" in hands.healthy()  # until it was opened anew, whatever stands there
        hands.look_again()
        assert posted.get(timeout=20) == Health("")
        assert not hands.away
        assert not hands.healthy()
        assert "new.txt" in hands.files.list("")
    finally:
        hands.close()
    assert posted.empty()


def test_the_look_after_a_listing_is_the_one_before_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that was renamed makes thousands in a row; each still has a look on either side of it."""
    keys = FolderKeys.create(b"o" * 32)
    marker.lay_out(str(tmp_path), keys.folder_id)
    posted: queue.SimpleQueue[Event] = queue.SimpleQueue()
    identity = Identity(keys, DeviceKey.create(b"d" * 32), "anna", 1, cloned=False, created=True)
    hands = Hands(str(tmp_path), identity, posted.put)
    happened: list[str] = []
    healthy, list_it = hands.healthy, hands.files.scan

    def look() -> str:
        happened.append("look")
        return healthy()

    def scan(path: str) -> dict[str, Stat]:
        happened.append("list")
        return list_it(path)

    monkeypatch.setattr(hands, "healthy", look)
    monkeypatch.setattr(hands.files, "scan", scan)
    monkeypatch.setattr("swarm.node.hands.LOOKED_SECONDS", 60.0)
    try:
        hands.carry_out([Scan(""), Scan(""), Scan("")])
        for _ in range(3):
            assert isinstance(posted.get(timeout=20), Scanned)
    finally:
        hands.close()
    assert happened == ["look", "list", "look", "list", "look", "list", "look"]


def test_a_job_on_a_disk_that_was_away_ends_on_what_it_began_with(tmp_path: Path) -> None:
    """The descriptor of its root, closed meanwhile, would soon be that of another directory."""
    keys = FolderKeys.create(b"o" * 32)
    root = tmp_path / "docs"
    for directory, name in ((root, "old.txt"), (tmp_path / "copy", "new.txt")):
        directory.mkdir()
        marker.lay_out(str(directory), keys.folder_id)
        (directory / name).write_text("x")
    identity = Identity(keys, DeviceKey.create(b"d" * 32), "anna", 1, cloned=False, created=True)
    hands = Hands(str(root), identity, lambda event: None)
    try:
        at_work = hands.files
        descriptor = at_work.root_descriptor
        os.rename(root, tmp_path / "aside")
        os.rename(tmp_path / "copy", root)
        assert hands.healthy()
        hands.look_again()
        assert not hands.away
        assert "old.txt" in at_work.scan("")
        assert "new.txt" in hands.files.scan("")
        del at_work
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)
    finally:
        hands.close()


def test_a_folder_that_cannot_be_opened_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its disk went between the look and the opening; that is no internal error, and tried again."""
    keys = FolderKeys.create(b"o" * 32)
    marker.lay_out(str(tmp_path), keys.folder_id)
    identity = Identity(keys, DeviceKey.create(b"d" * 32), "anna", 1, cloned=False, created=True)

    def gone(root: str) -> None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), root)

    monkeypatch.setattr("swarm.node.hands.SafeFileSystem", gone)
    with pytest.raises(Unavailable, match="cannot be opened"):
        Hands(str(tmp_path), identity, lambda event: None)


def test_a_look_for_late_writes_that_waits_for_the_installer_does_not_make_the_engine_spin(tmp_path: Path) -> None:
    keys = FolderKeys.create(b"o" * 32)
    marker.lay_out(str(tmp_path), keys.folder_id)
    identity = Identity(keys, DeviceKey.create(b"d" * 32), "anna", 1, cloned=False, created=True)
    hands = Hands(str(tmp_path), identity, lambda event: None)
    busy = threading.Event()
    try:
        hands._pools["install"].submit(busy.wait, 20)
        (tmp_path / "old.txt").write_text("x")
        hands._late.add([Late("a.txt", "old.txt", hands.files.stat("old.txt"))], time.monotonic() - LATE_SECONDS)
        for _ in range(2):
            due = hands.late_due()
            assert due is not None
            assert due > time.monotonic()
        busy.set()
        hands._pools["install"].submit(int).result(20)
        assert hands.late_due() is None  # it was looked at
    finally:
        busy.set()
        hands.close()
