"""The store of provider records: bounded, and a flood evicts only itself."""

from __future__ import annotations

from swarm.discovery.dht.allowance import MAX_NETWORKS, Allowance
from swarm.discovery.dht.provider import DAY, LIFETIME, Record, topic_of
from swarm.discovery.dht.store import MAX_OF_NETWORK, MAX_SLOTS, Outcome, ProviderStore

NOW = 20_000.0 * DAY
HONEST, FLOOD = b"h", b"f"


def record(key: bytes, slot: int, issued: float = NOW) -> Record:
    return Record(topic_of(key), slot.to_bytes(8, "big"), int(issued), key + slot.to_bytes(8, "big"))


def test_a_later_record_of_a_slot_replaces_the_older_and_not_the_other_way_round() -> None:
    store = ProviderStore()
    assert store.put(b"k", record(b"k", 1, NOW), HONEST, NOW) is Outcome.STORED
    later = Record(topic_of(b"k"), (1).to_bytes(8, "big"), int(NOW) + 5, b"later")
    assert store.put(b"k", later, HONEST, NOW) is Outcome.STORED
    assert store.put(b"k", record(b"k", 1, NOW), HONEST, NOW) is Outcome.OLDER
    page = store.page(topic_of(b"k"), b"", 9, NOW)
    assert page is not None
    assert page.records == (b"later",)
    assert len(store) == 1


def test_records_come_in_pages() -> None:
    store = ProviderStore()
    for slot in range(10):
        store.put(b"k", record(b"k", slot), HONEST, NOW)
    seen: list[bytes] = []
    after, more = b"", True
    while more:
        page = store.page(topic_of(b"k"), after, 3, NOW)
        assert page is not None
        seen += page.records
        after, more = page.records[-1][-8:], page.more
    assert seen == [record(b"k", slot).raw for slot in range(10)]


def test_what_has_expired_is_not_told_and_is_let_go() -> None:
    store = ProviderStore()
    store.put(b"k", record(b"k", 1), HONEST, NOW)
    page = store.page(topic_of(b"k"), b"", 9, NOW + LIFETIME)
    assert page is not None
    assert page.records == ()
    store.sweep(NOW + LIFETIME + 61)
    assert len(store) == 0
    assert store.page(topic_of(b"k"), b"", 9, NOW) is None
    assert not store._brought


def test_a_topic_has_a_limit() -> None:
    store = ProviderStore()
    for slot in range(MAX_SLOTS):
        assert store.put(b"k", record(b"k", slot), HONEST, NOW) is Outcome.STORED
    assert store.put(b"k", record(b"k", MAX_SLOTS), HONEST, NOW) is Outcome.FULL
    assert store.put(b"k", record(b"k", 0, NOW + 1), HONEST, NOW) is Outcome.STORED  # who is in can renew


def test_a_network_has_a_limit() -> None:
    store = ProviderStore()
    for number in range(MAX_OF_NETWORK):
        key = number.to_bytes(4, "big")
        assert store.put(key, record(key, 1), FLOOD, NOW) is Outcome.STORED
    assert store.put(b"k", record(b"k", 1), FLOOD, NOW) is Outcome.FULL
    assert store.put(b"k", record(b"k", 1), HONEST, NOW) is Outcome.STORED


def test_a_flood_evicts_only_itself() -> None:
    store = ProviderStore(max_records=100)
    for number in range(10):
        store.put(b"k", record(b"k", number), HONEST, NOW)
    for number in range(500):
        key = number.to_bytes(4, "big")
        store.put(key, record(key, 1, NOW + 100), FLOOD, NOW)
    assert len(store) == 100
    page = store.page(topic_of(b"k"), b"", 99, NOW)
    assert page is not None
    assert len(page.records) == 10
    newcomer = record(b"n", 1)
    assert store.put(b"n", newcomer, b"somebody else", NOW) is Outcome.STORED  # in place of one of the flood
    assert len(store) == 100


def test_where_everybody_has_the_same_a_newcomer_takes_nobodys_place() -> None:
    store = ProviderStore(max_records=20)
    for number in range(20):
        assert store.put(b"k", record(b"k", number), number.to_bytes(2, "big"), NOW) is Outcome.STORED
    assert store.put(b"n", record(b"n", 1), b"newcomer", NOW) is Outcome.FULL


def test_bringing_somebody_elses_record_again_does_not_make_it_part_of_a_flood() -> None:
    store = ProviderStore(max_records=20)
    mine = record(b"k", 1)
    for number in range(5):
        key = number.to_bytes(4, "big")
        store.put(key, record(key, 1, NOW + 100), FLOOD, NOW)
    store.put(b"k", mine, FLOOD, NOW)  # seen on its way, and brought first
    store.put(b"k", mine, HONEST, NOW)  # by its owner
    store.put(b"k", mine, FLOOD, NOW)  # once more
    for number in range(5, 100):
        key = number.to_bytes(4, "big")
        store.put(key, record(key, 1, NOW + 100), FLOOD, NOW)
        if number == 30:
            for other in range(8):
                store.put(b"o", record(b"o", other), b"o", NOW)
    page = store.page(mine.topic, b"", 9, NOW)
    assert page is not None
    assert page.records == (mine.raw,)


def test_of_what_is_allowed_a_loud_network_takes_only_its_share() -> None:
    allowance = Allowance(rate=1, burst=3, total_rate=10, total_burst=5)
    assert [allowance.take(b"loud", 0.0) for _ in range(4)] == [True, True, True, False]
    assert allowance.take(b"quiet", 0.0)
    assert allowance.take(b"loud", 1.0)


def test_together_networks_have_a_limit_and_are_not_remembered_for_ever() -> None:
    allowance = Allowance(rate=1, burst=3, total_rate=10, total_burst=5)
    assert sum(allowance.take(number.to_bytes(4, "big"), 0.0) for number in range(2 * MAX_NETWORKS)) == 5
    assert len(allowance) == MAX_NETWORKS
    assert sum(allowance.take(number.to_bytes(4, "big"), 0.5) for number in range(100)) == 5
