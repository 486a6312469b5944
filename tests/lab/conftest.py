"""Machines on a wire, and daemons on them. Without root, or on another system, all of it is skipped, and says so."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.lab import internet as internets
from tests.lab import wire as wires
from tests.live.daemon import Daemon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.lab.wire import Machine, Wire

    MakeDaemon = Callable[[str, Machine], Daemon]


@pytest.fixture(scope="session")
def namespaces() -> None:
    if not wires.available():
        pytest.skip("network namespaces need root on Linux")


@pytest.fixture
def wire(namespaces: None) -> Iterator[Wire]:
    made = wires.Wire()
    yield made
    made.remove()


@pytest.fixture
def internet(wire: Wire) -> internets.Internet:
    if not internets.available():
        pytest.skip("the NATs of the lab need nft, of the package nftables")
    return internets.Internet(wire)


@pytest.fixture
def make_daemon(wire: Wire, tmp_path: Path) -> Iterator[MakeDaemon]:
    """Makes devices by name, each on a machine; they listen everywhere and use the local network."""
    made: list[Daemon] = []

    def make(name: str, machine: Machine) -> Daemon:
        daemon = Daemon(tmp_path, name, listen="0.0.0.0", inside=machine.inside)
        daemon.lan = True
        made.append(daemon)
        return daemon.start()

    yield make
    for daemon in made:
        with contextlib.suppress(AssertionError):
            daemon.kill()
