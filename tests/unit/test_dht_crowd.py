"""When a topic's neighbourhood is crowded, and where to look then."""

from __future__ import annotations

from random import Random

from swarm.discovery.dht.contact import Contact, distance
from swarm.discovery.dht.crowd import ENOUGH, POINTS, SAMPLE, Crowd

SIZE = 1_000


def closest(target: bytes, rng: Random, extra: list[Contact] | None = None) -> list[Contact]:
    nodes = [Contact(rng.randbytes(20), f"20.{number >> 8}.{number & 255}.1", 1) for number in range(SIZE)]
    return sorted([*nodes, *(extra or [])], key=lambda node: distance(node.id, target))[:20]


def learned(rng: Random, times: int = ENOUGH) -> Crowd:
    crowd = Crowd()
    for _ in range(times):
        target = rng.randbytes(20)
        crowd.learn(target, closest(target, rng))
    return crowd


def test_it_is_seldom_crowded_by_chance() -> None:
    rng = Random(1)
    crowd = learned(rng, 8)
    targets = [rng.randbytes(20) for _ in range(40)]
    assert sum(crowd.is_crowded(target, closest(target, rng)) for target in targets) == 0
    expected = 2**160 * SAMPLE / SIZE
    assert expected / 2 < crowd.region < expected * 2


def test_those_who_have_come_close_on_purpose_are_noticed() -> None:
    rng = Random(2)
    crowd, target = learned(rng), rng.randbytes(20)
    liars = [Contact(target[:2] + rng.randbytes(18), f"30.1.{number}.1", 1) for number in range(SAMPLE)]
    assert crowd.is_crowded(target, closest(target, rng, liars))


def test_without_enough_to_compare_with_nothing_is_crowded() -> None:
    rng = Random(3)
    crowd, target = learned(rng, ENOUGH - 1), rng.randbytes(20)
    liars = [Contact(target[:2] + rng.randbytes(18), f"30.1.{number}.1", 1) for number in range(SAMPLE)]
    assert crowd.region == 0
    assert not crowd.is_crowded(target, liars)


def test_a_small_network_is_not_crowded() -> None:
    rng = Random(4)
    crowd, target = learned(rng), rng.randbytes(20)
    assert not crowd.is_crowded(target, closest(target, rng)[: SAMPLE - 1])


def test_points_to_look_at_are_in_the_region_and_not_close_to_the_target() -> None:
    rng = Random(5)
    crowd, target = learned(rng), rng.randbytes(20)
    points = crowd.points(target, rng.randbytes)
    assert len(set(points)) == POINTS
    assert all(crowd.region // 4 <= distance(point, target) <= crowd.region for point in points)
    near, far = Contact(points[0], "20.1.1.1", 1), Contact(bytes(b ^ 255 for b in target), "20.1.1.2", 1)
    assert crowd.within(target, [near, far]) == [near]
