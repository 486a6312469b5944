"""What both sides do while they cannot speak to one another: both keep what they wrote, and agree afterwards."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.live.daemon import Daemon, settle, until
from tests.live.tree import contents, particulars, small_files, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.live.conftest import MakeDaemon

pytestmark = pytest.mark.live


def meanwhile(anna: Daemon, bob: Daemon, on_anna: Callable[[], object], on_bob: Callable[[], object]) -> None:
    """Each does its own while the other's daemon is not running; then they meet, and are equal."""
    bob.stop()
    on_anna()
    anna.wait(peers=0)
    anna.stop()
    bob.start()
    on_bob()
    bob.wait(peers=0)
    anna.start()
    settle(anna, bob)
    settle(bob, anna)


def names(daemon: Daemon) -> list[str]:
    return sorted(name for name in os.listdir(daemon.folder) if name != ".swarm")


def test_edits_on_both_sides_keep_both_contents_under_the_same_names(pair: tuple[Daemon, Daemon]) -> None:
    anna, bob = pair
    write(anna.folder / "plan.txt", "as it was")
    settle(anna, bob)
    meanwhile(
        anna,
        bob,
        lambda: write(anna.folder / "plan.txt", "anna's plan"),
        lambda: write(bob.folder / "plan.txt", "bob's plan, which is longer"),
    )
    assert names(anna) == names(bob)
    assert len(names(anna)) == 2
    conflict = next(name for name in names(anna) if name != "plan.txt")
    assert conflict.startswith("plan (conflict ")
    assert conflict.endswith(").txt")
    for daemon in (anna, bob):
        assert sorted(contents(daemon.folder)) == [b"anna's plan", b"bob's plan, which is longer"]
        assert daemon.report()["conflicts"] == 1
    (anna.folder / conflict).unlink()  # the user has decided
    settle(anna, bob)
    assert names(bob) == ["plan.txt"]
    assert bob.report()["conflicts"] == 0


def test_an_edit_wins_over_a_deletion(pair: tuple[Daemon, Daemon]) -> None:
    anna, bob = pair
    write(anna.folder / "one.txt", "old")
    write(anna.folder / "two.txt", "old")
    settle(anna, bob)

    def on_anna() -> None:
        (anna.folder / "one.txt").unlink()
        write(anna.folder / "two.txt", "edited by anna")

    def on_bob() -> None:
        write(bob.folder / "one.txt", "edited by bob")
        (bob.folder / "two.txt").unlink()

    meanwhile(anna, bob, on_anna, on_bob)
    assert names(bob) == ["one.txt", "two.txt"]
    assert (anna.folder / "one.txt").read_text() == "edited by bob"
    assert (bob.folder / "two.txt").read_text() == "edited by anna"


def test_the_same_edit_on_both_sides_is_no_conflict(pair: tuple[Daemon, Daemon]) -> None:
    anna, bob = pair
    meanwhile(
        anna, bob, lambda: write(anna.folder / "same.txt", "same"), lambda: write(bob.folder / "same.txt", "same")
    )
    assert names(anna) == ["same.txt"]
    assert bob.fetched() == 0


def test_a_file_here_and_a_directory_there_of_one_name_are_both_kept(pair: tuple[Daemon, Daemon]) -> None:
    anna, bob = pair
    meanwhile(
        anna,
        bob,
        lambda: write(anna.folder / "thing", "anna's file"),
        lambda: write(bob.folder / "thing" / "inside", "in bob's directory"),
    )
    assert (anna.folder / "thing" / "inside").read_text() == "in bob's directory"
    assert sorted(contents(anna.folder)) == [b"anna's file", b"in bob's directory"]


def test_a_file_added_in_a_directory_that_the_other_deleted_survives(pair: tuple[Daemon, Daemon]) -> None:
    anna, bob = pair
    small_files(anna.folder / "work", 1, 5)
    settle(anna, bob)

    def on_anna() -> None:
        for path in sorted((anna.folder / "work").rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        (anna.folder / "work").rmdir()

    meanwhile(anna, bob, on_anna, lambda: write(bob.folder / "work" / "d000" / "new", "new"))
    assert contents(anna.folder) == [b"new"]


def test_a_rename_here_and_an_edit_there_lose_nothing(pair: tuple[Daemon, Daemon]) -> None:
    anna, bob = pair
    write(anna.folder / "old.txt", "as it was")
    settle(anna, bob)
    meanwhile(
        anna,
        bob,
        lambda: (anna.folder / "old.txt").rename(anna.folder / "new.txt"),
        lambda: write(bob.folder / "old.txt", "edited by bob"),
    )
    assert b"edited by bob" in contents(anna.folder)


def test_two_folders_with_files_are_merged_and_nothing_is_lost(make_daemon: MakeDaemon) -> None:
    anna, bob = make_daemon("anna").start(), make_daemon("bob").start()
    for daemon in (anna, bob):
        small_files(daemon.folder / "both", 2, 10)
        write(daemon.folder / f"only {daemon.name}", daemon.name)
        write(daemon.folder / "differs.txt", f"{daemon.name}'s")
    wanted = {*contents(anna.folder), *contents(bob.folder)}
    key = anna.share()
    anna.wait(peers=0)
    for path in sorted(bob.folder.glob("both/*/*")):  # as a copy that keeps the times of its files
        stat = (anna.folder / path.relative_to(bob.folder)).stat()
        os.utime(path, ns=(stat.st_mtime_ns, stat.st_mtime_ns))
    os.utime(bob.folder / "differs.txt", ns=(0, 0))
    untouched = particulars(bob.folder)
    refusal = bob.run("join", key, str(bob.folder), code=6)
    assert "1 only here, 1 only there, 20 same and 1 different, by size and time against what anna has" in refusal
    assert sorted(os.listdir(bob.folder)) == ["both", "differs.txt", "only bob"]
    assert particulars(bob.folder) == untouched
    assert bob.status()["folders"] == []
    assert not list((bob.home / "folders").iterdir())
    until(lambda: anna.report()["peers"] == [], "who only looked is no member that is away")
    bob.join(key, None, "--yes")
    settle(anna, bob)
    settle(bob, anna)
    assert set(contents(anna.folder)) == wanted
    assert particulars(bob.folder).keys() == particulars(anna.folder).keys()
    assert bob.fetched() < 200  # what only anna had: not the twenty files that both had
    bob.run("pause", str(bob.folder))
    [away] = until(lambda: [peer for peer in anna.report()["peers"] if not peer["connected"]], "a member that is away")
    assert (away["name"], away["behind"]) == ("bob", 0)


def test_a_preview_without_anybody_counts_what_is_here(make_daemon: MakeDaemon) -> None:
    anna, bob = make_daemon("anna").start(), make_daemon("bob").start()
    small_files(bob.folder, 1, 3)
    write(bob.folder / "half.part", "a download")
    key = anna.share()
    anna.stop()
    assert "3 files; nobody is online to compare them with" in bob.run("join", key, str(bob.folder), code=6)
    assert not (bob.folder / ".swarm").exists()


def test_a_join_without_a_path_goes_home_and_refuses_a_directory_with_files(make_daemon: MakeDaemon) -> None:
    anna, bob = make_daemon("anna").start(), make_daemon("bob").start()
    write(anna.folder / "x", "x")
    key = anna.share()
    home = bob.home.with_name("user-bob") / "folder-anna"
    write(home / "in the way", "y")
    assert "name the directory to merge with" in bob.run("join", key, code=2)
    (home / "in the way").unlink()
    bob.run("join", key)
    bob.folder = home
    settle(anna, bob)
