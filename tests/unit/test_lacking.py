"""What members lack: asked again when there is news, or after a while."""

from __future__ import annotations

from dataclasses import replace

from swarm.ids import DeviceId, FolderId
from swarm.sync.lacking import FIRST_PAUSE, LAST_PAUSE, LONGER, Lacking
from swarm.wire.messages import State

ONE, OTHER = DeviceId(bytes(32)), DeviceId(bytes([1]) * 32)
STATE = State(FolderId(bytes(16)), (), bytes(32), bytes(32), 0, 0, True, False)


def test_a_member_that_lacks_something_is_not_asked_for_it() -> None:
    lacking = Lacking()
    lacking.add(ONE, [b"a"], now=0.0)
    assert lacking.lacks(ONE, [b"b", b"a"])
    assert not lacking.lacks(ONE, [b"b"])
    assert not lacking.lacks(OTHER, [b"a"])


def test_a_repeated_state_is_no_news() -> None:
    lacking = Lacking()
    lacking.said(ONE, STATE)
    lacking.add(ONE, [b"a"], now=0.0)
    lacking.said(ONE, replace(STATE, resend=True))
    assert lacking.lacks(ONE, [b"a"])


def test_another_state_is_news() -> None:
    lacking = Lacking()
    lacking.said(ONE, STATE)
    lacking.add(ONE, [b"a"], now=0.0)
    lacking.said(ONE, replace(STATE, need_files=1))
    assert not lacking.lacks(ONE, [b"a"])
    assert lacking.next_due() is None


def test_without_news_the_pauses_grow_to_an_hour() -> None:
    lacking = Lacking()
    now, expected = 0.0, FIRST_PAUSE
    for _ in range(6):
        lacking.add(ONE, [b"a"], now)
        assert lacking.next_due() == now + expected
        now += expected
        lacking.tick(now - 0.001)
        assert lacking.lacks(ONE, [b"a"])
        lacking.tick(now)
        assert not lacking.lacks(ONE, [b"a"])
        expected = min(expected * LONGER, LAST_PAUSE)
    assert expected == LAST_PAUSE


def test_a_new_session_begins_with_nothing() -> None:
    lacking = Lacking()
    lacking.add(ONE, [b"a"], now=0.0)
    lacking.forget(ONE)
    assert not lacking.lacks(ONE, [b"a"])
    assert lacking.next_due() is None
