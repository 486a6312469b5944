"""In the middle of a transfer the network changes below two devices. What was being sent arrives, equal.

24 MB every day, and 100 MB in `scripts/lab full tests/lab`. Sent with a limit, so that there is a middle.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from swarm.net.rate import BURST
from tests.lab.meeting import DIRECT, meet, pair
from tests.lab.nat import Kind
from tests.lab.size import WHOLE, whole
from tests.live.daemon import settle, until
from tests.live.tree import big_file

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.internet import Internet
    from tests.lab.meeting import Pair

pytestmark = [pytest.mark.lab, pytest.mark.live]

SIZE = 100_000_000 if WHOLE else 24_000_000
LIMIT = 8_000_000  # bytes a second
RATE = ("--up", str(LIMIT))
FAILOVER = 2.0  # seconds from a dead way to another one
PATIENCE = 60.0  # seconds


def begin(two: Pair, share: float = 0.25) -> float:
    """Anna sends, and so much of it has come. When that began."""
    begun = time.monotonic()
    big_file(two.anna.folder / "large", SIZE)
    until(lambda: two.bob.fetched() > SIZE * share, "the transfer is under way", PATIENCE)
    assert two.bob.fetched() < SIZE * 0.8, "it was over before anything happened to it"
    return begun


def finish(two: Pair) -> None:
    settle(two.anna, two.bob, timeout=PATIENCE + SIZE / 4e6)


def sessions(two: Pair) -> int:
    """How many Bob's daemon has begun."""
    return two.bob.log.read_text().count(") is connected, ")


def test_a_direct_way_that_dies_is_replaced_by_the_relay_and_comes_back(internet: Internet, tmp_path: Path) -> None:
    with pair(internet, tmp_path, Kind.CONE, Kind.CONE, *RATE) as two:
        assert meet(two).route in DIRECT
        begun = begin(two)
        two.sites[0].blackhole(two.sites[1].public)
        began = time.monotonic()
        before = two.bob.fetched()
        until(lambda: two.peer.get("route") == "relayed", "relayed", PATIENCE)
        took = time.monotonic() - began
        until(lambda: two.bob.fetched() > before + SIZE * 0.1, "it goes on over the relay", PATIENCE)
        two.sites[0].heal()
        healed = time.monotonic()
        until(lambda: two.peer.get("route") in DIRECT, "direct again", PATIENCE)
        back = time.monotonic() - healed
        finish(two)
        assert time.monotonic() - begun > SIZE / LIMIT - BURST, "a limit holds over QUIC, on every route"
        print(f"relayed {took:.2f} s after the cut, direct {back:.1f} s after it healed")
        assert took < FAILOVER
        assert sessions(two) == 1


@whole
@pytest.mark.parametrize("other", [Kind.CONE, Kind.RANDOM], ids=lambda kind: kind.value)
def test_an_address_that_changes_is_followed(internet: Internet, tmp_path: Path, other: Kind) -> None:
    with pair(internet, tmp_path, Kind.CONE, other, *RATE) as two:
        meet(two)
        begin(two)
        two.sites[0].move("203.0.113.77")
        began, before = time.monotonic(), two.bob.fetched()
        until(lambda: two.bob.fetched() > before + SIZE * 0.05, "it goes on from the new address", PATIENCE)
        print(f"on from the new address after {time.monotonic() - began:.2f} s")
        finish(two)
        assert sessions(two) == 1


@whole
@pytest.mark.parametrize("one", [Kind.CONE, Kind.BLOCKED], ids=lambda kind: kind.value)
def test_a_relay_that_is_killed_and_starts_again_is_taken_up_again(
    internet: Internet, tmp_path: Path, one: Kind
) -> None:
    with pair(internet, tmp_path, one, Kind.RANDOM, *RATE) as two:
        assert meet(two, stays=0.1).route == "relayed"
        begin(two)
        two.relay.kill()
        line = two.relay.line
        time.sleep(1.0)  # the time without a relay, which is what is tested
        two.relay.start()
        assert two.relay.line == line
        began, before = time.monotonic(), two.bob.fetched()
        until(lambda: two.bob.fetched() > before + SIZE * 0.05, "it goes on over the new relay", PATIENCE)
        print(f"on {time.monotonic() - began:.2f} s after the relay's start")
        finish(two)
        assert sessions(two) == 1


@whole
@pytest.mark.parametrize("other", [Kind.CONE, Kind.RANDOM], ids=lambda kind: kind.value)
def test_both_addresses_change_at_once(internet: Internet, tmp_path: Path, other: Kind) -> None:
    with pair(internet, tmp_path, Kind.CONE, other, *RATE) as two:
        meet(two)
        begin(two)
        for number, site in enumerate(two.sites, 1):
            site.move(f"203.0.113.{number}7")
        began, before = time.monotonic(), two.bob.fetched()
        until(lambda: two.bob.fetched() > before + SIZE * 0.05, "it goes on", PATIENCE)
        print(f"on {time.monotonic() - began:.2f} s after both had moved")
        finish(two)
        assert sessions(two) == 1
