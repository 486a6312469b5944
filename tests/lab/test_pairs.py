"""Real daemons and a real relay: who is behind which NAT meets whom, and by which route.

A handful of pairs every day; `scripts/lab nat` tries all of them, and prints a table.
"""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import pytest

from tests.lab.meeting import DIRECT, PUNCHED_WITHIN, at, meet, pair, sync
from tests.lab.nat import Kind, can_punch
from tests.lab.size import some, whole

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.internet import Internet

pytestmark = [pytest.mark.lab, pytest.mark.live]

EVERY_DAY = [
    (Kind.NONE, Kind.SYMMETRIC),
    (Kind.CONE, Kind.CONE),
    (Kind.CONE, Kind.RANDOM),
    (Kind.BLOCKED, Kind.CONE),
]
PAIRS = some(combinations_with_replacement(Kind, 2), EVERY_DAY)


@pytest.mark.parametrize(("one", "other"), PAIRS, ids=lambda kind: kind.value)
def test_two_devices_meet_by_the_best_route_there_is(
    internet: Internet, tmp_path: Path, one: Kind, other: Kind
) -> None:
    with pair(internet, tmp_path, one, other) as two:
        met = meet(two)
        print(f"{one.value} - {other.value}: {met}")
        sync(two)
        if can_punch(one, other):
            assert met.route in DIRECT
            assert met.best < PUNCHED_WITHIN
        else:
            assert met.route == "relayed"


@whole
def test_two_devices_whose_networks_have_the_same_addresses_punch(internet: Internet, tmp_path: Path) -> None:
    """Both are 192.168.1.12 to themselves: what one tells of its own network leads the other to itself."""
    sites = internet.site(Kind.CONE, "192.168.1.1"), internet.site(Kind.CONE, "192.168.1.1")
    with at(internet, tmp_path, sites) as two:
        met = meet(two)
        print(f"both at 192.168.1.12: {met}")
        sync(two)
        assert met.route in DIRECT
        assert met.best < PUNCHED_WITHIN


@pytest.mark.parametrize("kind", some([Kind.CONE, Kind.RANDOM, Kind.BLOCKED], [Kind.RANDOM]))
def test_two_devices_behind_one_router_meet_at_home(internet: Internet, tmp_path: Path, kind: Kind) -> None:
    """Without the local network's help: its own address is one of those that each tells."""
    home = internet.site(kind)
    with at(internet, tmp_path, (home, internet.neighbour(home))) as two:
        met = meet(two, direct=True)
        print(f"both behind one {kind.value}: {met}")
        sync(two)
        assert met.route in DIRECT
        assert two.peer["address"].startswith("10.0.1.")
