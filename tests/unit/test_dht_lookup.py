"""The lookup, without a network: told what happened, asked what to do."""

from __future__ import annotations

from random import Random

from swarm.discovery.dht.contact import Contact, distance, make_id
from swarm.discovery.dht.lookup import ALPHA, MAX_ASKED, MAX_KNOWN, MAX_OF_NETWORK, MAX_TOLD, SLOWEST, Lookup

TARGET, OWN = bytes(20), b"\xff" * 20


def nodes(count: int, seed: int = 0) -> list[Contact]:
    """Each in a network of its own, as their ids demand."""
    rng = Random(seed)
    hosts = [f"{rng.randrange(20, 90)}.{rng.randrange(256)}.{rng.randrange(256)}.1" for _ in range(count)]
    return [Contact(make_id(host, rng.randbytes(20)), host, 47474) for host in dict.fromkeys(hosts)]


def by_distance(contacts: list[Contact]) -> list[Contact]:
    return sorted(contacts, key=lambda contact: distance(contact.id, TARGET))


def play(lookup: Lookup, everybody: list[Contact], dead: set[Contact], trip: float = 0.05) -> float:
    """Each node knows everybody, and tells of the closest. How long it took."""
    now = 0.0
    under_way: list[tuple[float, Contact]] = []
    while True:
        under_way += [(now + (1.5 if c in dead else trip), c) for c in lookup.due(now)]
        if lookup.is_finished(now) or not under_way:
            return now
        wake = lookup.wake_at(now)
        due = min(moment for moment, _ in under_way)
        now = due if wake is None else min(due, wake + 1e-9)
        for moment, contact in [entry for entry in under_way if entry[0] <= now]:
            under_way.remove((moment, contact))
            if contact in dead:
                lookup.failed(contact)
            else:
                lookup.answered(contact, by_distance(everybody)[:20], now)


def test_the_closest_are_found() -> None:
    everybody = nodes(300)
    lookup = Lookup(TARGET, OWN, everybody[:3], k=16)
    took = play(lookup, everybody, set())
    found = lookup.closest(10, took)
    assert found == by_distance(everybody)[:10]
    assert lookup.asked < 40


def test_few_are_asked_at_a_time() -> None:
    lookup = Lookup(TARGET, OWN, nodes(50))
    assert len(lookup.due(0.0)) == ALPHA
    assert lookup.due(0.01) == []


def test_dead_nodes_cost_a_fraction_of_their_timeout() -> None:
    everybody = nodes(100)
    closest = by_distance(everybody)
    took = play(lookup := Lookup(TARGET, OWN, everybody, k=16), everybody, set(closest[::3]))
    assert took < 1.5
    assert not set(lookup.closest(16, took)) & set(closest[::3])


def test_one_that_is_slow_is_still_heard() -> None:
    everybody = nodes(20)
    lookup = Lookup(TARGET, OWN, everybody[:1])
    (first,) = lookup.due(0.0)
    assert lookup.due(SLOWEST) == []
    assert not lookup.is_finished(SLOWEST)  # nobody else is known, so it is waited for
    lookup.answered(first, everybody, 1.0)
    assert len(lookup.due(1.0)) == ALPHA


def test_with_nobody_to_ask_it_is_over_at_once() -> None:
    lookup = Lookup(TARGET, OWN, [])
    assert lookup.due(0.0) == []
    assert lookup.is_finished(0.0)


def test_a_lookup_has_an_end_whatever_it_is_told() -> None:
    """Each node tells of twelve that are closer still, for ever."""
    lookup = Lookup(TARGET, OWN, nodes(5))
    now, number, asked = 0.0, 0, 0
    while due := lookup.due(now):
        asked += len(due)
        for contact in due:
            number += 1
            lies = [
                Contact(bytes(6) + (2**60 - 100 * number - one).to_bytes(14, "big"), f"20.{number % 256}.{one}.1", 1)
                for one in range(MAX_TOLD)
            ]
            lookup.answered(contact, lies, now)
        now += 0.01
    assert asked == MAX_ASKED
    assert len(lookup._known) <= MAX_KNOWN


def test_of_one_network_few_are_asked() -> None:
    crowd = [Contact(number.to_bytes(20, "big"), f"20.1.1.{number}", 1) for number in range(1, 40)]
    everybody = nodes(30)
    play(lookup := Lookup(TARGET, OWN, [*crowd, *everybody]), everybody, set())
    assert sum(c.asked_at is not None for c in lookup._known.values() if c.contact in crowd) == MAX_OF_NETWORK


def test_one_node_does_not_fill_the_list() -> None:
    lookup = Lookup(TARGET, OWN, nodes(1))
    (first,) = lookup.due(0.0)
    lookup.answered(first, nodes(200, seed=1), 0.1)
    assert len(lookup._known) == 1 + MAX_TOLD


def test_a_node_told_of_under_a_wrong_id_counts_by_its_own() -> None:
    """Or a liar who names it first would hide it."""
    liar, honest = nodes(2)
    lookup = Lookup(TARGET, OWN, [liar])
    lookup.due(0.0)
    lookup.answered(liar, [Contact(honest.id[:4] + bytes(16), *honest.address), honest], 0.1)
    (asked,) = lookup.due(0.1)
    assert asked.address == honest.address
    lookup.answered(asked, [], 0.2, honest.id)
    assert honest in lookup.closest(2, 0.2)
    assert asked not in lookup.closest(2, 0.2)


def test_we_are_not_sent_to_ourselves_nor_twice_to_anybody() -> None:
    one, other = nodes(2)
    lookup = Lookup(TARGET, OWN, [one])
    lookup.due(0.0)
    lookup.answered(one, [Contact(OWN, "20.1.2.3", 1), other, other, Contact(OWN[1:] + b"x", *other.address), one], 0.1)
    assert lookup.due(0.1) == [other]
    assert lookup.due(0.1) == []
