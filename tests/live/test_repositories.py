"""Repositories that are worked on while they are synced: whenever all agree it is a repository, and a clean one."""

from __future__ import annotations

import os
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from tests.live.daemon import Daemon, settle
from tests.live.tree import write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.tree import Size

pytestmark = pytest.mark.live

ROUNDS = {"small": 6, "middle": 15, "full": 60}  # a round takes a second or two
SETTINGS = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Anna",
    "GIT_AUTHOR_EMAIL": "anna@example.net",
    "GIT_COMMITTER_NAME": "Anna",
    "GIT_COMMITTER_EMAIL": "anna@example.net",
}


def git(where: Path, *arguments: str) -> str:
    """Runs it; what it says is the message of the failure."""
    command = ["git", "-c", "gc.auto=0", "-C", str(where), *arguments]
    result = subprocess.run(command, env={**os.environ, **SETTINGS}, capture_output=True, text=True)
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout}{result.stderr}"
    return result.stdout


def is_sound(where: Path, *, clean: bool = True) -> None:
    """Whole, without a lock, without a conflict copy; clean where nobody else has committed at once."""
    git(where, "fsck", "--full", "--strict")
    git(where, "log", "--oneline", "--all")
    strangers = [path for path in (where / ".git").rglob("*") if "conflict" in path.name or path.suffix == ".lock"]
    assert not strangers
    if clean:
        assert git(where, "status", "--porcelain") == ""


@pytest.fixture
def repository(pair: tuple[Daemon, Daemon]) -> tuple[Daemon, Daemon, Path, Path]:
    """Anna's, with two branches, on both sides."""
    anna, bob = pair
    here, there = anna.folder / "project", bob.folder / "project"
    here.mkdir()
    git(here, "init", "-q", "-b", "main")
    for number in range(20):
        write(here / f"src/{number}.txt", f"{number}\n" * 20)
    commit(here, "first")
    git(here, "branch", "side")
    settle(anna, bob)
    is_sound(there)
    return anna, bob, here, there


def commit(where: Path, message: str) -> None:
    git(where, "add", "-A")
    git(where, "commit", "-q", "-m", message)


def work(where: Path, number: int) -> None:
    """What somebody does in a repository."""
    write(where / "src" / f"{number % 7}.txt", f"edited {number}\n" * 30)
    commit(where, f"edit {number}")
    match number % 5:
        case 1:
            git(where, "checkout", "-q", "side")
            write(where / f"side{number}.txt", "on the side")
            commit(where, f"side {number}")
            git(where, "rebase", "-q", "main")
            git(where, "checkout", "-q", "main")
        case 2:
            git(where, "gc", "-q", "--prune=now")
        case 3:
            git(where, "mv", "src/19.txt", "moved.txt")
            commit(where, "moved")
            git(where, "mv", "moved.txt", "src/19.txt")
            commit(where, "and back")
        case 4:
            git(where, "merge", "-q", "--no-ff", "-m", "merged", "side")


def test_a_repository_that_is_worked_on_is_sound_whenever_all_agree(
    repository: tuple[Daemon, Daemon, Path, Path], size: Size
) -> None:
    anna, bob, here, there = repository
    for number in range(1, ROUNDS[size.name]):
        work(here, number)
        if number % 2:
            settle(anna, bob)
            is_sound(there)
            assert git(there, "rev-parse", "main", "side") == git(here, "rev-parse", "main", "side")
    settle(anna, bob)
    is_sound(there)
    work(there, 101)  # and it can be worked on there
    settle(bob, anna)
    is_sound(here)


def test_commits_on_both_sides_at_once_break_neither_repository(
    repository: tuple[Daemon, Daemon, Path, Path],
) -> None:
    anna, bob, here, there = repository
    failures: list[AssertionError] = []

    def busy(where: Path, name: str) -> None:
        for number in range(12):
            write(where / f"{name}{number}.txt", f"{name} {number}")
            try:
                commit(where, f"{name} {number}")
            except AssertionError as error:  # the ground moved under it, which git says, and refuses
                failures.append(error)

    threads = [threading.Thread(target=busy, args=(place, name)) for place, name in ((here, "anna"), (there, "bob"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    settle(anna, bob)
    settle(bob, anna)
    for place in (here, there):
        is_sound(place, clean=False)
        for name in ("anna", "bob"):
            assert (place / f"{name}11.txt").read_text() == f"{name} 11"
        write(place / f"after {place.parent.name}.txt", "one more")
        commit(place, "life goes on")
        settle(anna, bob)
        settle(bob, anna)
    for place in (here, there):
        is_sound(place)
    assert len(failures) < 24, failures[0]
