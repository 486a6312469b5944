"""Whom to dial and to ping, and when."""

from __future__ import annotations

from swarm.ids import DeviceId
from swarm.node.dialer import (
    AT_ONCE,
    BEHIND,
    FRESH,
    LAST_PAUSE,
    LAST_PING_PAUSE,
    MAX_HEARSAY,
    MAX_TARGETS,
    PING_PAUSE,
    PINGS_AT_ONCE,
    Dialer,
)
from swarm.wire.hop import Door

ANNA, BOB, EVE = (DeviceId(letter * 32) for letter in (b"a", b"b", b"e"))
NAS = ("192.0.2.7", 47474)


def places(count: int, network: int = 0) -> list[tuple[str, int]]:
    return [(f"10.{network}.{number >> 8}.{number & 255}", 1) for number in range(count)]


def pings(dialer: Dialer, start: float, seconds: float) -> int:
    """How often NAS is pinged, looked at ten times a second."""
    return sum(NAS in dialer.pings_due(start + tenth / 20) for tenth in range(int(seconds * 20)))


def test_dials_come_ever_more_seldom() -> None:
    dialer = Dialer()
    dialer.know([NAS], 0.0)
    moments, now = [], 0.0
    while now < 300:
        if dialer.due(now):
            moments.append(now)
            dialer.failed(NAS, now)
        now += 0.5
    assert moments[:3] == [0.0, 0.5, 1.5]
    assert 15 < len(moments) < 25
    assert moments[-1] - moments[-2] <= LAST_PAUSE + 0.5


def test_who_was_lost_is_pinged_four_times_a_second_and_later_less() -> None:
    dialer = Dialer()
    dialer.know([NAS], 0.0, BOB)
    dialer.connected(BOB)
    assert pings(dialer, 0.0, 10) == 0
    dialer.lost(BOB, 1000.0)
    assert pings(dialer, 1000.0, 10) == 10 / PING_PAUSE
    pings(dialer, 1010.0, FRESH)
    assert pings(dialer, 2000.0, 60) <= 60 / LAST_PING_PAUSE + 3
    dialer.hurry(3000.0)
    assert pings(dialer, 3000.0, 10) == 10 / PING_PAUSE


def test_an_answer_makes_the_dial_due_at_once() -> None:
    dialer = Dialer()
    dialer.know([NAS], 0.0)
    for _ in range(12):
        dialer.failed(NAS, 100.0)
    assert dialer.due(101.0) == []
    assert not dialer.answered(NAS, 101.0)
    assert dialer.due(101.0) == [NAS]
    assert dialer.answered(NAS, 101.5)  # under way for half a second: it may have begun before anybody was there


def test_answers_of_nobody_we_look_for_mean_nothing() -> None:
    dialer = Dialer()
    assert not dialer.answered(NAS, 0.0)
    dialer.know([NAS], 0.0, BOB)
    dialer.connected(BOB)
    assert not dialer.answered(NAS, 0.0)
    assert dialer.due(0.0) == []


def test_names_are_dialled_and_never_pinged() -> None:
    dialer = Dialer()
    dialer.know([("nas.example.net", 1)], 0.0)
    assert dialer.pings_due(0.0) == []
    assert dialer.due(0.0) == [("nas.example.net", 1)]
    assert dialer.next_due() is None


def test_who_waits_is_told_until_when() -> None:
    dialer = Dialer()
    assert dialer.next_due() is None
    dialer.know([NAS], 5.0, BOB)
    assert dialer.next_due() == 5.0
    dialer.due(5.0)
    dialer.pings_due(5.0)
    assert dialer.next_due() == 5.0 + PING_PAUSE
    dialer.connected(BOB)
    assert dialer.next_due() is None


def test_dials_and_pings_at_once_are_bounded() -> None:
    dialer = Dialer()
    dialer.know(places(300), 0.0)
    assert len(dialer.due(0.0)) == AT_ONCE
    assert dialer.due(0.0) == []
    first, second = dialer.pings_due(0.0), dialer.pings_due(0.0)
    assert len(first) == len(second) == PINGS_AT_ONCE
    assert not set(first) & set(second)


def test_one_member_cannot_make_us_dial_the_world() -> None:
    dialer = Dialer()
    dialer.know(places(1000), 0.0, BOB, told_by=EVE)
    assert len(dialer.targets) == MAX_HEARSAY


def test_hearsay_does_not_hide_what_is_known() -> None:
    dialer = Dialer()
    dialer.know([NAS], 0.0, ANNA)
    dialer.connected(BOB)
    dialer.know([NAS], 0.0, BOB, told_by=EVE)  # "that is only Bob, whom you have"
    assert dialer.due(0.0) == [NAS]


def test_hearsay_that_leads_nowhere_is_forgotten_and_knowledge_is_not() -> None:
    dialer = Dialer()
    dialer.know([NAS], 0.0)
    rumour = ("192.0.2.99", 1)
    dialer.know([rumour], 0.0, BOB, told_by=EVE)
    for _ in range(20):
        dialer.failed(NAS, 0.0)
        dialer.failed(rumour, 0.0)
    assert list(dialer.targets) == [NAS]


def test_hearsay_goes_first_when_there_are_too_many() -> None:
    dialer = Dialer()
    for teller in range(20):
        dialer.know(places(MAX_HEARSAY, teller), 0.0, told_by=DeviceId(bytes([teller]) * 32))
    assert len(dialer.targets) == MAX_TARGETS
    for address in list(dialer.targets)[:3]:
        dialer.failed(address, 0.0)
    dialer.know([NAS], 0.0)
    assert NAS in dialer.targets
    assert len(dialer.targets) == MAX_TARGETS


def test_our_own_address_is_left_alone_until_we_have_moved() -> None:
    dialer = Dialer()
    dialer.is_self(NAS)
    dialer.know([NAS], 0.0)
    assert dialer.due(0.0) == []
    dialer.hurry(1.0)
    dialer.know([NAS], 1.0)
    assert dialer.due(1.0) == [NAS]


DOOR = Door(b"r" * 32, b"h" * 16)


def test_a_door_is_tried_a_moment_after_addresses_and_never_pinged() -> None:
    dialer = Dialer()
    dialer.know([DOOR, NAS], 0.0)
    assert dialer.due(0.0) == [NAS]
    assert dialer.pings_due(0.0) == [NAS]
    assert dialer.due(BEHIND) == [DOOR]


def test_addresses_that_do_not_answer_keep_no_door_waiting() -> None:
    dialer = Dialer()
    dialer.know(places(3 * AT_ONCE), 0.0)
    dialer.know([DOOR], 0.0)
    assert len(dialer.due(BEHIND)) == AT_ONCE + 1


def test_a_door_of_a_device_that_is_connected_rests() -> None:
    dialer = Dialer()
    dialer.know([DOOR], 0.0)
    assert dialer.due(1.0) == [DOOR]
    dialer.identify([DOOR, Door(b"r" * 32, b"unknown")], BOB)
    assert dialer.needless(BOB) == [DOOR]
    dialer.connected(BOB)
    dialer.failed(DOOR, 1.0)
    assert dialer.due(100.0) == []
    dialer.lost(BOB, 100.0)
    assert dialer.due(100.0 + BEHIND) == [DOOR]
