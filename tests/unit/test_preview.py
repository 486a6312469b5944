"""What joining would merge, by size and time; and that finding out leaves no trace."""

from __future__ import annotations

import os
import time
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

import pytest

from swarm.control.daemon import Preview
from swarm.disk.home import Home
from swarm.disk.survey import survey
from swarm.ids import ContentId, DeviceId, Kind, Origin
from swarm.keys.chain import FolderKeys
from swarm.keys.device import DeviceKey
from swarm.keys.hints import Hints
from swarm.keys.role import Role
from swarm.node import preview
from swarm.node.preview import PreviewThread, compare
from swarm.sync.events import MemberUp, Send
from swarm.sync.folder import Identity
from swarm.sync.ledger import Ledger, Value
from swarm.sync.memory_store import MemoryStore
from swarm.wire.messages import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

KEYS = FolderKeys.create(b"o" * 32)
DEVICE = DeviceKey.create(b"d" * 32)
NOW = 1_700_000_000  # seconds since 1970
MEMBER = DeviceId(b"m" * 32)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    opened = Home.open(tmp_path / "home")
    yield opened
    opened.close()


def put(root: Path, name: str, text: str, seconds: int = NOW) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (seconds, seconds))


def index(**files: tuple[int, int]) -> Ledger:
    """An index of files by name, with (size, seconds since 1970)."""
    ledger = Ledger(MemoryStore(), KEYS, DEVICE, "nas", Origin(b"n" * 16))
    for name, (size, seconds) in files.items():
        ledger.write(name, Value(Kind.FILE, ContentId(b"c" * 32), size, 0o644, seconds * 10**9), None, NOW * 1000)
    return ledger


def test_files_are_compared_by_size_and_time(tmp_path: Path) -> None:
    put(tmp_path, "same", "1234")
    put(tmp_path, "rounded", "1234", NOW + 2)
    put(tmp_path, "later", "1234", NOW + 60)
    put(tmp_path, "longer", "12345")
    put(tmp_path, "mine", "123456")
    ledger = index(same=(4, NOW), rounded=(4, NOW), later=(4, NOW), longer=(4, NOW), theirs=(1000, NOW), more=(7, NOW))
    assert compare(survey(str(tmp_path)), "nas", ledger) == Preview("nas", True, 1, 6, 2, 1007, 2, 2)


def test_a_file_where_the_others_have_a_directory_is_only_here(tmp_path: Path) -> None:
    ledger = index()
    ledger.write("name", Value(Kind.DIRECTORY, mode=0o755), None, NOW * 1000)
    put(tmp_path, "name", "a file")
    assert compare(survey(str(tmp_path)), "nas", ledger) == Preview("nas", True, 1, 6, 0, 0, 0, 0)


def test_a_survey_leaves_out_what_is_ignored_and_what_cannot_be_shared(tmp_path: Path) -> None:
    put(tmp_path, ".swarmignore", "*.log\n!kept.log\n")
    for name in ("a.log", "kept.log", "deep/b.log", "deep/c", "half.part", ".swarm/history/old", "node_modules/x"):
        put(tmp_path, name, "x")
    put(tmp_path, ".swarm/ignore", "node_modules/\n")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/nowhere")
    assert sorted(path for path, _ in survey(str(tmp_path))) == [".swarmignore", "deep/c", "kept.log", "link"]


def run(home: Home, root: Path, sent: list[Send]) -> PreviewThread:
    def outlet(_: PreviewThread, effects: Sequence[object]) -> None:
        sent.extend(effect for effect in effects if isinstance(effect, Send))

    identity = Identity(KEYS, DEVICE, "anna", 1, cloned=False, created=False)
    thread = PreviewThread(home, str(root), identity, Hints(), outlet)
    thread.start()
    return thread


def test_without_a_member_only_what_is_here_is_counted_and_nothing_is_left(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview, "FIRST_MEMBER", 0.0)
    root = tmp_path / "root"
    put(root, "mine", "123")
    sent: list[Send] = []
    thread = run(home, root, sent)
    assert thread.answer.result(20) == Preview("", False, 1, 3, 0, 0, 0, 0)
    thread.stop()
    assert os.listdir(root) == ["mine"]
    assert not list((home.path / "folders").iterdir())
    assert not sent


def test_a_preview_tells_members_that_it_has_nothing_and_is_not_done(home: Home, tmp_path: Path) -> None:
    root = tmp_path / "root"
    put(root, "mine", "123")
    sent: list[Send] = []
    thread = run(home, root, sent)
    thread.post(MemberUp(MEMBER, "nas", Role.WRITE))
    deadline = time.monotonic() + 20
    while not sent and time.monotonic() < deadline:
        time.sleep(0.01)
    thread.stop()
    states = [effect.message for effect in sent]
    assert states
    for state in states:
        assert isinstance(state, State)
        assert (state.clock, state.settled) == ((), False)


def test_a_member_whose_list_does_not_come_is_named(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview, "STALLED", 0.3)
    root = tmp_path / "root"
    put(root, "mine", "123")
    thread = run(home, root, [])
    thread.post(MemberUp(MEMBER, "nas", Role.WRITE))
    assert thread.answer.result(20) == Preview("nas", False, 1, 3, 0, 0, 0, 0)
    thread.stop()


def test_a_preview_that_nobody_waits_for_ends_at_once(home: Home, tmp_path: Path) -> None:
    (root := tmp_path / "root").mkdir()
    thread = run(home, root, [])
    thread.answer.cancel()
    began = time.monotonic()
    thread.stop()
    assert time.monotonic() - began < preview.FIRST_MEMBER
    with pytest.raises(CancelledError):
        thread.answer.result(0)


def test_a_directory_that_went_is_said(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview, "FIRST_MEMBER", 0.0)
    thread = run(home, tmp_path / "gone", [])
    with pytest.raises(FileNotFoundError):
        thread.answer.result(20)
    thread.stop()
