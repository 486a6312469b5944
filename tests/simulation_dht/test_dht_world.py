"""A small world of DHT nodes, honest and not. `scripts/simulate dht` has the large ones."""

from __future__ import annotations

from statistics import fmean, median

from tests.simulation_dht.report import lines, success
from tests.simulation_dht.virtual_time import run
from tests.simulation_dht.world import Plan, Tally, measure

SMALL = {"nodes": 60, "folders": 3, "devices": 4, "lookups": 20}


def play(**options: float) -> Tally:
    plan = Plan(**{**SMALL, **options})  # type: ignore[arg-type]
    tally: Tally = run(measure(plan))
    print("\n".join(lines(plan, tally)))
    assert tally.in_tables == 0, "a client behind a NAT is in somebody's table"
    assert tally.answered_too_much == 0
    return tally


def test_everybody_is_found_and_soon() -> None:
    tally = play()
    assert fmean(tally.found) == 1.0
    assert median(tally.first) < 0.3
    assert max(tally.whole) < 3.0


def test_dead_nodes_and_lost_packets_cost_no_five_seconds() -> None:
    tally = play(churn=0.3, loss=0.05)
    assert success(tally) == 1.0
    assert fmean(tally.found) > 0.9
    assert median(tally.first) < 0.4
    assert max(tally.first) < 2.0


def test_a_fifth_of_liars_hides_nobody() -> None:
    tally = play(hostile=0.2, churn=0.1)
    assert success(tally) == 1.0
    assert fmean(tally.found) > 0.9
    assert tally.refuted > 0  # they did lie


def test_a_world_is_the_same_for_the_same_seed() -> None:
    one, other = play(nodes=30, lookups=5), play(nodes=30, lookups=5)
    assert (one.first, one.bytes, one.hops) == (other.first, other.bytes, other.hops)


def test_liars_who_chose_their_networks_near_a_topic_are_noticed_and_gone_around() -> None:
    """Twenty-five, each the nearest of 64 networks: everybody honest is farther from the topic than all of them."""
    tally = play(nodes=70, folders=1, aimed=25, tries=64, lookups=15)
    assert success(tally) >= 0.9
