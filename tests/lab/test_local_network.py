"""Two machines on one wire: they find each other by ear, and again after whatever happens to the wire."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from tests.live.daemon import settle, until

if TYPE_CHECKING:
    from tests.lab.conftest import MakeDaemon
    from tests.lab.wire import Machine, Wire
    from tests.live.daemon import Daemon

pytestmark = [pytest.mark.lab, pytest.mark.live]

CUT = float(os.environ.get("SWARM_LAB_CUT", "14"))  # seconds; links are given up after 12
SOON = 4.0  # seconds until what was written during a cut is on the other side: 1, and the patience of a loaded machine


@pytest.fixture
def two(wire: Wire, make_daemon: MakeDaemon) -> tuple[Machine, Daemon, Daemon]:
    """Anna's machine, and Anna and Bob in step, who were given no address of each other."""
    first, second = wire.machine("198.18.77.1/24"), wire.machine("198.18.77.2/24")
    anna, bob = make_daemon("anna", first), make_daemon("bob", second)
    bare, _, _ = anna.share().partition("+")
    bob.join(bare)
    settle(anna, bob)
    return first, anna, bob


def connected(daemon: Daemon) -> bool:
    return any(peer["connected"] for peer in daemon.report()["peers"])


def arrives(anna: Daemon, bob: Daemon, name: str) -> float:
    """Seconds until both have what both wrote, and say that they are in step."""
    begun = time.monotonic()
    until(lambda: (bob.folder / f"{name}-anna").exists() and (anna.folder / f"{name}-bob").exists(), name, 60)
    until(lambda: all(daemon.report()["state"] == "in-sync" for daemon in (anna, bob)), "in step", 60)
    return time.monotonic() - begun


def write(anna: Daemon, bob: Daemon, name: str) -> None:
    for daemon in (anna, bob):
        (daemon.folder / f"{name}-{daemon.name}").write_text(name)


def test_a_bare_key_finds_the_other_machine(two: tuple[Machine, Daemon, Daemon]) -> None:
    _, anna, bob = two
    write(anna, bob, "hello")
    assert arrives(anna, bob, "hello") < SOON


@pytest.mark.parametrize("seconds", [4.0, CUT])
def test_a_cut_that_ends_is_forgotten_at_once(two: tuple[Machine, Daemon, Daemon], seconds: float) -> None:
    machine, anna, bob = two
    machine.unplug()
    write(anna, bob, "apart")
    time.sleep(seconds)  # the cut itself, which is what is tested
    assert not (bob.folder / "apart-anna").exists()
    assert connected(anna) == connected(bob) == (seconds < 12)
    machine.plug()
    took = arrives(anna, bob, "apart")
    print(f"in step {took:.3f} s after a cut of {seconds:.0f} s")
    assert took < SOON


def test_a_machine_with_a_new_address_is_followed(two: tuple[Machine, Daemon, Daemon]) -> None:
    machine, anna, bob = two
    machine.move("198.18.77.1/24", "198.18.77.77/24")
    write(anna, bob, "moved")
    assert arrives(anna, bob, "moved") < SOON
    until(lambda: "198.18.77.77" in bob.report()["peers"][0]["address"], "bob knows where anna is")
