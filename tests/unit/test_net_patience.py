"""How long a peer may take, in pure time."""

from __future__ import annotations

import math

from swarm.net.limits import Limits
from swarm.net.patience import Judgement, Patience

LIMITS = Limits(stranger_seconds=5.0, quiet_seconds=5.0, lost_seconds=7.0)


def trusted(now: float = 100.0) -> Patience:
    patience = Patience(LIMITS, now, dialled=True)
    patience.established(now)
    patience.trusted()
    return patience


def test_a_handshake_has_five_seconds_and_trust_five_more() -> None:
    patience = Patience(LIMITS, 100.0, dialled=False)
    assert patience.look_at(0.0) == 105.0
    assert patience.judge(0.0, 104.9) is Judgement.WAIT
    assert patience.judge(0.0, 105.0) is Judgement.NO_HANDSHAKE
    patience.established(104.0)
    assert patience.judge(108.9, 108.9) is Judgement.WAIT
    assert patience.judge(108.9, 109.0) is Judgement.NO_TRUST


def test_whoever_dials_minds_the_handshake_itself() -> None:
    patience = Patience(LIMITS, 100.0, dialled=True)
    assert patience.look_at(0.0) == math.inf
    assert patience.judge(0.0, 1e9) is Judgement.WAIT


def test_silence_is_answered_with_one_ping_and_then_the_end() -> None:
    patience = trusted()
    assert patience.look_at(102.0) == 107.0
    assert patience.judge(102.0, 106.9) is Judgement.WAIT
    assert patience.judge(102.0, 107.0) is Judgement.PING
    assert patience.look_at(102.0) == 114.0
    assert patience.judge(102.0, 113.9) is Judgement.WAIT
    assert patience.judge(102.0, 114.0) is Judgement.SILENT


def test_an_answer_to_the_ping_begins_the_wait_anew() -> None:
    patience = trusted()
    assert patience.judge(100.0, 105.0) is Judgement.PING
    assert patience.judge(105.1, 105.2) is Judgement.WAIT
    assert patience.judge(105.1, 110.1) is Judgement.PING


def test_our_own_sleep_is_not_held_against_the_peer() -> None:
    patience = trusted()
    assert patience.judge(100.0, 5000.0) is Judgement.PING
    assert patience.judge(100.0, 5006.9) is Judgement.WAIT
    assert patience.judge(5006.9, 5007.0) is Judgement.WAIT


def test_after_a_sleep_the_answer_must_come_soon() -> None:
    patience = trusted()
    assert patience.hasten(200.0)
    assert patience.look_at(100.0) == 200.0 + LIMITS.wake_seconds
    assert patience.judge(100.0, 201.4) is Judgement.WAIT
    assert patience.judge(100.0, 201.5) is Judgement.SILENT


def test_an_answer_after_a_sleep_ends_the_haste() -> None:
    patience = trusted()
    patience.hasten(200.0)
    assert patience.judge(200.1, 201.5) is Judgement.WAIT
    assert patience.judge(200.1, 205.1) is Judgement.PING
    assert patience.judge(200.1, 212.0) is Judgement.WAIT
    assert patience.judge(200.1, 212.1) is Judgement.SILENT


def test_a_handshake_is_not_hastened() -> None:
    assert not Patience(LIMITS, 100.0, dialled=True).hasten(101.0)


def test_who_has_relays_to_be_found_by_gets_longer_after_a_sleep() -> None:
    short, long = trusted(), trusted()
    assert short.hasten(101.0)
    assert long.hasten(101.0, has_doors=True)
    look = 101.0 + LIMITS.wake_seconds
    assert short.judge(100.0, look) is Judgement.SILENT
    assert long.judge(100.0, look) is Judgement.WAIT
    assert long.judge(100.0, 101.0 + LIMITS.lost_seconds) is Judgement.SILENT
