"""A key without hints, no local network, no address of anybody: the relay's DHT node is all that the two have."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import pytest

from tests.lab.meeting import peer_of
from tests.lab.nat import Kind
from tests.lab.relay import PORT, Relay
from tests.lab.size import some
from tests.live.daemon import Daemon, settle, until
from tests.live.tree import write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.internet import Internet

pytestmark = [pytest.mark.lab, pytest.mark.live]

SOON = 5.0  # seconds
# A host behind a router sees nothing of the router's new address: silence tells, 12 s of it where the link has nothing
# else to go by (`swarm.net.limits`); mostly it takes one second.
MOVED_SOON = 20.0


@pytest.mark.parametrize(
    ("one", "other"),
    some([(Kind.NONE, Kind.NONE), (Kind.CONE, Kind.CONE)], [(Kind.CONE, Kind.CONE)]),
    ids=lambda kind: kind.value,
)
def test_two_devices_find_each_other_through_the_relays_dht_alone(
    internet: Internet, tmp_path: Path, one: Kind, other: Kind
) -> None:
    relay = Relay(tmp_path, "203.0.113.1", internet.public(1, 2).inside)
    relay.options.remove("--no-dht")
    sites = internet.site(one), internet.site(other)
    anna, bob = (
        Daemon(tmp_path, name, listen="0.0.0.0", inside=site.host.inside)
        for name, site in zip(("anna", "bob"), sites, strict=True)
    )
    try:
        relay.start()
        for daemon in (anna, bob):
            daemon.dht = True
            daemon.options += ["--bootstrap", f"203.0.113.1:{PORT}"]
            if one is not Kind.NONE:
                daemon.options += ["--relay", relay.line]
            daemon.start()
        bare, _, _ = anna.share().partition("+")
        time.sleep(1.0)  # Anna's record is put while nobody waits for it
        begun = time.monotonic()
        bob.join(bare)
        until(lambda: peer_of(bob), "connected", 30)
        first = time.monotonic() - begun
        settle(anna, bob)
        for number, site in enumerate(sites, 1):
            site.move(f"203.0.113.{number}7")
        begun = time.monotonic()
        write(anna.folder / "moved", "both")
        until(lambda: (bob.folder / "moved").exists(), "in step from new addresses", 60)
        again = time.monotonic() - begun
        print(f"{one.value} - {other.value}: found in {first:.2f} s, and in {again:.2f} s after both have moved")
        settle(anna, bob)
        assert first < SOON
        assert again < MOVED_SOON
    finally:
        for daemon in (anna, bob):
            with contextlib.suppress(AssertionError):
                daemon.kill()
        relay.kill()
