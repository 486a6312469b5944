"""Pings: what is answered, and what an answer proves."""

from __future__ import annotations

from swarm.net.echo import ANSWERS_PER_SECOND, COOKIE_BYTES, PING, Echo

HERE, THERE = ("192.0.2.1", 47474), ("192.0.2.2", 47474)


def test_a_ping_is_answered_and_the_answer_recognised() -> None:
    one, other = Echo(bytes(32)), Echo(bytes([1]) * 32)
    ping = one.ping(THERE)
    pong = other.answer(ping, 0.0)
    assert pong is not None
    assert len(pong) == len(ping)
    assert one.is_answer(pong, THERE)


def test_an_answer_counts_only_from_where_the_ping_went() -> None:
    one, other = Echo(bytes(32)), Echo(bytes([1]) * 32)
    pong = other.answer(one.ping(THERE), 0.0)
    assert pong is not None
    assert not one.is_answer(pong, HERE)
    assert not other.is_answer(pong, THERE)
    assert not one.is_answer(one.ping(THERE), THERE)


def test_what_is_no_ping_is_not_answered() -> None:
    echo = Echo(bytes(32))
    cookie = bytes(COOKIE_BYTES)
    for data in (b"", bytes([PING]), bytes([PING]) + cookie + b"x", bytes([PING]) + cookie[1:], b"\x21" + cookie):
        assert echo.answer(data, 0.0) is None


def test_answers_are_counted() -> None:
    echo = Echo(bytes(32))
    ping = echo.ping(THERE)
    answered = sum(echo.answer(ping, 5.0) is not None for _ in range(3 * ANSWERS_PER_SECOND))
    assert answered == ANSWERS_PER_SECOND
    assert echo.answer(ping, 5.0 + 2 / ANSWERS_PER_SECOND) is not None
