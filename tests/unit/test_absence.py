"""Noticing that we were away."""

from __future__ import annotations

from swarm.node.absence import Absence


def test_turns_in_time_are_no_absence() -> None:
    absence = Absence(100.0, 5000.0)
    assert absence.turn(100.5, 5000.5, 0.5) == 0.0
    assert absence.turn(102.5, 5002.5, 0.5) == 0.0  # a busy machine


def test_a_sleep_shows_in_the_wall_clock() -> None:
    absence = Absence(100.0, 5000.0)
    assert absence.turn(100.5, 8600.5, 0.5) == 3600.0
    assert absence.turn(101.0, 8601.0, 0.5) == 0.0


def test_a_stop_shows_in_the_turn_that_comes_late() -> None:
    absence = Absence(100.0, 5000.0)
    assert absence.turn(125.5, 5025.5, 0.5) == 25.0


def test_a_clock_that_is_set_back_looks_like_sleep() -> None:
    absence = Absence(100.0, 5000.0)
    assert absence.turn(100.5, 4000.5, 0.5) == 1000.0
