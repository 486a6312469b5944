"""How often a file may become a version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.sync import pace
from swarm.sync.pace import CALM, COST, FREE, RATE, Pace

if TYPE_CHECKING:
    import pytest


def busy(versions: int, path: str = "log") -> Pace:
    it = Pace()
    for number in range(versions):
        it.told(path, number * 1.0)
    return it


def test_the_first_versions_cost_no_waiting() -> None:
    assert busy(FREE - 1).free_at("log", 10**9) == 0.0
    assert Pace().free_at("never seen", 10**9) == 0.0


def test_then_each_waits_as_long_as_it_takes_to_send_it_at_the_rate() -> None:
    it = busy(FREE)
    last = FREE - 1.0
    assert it.free_at("log", 10 * RATE) == last + 10
    assert it.free_at("log", 10**9) == last + COST / RATE
    assert it.free_at("log", 0) == last
    assert it.free_at("another", 10**9) == 0.0


def test_after_a_calm_a_file_is_as_good_as_new() -> None:
    it = busy(FREE)
    it.told("log", FREE - 1 + CALM)
    assert it.free_at("log", 10**9) == 0.0


def test_what_is_counted_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "MAX_PACED", 3)
    it = busy(FREE)
    for number in range(3):
        it.told(f"{number}", 100.0 + number)
    assert it.free_at("log", 10**9) == 0.0, "the one that was quiet for longest is forgotten"
    assert len(it._rows) == 3
