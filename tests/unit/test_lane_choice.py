"""What carries bulk, and when TCP is tried."""

from __future__ import annotations

import math

from swarm.node.lane_choice import FIRST_PAUSE, LAST_PAUSE, STABLE, TRY_SECONDS, LaneChoice, Way


def test_tcp_is_tried_at_once_and_quic_carries_meanwhile() -> None:
    choice = LaneChoice(10.0)
    assert choice.look_at() == 10.0
    assert choice.turn(10.0) is Way.DIAL
    assert choice.turn(10.0) is None
    assert choice.carrier == "quic"


def test_a_lane_that_is_up_is_preferred_and_nothing_more_is_tried() -> None:
    choice = LaneChoice(0.0)
    choice.turn(0.0)
    choice.opened("lane", 0.1)
    assert choice.carrier == "tcp"
    assert choice.look_at() == math.inf
    assert choice.turn(1e9) is None


def test_whoever_cannot_be_dialled_is_invited() -> None:
    choice = LaneChoice(0.0)
    choice.turn(0.0)
    choice.failed(1.0)
    assert choice.turn(1.0) is Way.INVITE
    choice.opened("lane", 2.0)
    choice.lost("lane", 3.0)
    assert choice.turn(3.0 + FIRST_PAUSE) is Way.INVITE


def test_a_try_that_nobody_answers_fails_by_itself() -> None:
    choice = LaneChoice(0.0)
    assert choice.turn(0.0) is Way.DIAL
    assert choice.look_at() == TRY_SECONDS
    assert choice.turn(TRY_SECONDS - 1) is None
    assert choice.turn(TRY_SECONDS) is Way.INVITE


def test_tries_become_rarer_and_never_end() -> None:
    choice, now, pauses = LaneChoice(0.0), 0.0, []
    for _ in range(12):
        for way in (Way.DIAL, Way.INVITE):
            assert choice.turn(now) is way
            choice.failed(now)
        pauses.append(choice.look_at() - now)
        assert choice.turn(now) is None
        now = choice.look_at()
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-1] == LAST_PAUSE


def test_the_last_lane_that_is_lost_brings_back_quic_and_a_new_try() -> None:
    choice = LaneChoice(0.0)
    choice.turn(0.0)
    choice.opened("one", 0.0)
    choice.opened("two", 0.0)
    choice.lost("one", STABLE)
    assert choice.carrier == "tcp"
    assert choice.look_at() == math.inf
    choice.lost("two", STABLE)
    assert choice.carrier == "quic"
    assert choice.look_at() == STABLE + FIRST_PAUSE


def test_lanes_that_are_lost_again_and_again_are_tried_less_often() -> None:
    choice, now, pauses = LaneChoice(0.0), 0.0, []
    for _ in range(3):
        choice.turn(now)
        choice.opened("lane", now)
        choice.lost("lane", now + 1)
        pauses.append(choice.look_at() - now - 1)
        now = choice.look_at()
    assert pauses == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    choice.turn(now)
    choice.opened("lane", now)
    choice.lost("lane", now + STABLE)
    assert choice.look_at() == now + STABLE + FIRST_PAUSE


def test_what_comes_after_a_try_was_given_up_changes_nothing() -> None:
    choice = LaneChoice(0.0)
    choice.turn(0.0)
    choice.opened("lane", 1.0)
    choice.failed(1.0)
    choice.lost("another", 1.0)
    assert choice.carrier == "tcp"
    assert choice.look_at() == math.inf


def test_another_route_is_a_new_chance_at_once() -> None:
    choice = LaneChoice(0.0)
    for moment in (0.0, 1.0):
        choice.turn(moment)
        choice.failed(moment + 0.5)
    assert choice.look_at() > 1.5
    choice.begin_anew(2.0)
    assert choice.turn(2.0) is Way.DIAL
    choice.begin_anew(2.5)
    assert choice.turn(2.5) is None, "one is under way"
    choice.opened("lane", 3.0)
    choice.begin_anew(3.5)
    assert choice.look_at() == math.inf
