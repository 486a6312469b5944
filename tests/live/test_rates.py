"""Limits on content hold between real daemons, sending and fetching."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from swarm.net.rate import BURST
from tests.live.daemon import settle, until
from tests.live.tree import content, write

if TYPE_CHECKING:
    from tests.live.conftest import MakeDaemon

pytestmark = pytest.mark.live

RATE, SIZE = 500_000, 1_000_000
TAKES = SIZE / RATE - BURST


@pytest.mark.parametrize("limited", ["up", "down"])
def test_content_goes_no_faster_than_it_may(make_daemon: MakeDaemon, limited: str) -> None:
    anna, bob = make_daemon("anna"), make_daemon("bob")
    (anna if limited == "up" else bob).options += [f"--{limited}", "500K"]
    anna.start()
    bob.start()
    bob.join(anna.share())
    settle(anna, bob)
    begun = time.monotonic()
    write(anna.folder / "large", content(1, SIZE))
    settle(anna, bob)
    took = time.monotonic() - begun
    print(f"{limited}: {took:.2f} s, {TAKES:.2f} s at least")
    assert took > TAKES
    assert took < TAKES + 6


def test_a_pause_in_the_middle_of_a_slow_transfer_costs_nobody_the_session(make_daemon: MakeDaemon) -> None:
    anna, bob = make_daemon("anna"), make_daemon("bob")
    anna.options += ["--up", "500K"]
    anna.start()
    bob.start()
    bob.join(anna.share())
    settle(anna, bob)
    write(anna.folder / "large", content(1, 3 * SIZE))
    until(lambda: bob.fetched() > SIZE / 2, "under way")
    bob.run("pause", str(bob.folder))
    bob.run("resume", str(bob.folder))
    settle(anna, bob)
    for daemon in (anna, bob):
        log = daemon.log.read_text()
        assert log.count(") is connected, ") == 1, log
