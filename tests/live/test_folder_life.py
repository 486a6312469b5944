"""Pause, move and leave between two devices, also while something is on its way."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.live.daemon import Daemon, settle, until
from tests.live.tree import big_file, small_files, write

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live


def test_a_paused_folder_neither_sends_nor_takes_and_then_catches_up(pair: tuple[Daemon, Daemon]) -> None:
    anna, bob = pair
    anna.run("pause", str(anna.folder))
    write(anna.folder / "from-anna", "1")
    write(bob.folder / "from-bob", "2")
    until(lambda: not bob.report()["peers"][0]["connected"], "bob sees that anna takes no part")
    assert anna.report()["state"] == "paused"
    anna.stop()
    anna.start()
    assert anna.report()["state"] == "paused", "over a restart too"
    assert not (anna.folder / "from-bob").exists()
    assert not (bob.folder / "from-anna").exists()
    anna.run("resume", str(anna.folder))
    settle(anna, bob)
    assert (anna.folder / "from-bob").exists()


def test_pausing_and_resuming_in_the_middle_of_a_transfer(pair: tuple[Daemon, Daemon]) -> None:
    anna, bob = pair
    big_file(anna.folder / "big", 48 << 20)
    until(lambda: bob.report()["fetched_bytes"] > 0, "it has begun")
    for daemon in (bob, anna, bob):
        daemon.run("pause", str(daemon.folder))
        daemon.run("resume", str(daemon.folder))
    settle(anna, bob)


def test_a_wait_for_somebody_whom_nobody_knows_is_a_slip(pair: tuple[Daemon, Daemon]) -> None:
    anna, _ = pair
    assert "has no member 'bbo'" in anna.run("wait", str(anna.folder), "--on", "bbo", code=3)
    anna.run("wait", str(anna.folder), "--on", "bob", "--timeout", "60")


def test_a_moved_folder_goes_on_where_it_is(pair: tuple[Daemon, Daemon], tmp_path: Path) -> None:
    anna, bob = pair
    write(anna.folder / "file", "1")
    settle(anna, bob)
    for new, moved_by_user in ((tmp_path / "new", False), (tmp_path / "newer", True)):
        if moved_by_user:
            bob.folder.rename(new)
        bob.run("move", str(bob.folder), str(new))
        bob.folder = new
        write(new / new.name, "here")
        settle(anna, bob)
    assert (anna.folder / "newer").exists()


def test_a_folder_is_taken_to_another_disk_while_it_rests(pair: tuple[Daemon, Daemon], tmp_path: Path) -> None:
    anna, bob = pair
    small_files(anna.folder, 3, 20)
    settle(anna, bob)
    bob.run("pause", str(bob.folder))
    other = tmp_path / "other disk"
    subprocess.run(["cp", "-a", str(bob.folder), str(other)], check=True)
    shutil.rmtree(bob.folder)
    bob.run("move", str(bob.folder), str(other))
    bob.run("resume", str(other))
    bob.folder = other
    write(anna.folder / "after", "2")
    settle(anna, bob)
    assert (other / "after").exists()
    assert anna.report()["files"] == 61
    assert bob.fetched() < 100  # what was copied is known by its content


def test_who_has_left_keeps_the_files_hears_no_more_and_may_join_again(pair: tuple[Daemon, Daemon]) -> None:
    anna, bob = pair
    write(anna.folder / "before", "1")
    settle(anna, bob)
    key = anna.share()
    bob.run("leave", str(bob.folder))
    until(lambda: not anna.report()["peers"][0]["connected"], "anna sees that bob has left")
    write(anna.folder / "after", "2")
    assert (bob.folder / "before").exists()
    assert not (bob.folder / ".swarm" / "folder-id").exists()
    assert str(bob.folder) not in [folder["path"] for folder in bob.status()["folders"]]
    bob.join(key, None, "--yes")
    settle(anna, bob)
    assert (bob.folder / "after").exists()
