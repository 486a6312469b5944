"""Lives: when a device must sign under another incarnation, and what it takes along."""

from __future__ import annotations

from swarm.ids import Kind, Origin
from swarm.keys.chain import FolderKeys
from swarm.keys.device import DeviceKey, origin_of
from swarm.sync.ledger import Ledger, Value
from swarm.sync.life import LONGEST_PAUSE_MS, PAUSE_MS, Life
from swarm.sync.memory_store import MemoryStore

KEYS = FolderKeys.create(b"o" * 32)
DEVICE = DeviceKey.create(b"d" * 32)
WALL = 1_700_000_000_000


def living(store: MemoryStore, incarnation: int = 7, new: bool = True) -> tuple[Life, Ledger]:
    life = Life(store, KEYS, DEVICE, incarnation)
    introduction = life.introduction(new)
    assert introduction is not None
    return life, Ledger(store, KEYS, DEVICE, "anna", introduction.origin)


def test_a_life_goes_on_over_a_restart() -> None:
    store = MemoryStore()
    _, first = living(store)
    _, second = living(store, incarnation=8, new=False)
    assert first.origin == second.origin == origin_of(DEVICE.id, 7)


def test_a_member_that_knows_more_of_us_than_we_do_ends_a_life_but_not_one_after_the_other() -> None:
    life, ledger = living(MemoryStore())
    assert not life.check(ledger, {}, WALL)
    assert life.check(ledger, {ledger.origin: 3}, WALL)
    new = life.begin(WALL).origin
    assert new != ledger.origin
    ledger.begin_life(new, WALL)
    assert not life.check(ledger, {new: 9}, WALL + PAUSE_MS - 1)
    assert life.check(ledger, {new: 9}, WALL + PAUSE_MS)


def test_who_makes_up_clocks_has_us_live_a_dozen_lives_in_a_day_and_no_more() -> None:
    life, ledger = living(MemoryStore())
    lives, now = 0, WALL
    while now < WALL + 2 * LONGEST_PAUSE_MS:
        if life.check(ledger, {ledger.origin: 1 << 40}, now):
            ledger.begin_life(life.begin(now).origin, now)
            lives += 1
        now += PAUSE_MS // 2
    assert lives < 14


def test_a_clock_that_was_set_back_neither_keeps_a_life_nor_brings_back_an_old_one() -> None:
    life, ledger = living(MemoryStore(), incarnation=WALL << 20)
    lived = {ledger.origin}
    for day in range(1, 5):
        wall = WALL - day * 86_400_000
        assert life.check(ledger, {ledger.origin: 1 << 40}, wall)
        ledger.begin_life(life.begin(wall).origin, wall)
        assert ledger.origin not in lived
        lived.add(ledger.origin)


def test_what_members_have_of_an_earlier_life_says_nothing_of_the_next() -> None:
    """Else its first records would count as known to all, and not be written anew when that life ends in turn."""
    store = MemoryStore()
    _, ledger = living(store)
    store.put("confirmed", (50).to_bytes(8, "big"))
    ledger.begin_life(Origin(b"n" * 16), WALL)
    assert store.get("confirmed") is None
    store.put("confirmed", (50).to_bytes(8, "big"))
    living(store, incarnation=9)
    assert store.get("confirmed") is None


def test_a_member_that_knows_what_was_never_told_knows_another_life_of_ours() -> None:
    life, ledger = living(MemoryStore())
    for path in ("a", "b"):
        ledger.write(path, Value(Kind.DIRECTORY, mode=0o755), None, WALL)
    assert life.check(ledger, {ledger.origin: 1}, WALL)
    life.tell(ledger)
    assert not life.check(ledger, {ledger.origin: 2}, WALL)


def test_a_database_of_before_this_was_noted_has_told_all_that_it_has() -> None:
    store = MemoryStore()
    life, ledger = living(store)
    ledger.write("a", Value(Kind.DIRECTORY, mode=0o755), None, WALL)
    store.put("told", None)
    assert not life.check(ledger, {ledger.origin: 1}, WALL)
