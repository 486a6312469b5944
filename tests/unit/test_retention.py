"""What history lets go: by age, by number, by size."""

from __future__ import annotations

import random

import pytest

from swarm.disk.retention import BURST_MS, DAY_MS, HOUR_MS, KEPT_MS, LARGEST_RESERVE, NEWEST, to_drop
from swarm.disk.versions import Version
from swarm.ids import Kind
from swarm.sync.files import Stat

NOW = 1_800_000_000_000
DISK = 10**12  # bytes: room for everything, unless a test says otherwise
MINUTE_MS = 60_000


def version(path: str, when_ms: int, size: int = 10, name: str = "aaaaaa") -> Version:
    return Version(path, f".swarm/history/{path}~{when_ms}~{name}", when_ms, name, Stat(Kind.FILE, size, 0, 0, 0, 1, 1))


def dropped(versions: list[Version], now_ms: int = NOW, total: int = DISK, free: int = DISK // 2) -> set[Version]:
    return set(to_drop(versions, now_ms, total, free))


def test_a_single_version_stays_for_a_month() -> None:
    one = version("a", NOW - KEPT_MS + 1)
    assert dropped([one]) == set()
    assert dropped([one], NOW + 1) == {one}


def test_the_newest_stay_then_one_in_five_minutes_then_one_an_hour_then_one_a_day() -> None:
    log = [version("log", NOW - minute * MINUTE_MS, name=f"{minute:06x}") for minute in range(1, 40 * 24 * 60)]
    kept = set(log) - dropped(log)
    ages = sorted(NOW - one.when_ms for one in kept)
    assert ages[:NEWEST] == [minute * MINUTE_MS for minute in range(1, NEWEST + 1)]
    assert 8 <= len([age for age in ages[NEWEST:] if age < HOUR_MS]) <= 9
    assert 23 <= len([age for age in ages if HOUR_MS <= age < DAY_MS]) <= 24
    assert 29 <= len([age for age in ages if age >= DAY_MS]) <= 30
    assert ages[-1] < KEPT_MS


def test_what_was_there_before_something_went_wild_stays_for_an_hour() -> None:
    begin = (NOW // BURST_MS - 5) * BURST_MS
    wild = [version("thesis", begin + number, name=f"{number:06x}") for number in range(1000)]
    kept = sorted(set(wild) - dropped(wild), key=lambda one: one.when_ms)
    assert kept == [wild[0], *wild[-NEWEST:]]
    others = [version(f"{number}", begin) for number in range(100)]
    assert dropped([*wild, *others]) == set(wild) - set(kept)


def test_the_last_version_of_an_hour_and_of_a_day_is_the_one_that_stays() -> None:
    hour = (NOW // HOUR_MS - 5) * HOUR_MS
    early, late = version("a", hour + 1), version("a", hour + HOUR_MS - 1)
    assert dropped([early, late]) == {early}
    day = (NOW // DAY_MS - 5) * DAY_MS
    early, late = version("a", day + 1), version("a", day + DAY_MS - 1)
    assert dropped([late, early]) == {early}


def test_paths_are_thinned_out_each_for_itself() -> None:
    hour = (NOW // HOUR_MS - 5) * HOUR_MS
    assert dropped([version("a", hour + 1), version("b", hour + 2)]) == set()


@pytest.mark.parametrize("seed", range(5))
def test_what_stays_does_not_depend_on_how_often_it_is_tidied(seed: int) -> None:
    """Tidying every so often keeps of each day what tidying once at the end would, as long as days last."""
    rng = random.Random(seed)
    versions = [version("a", NOW - rng.randrange(20 * DAY_MS), name=f"{number:06x}") for number in range(300)]
    often = set(versions)
    for days in range(20, -1, -1):
        moment = NOW - days * DAY_MS
        often -= dropped([one for one in often if one.when_ms <= moment], moment)
    assert often == set(versions) - dropped(versions)


def test_the_oldest_go_when_history_takes_more_than_a_tenth_of_the_disk() -> None:
    versions = [version(f"{number}", NOW - DAY_MS - number, size=100) for number in range(5)]
    assert dropped(versions, total=5000, free=4000) == set()
    assert dropped(versions, total=3000, free=2000) == set(versions[3:])


def test_the_oldest_go_when_the_disk_is_nearly_full() -> None:
    versions = [version(f"{number}", NOW - DAY_MS - number, size=100) for number in range(5)]
    assert dropped(versions, total=10_000, free=200) == set()
    assert dropped(versions, total=10_000, free=150) == {versions[4]}
    large = 100 * LARGEST_RESERVE
    assert dropped(versions, total=large, free=LARGEST_RESERVE) == set()
    assert dropped(versions, total=large, free=LARGEST_RESERVE - 1) == {versions[4]}


def test_what_is_thinned_out_counts_as_freed() -> None:
    hour = (NOW // HOUR_MS - 5) * HOUR_MS
    old = version("old", NOW - 2 * DAY_MS, size=100)
    thinned, kept = version("a", hour + 1, size=100), version("a", hour + 2, size=100)
    assert dropped([old, thinned, kept], total=10_000, free=100) == {thinned}


def test_the_last_hour_stays_however_full_the_disk_is() -> None:
    fresh = [version("a", NOW - number, size=10**9, name=f"{number:06x}") for number in range(10)]
    assert dropped(fresh, total=10**9, free=0) == set()


def test_a_version_from_the_future_stays_and_goes_when_there_is_no_room() -> None:
    future = version("a", NOW + 300 * DAY_MS, size=100)
    assert dropped([future]) == set()
    assert dropped([future], total=100, free=0) == {future}


def test_empty_files_do_not_go_for_the_sake_of_room() -> None:
    assert dropped([version("a", NOW - DAY_MS, size=0)], total=100, free=0) == set()
