"""Devices that were away: asleep, or without a carrier. In step again within a second of being reachable."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.lab.test_local_network import arrives, connected, two, write
from tests.lab.wire import ip

if TYPE_CHECKING:
    from tests.lab.wire import Machine
    from tests.live.daemon import Daemon

pytestmark = [pytest.mark.lab, pytest.mark.live]

__all__ = ["two"]  # the fixture

SMALL = os.environ.get("SWARM_LAB_SIZE", "small") == "small"
SLEEP = 5.0 if SMALL else 30.0  # seconds; from 3 on it counts as sleep, after 12 the other side has given up
SOON = 2.0  # seconds: 1, and the patience of a loaded machine; 15 of 15 took less than 0.5


def test_a_device_back_from_sleep_is_in_step_at_once(two: tuple[Machine, Daemon, Daemon]) -> None:
    _, anna, bob = two
    os.kill(anna.pid, signal.SIGSTOP)
    write(anna, bob, "asleep")
    time.sleep(SLEEP)  # the sleep itself, which is what is tested
    os.kill(anna.pid, signal.SIGCONT)
    took = arrives(anna, bob, "asleep")
    print(f"in step {took:.3f} s after a sleep of {SLEEP:.0f} s")
    assert took < SOON


@pytest.mark.skipif(SMALL, reason="25 seconds each: at the lab's larger sizes")
@pytest.mark.parametrize("where", ["carrier", "interface"])
def test_a_device_back_on_the_network_is_in_step_at_once(two: tuple[Machine, Daemon, Daemon], where: str) -> None:
    """The other end of the wire is down, as when a switch is off; or the device's own interface is."""
    machine, anna, bob = two
    link = ["link", "set", machine.port] if where == "carrier" else ["-n", machine.namespace, "link", "set", "eth0"]
    ip(*link, "down")
    write(anna, bob, "apart")
    time.sleep(25)  # the cut itself, which is what is tested
    assert not connected(anna)
    assert not connected(bob)
    ip(*link, "up")
    took = arrives(anna, bob, "apart")
    print(f"in step {took:.3f} s after 25 s without the {where}")
    assert took < SOON
