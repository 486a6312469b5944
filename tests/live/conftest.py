"""Daemons for the tests of this directory. Each one that a test makes is ended after it, by its own process id."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import pytest

from tests.live.daemon import Daemon
from tests.live.tree import SIZES, Size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    MakeDaemon = Callable[..., Daemon]


@pytest.fixture(scope="session")
def size() -> Size:
    """How much of everything: $SWARM_LAB_SIZE, which scripts/lab sets; small by default."""
    return SIZES[os.environ.get("SWARM_LAB_SIZE", "small")]


@pytest.fixture
def make_daemon(tmp_path: Path) -> Iterator[MakeDaemon]:
    """Makes devices by name, below tmp_path unless told otherwise."""
    made: list[Daemon] = []

    def make(name: str, base: Path | None = None, **options: object) -> Daemon:
        daemon = Daemon(base or tmp_path, name, **options)  # type: ignore[arg-type]
        made.append(daemon)
        return daemon

    yield make
    for daemon in made:
        with contextlib.suppress(AssertionError):
            daemon.kill()


@pytest.fixture(scope="module")
def residents(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, Daemon]]:
    """Two devices that live as long as a module's tests: starting two for each would take most of the time."""
    base = tmp_path_factory.mktemp("residents")
    daemons = Daemon(base, "anna"), Daemon(base, "bob")
    yield daemons
    for daemon in daemons:
        with contextlib.suppress(AssertionError):
            daemon.kill()


@pytest.fixture
def pair(residents: tuple[Daemon, Daemon], tmp_path: Path) -> tuple[Daemon, Daemon]:
    """Two devices that share an empty folder and are connected."""
    for daemon in residents:
        daemon.folder = tmp_path / f"folder-{daemon.name}"
        if not daemon.alive:  # the first test, or one that failed
            daemon.kill()
            daemon.start()
    anna, bob = residents
    bob.join(anna.share())
    bob.wait()
    return anna, bob
