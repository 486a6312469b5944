"""Following a peer to a new address, in pure time."""

from __future__ import annotations

from swarm.net.rebinding import CHALLENGES, Rebinding

OLD, NEW, OTHER = ("192.0.2.1", 1), ("192.0.2.1", 2), ("198.51.100.9", 9)


def test_a_new_address_is_asked_before_it_is_followed() -> None:
    rebinding = Rebinding(OLD)
    assert rebinding.heard(NEW, 1.0)
    assert rebinding.address == OLD
    assert rebinding.proved() == NEW
    assert rebinding.address == NEW
    assert not rebinding.heard(NEW, 2.0)


def test_a_packet_from_the_old_address_settles_it() -> None:
    rebinding = Rebinding(OLD)
    assert rebinding.heard(OTHER, 1.0)
    assert not rebinding.heard(OLD, 1.01)
    assert rebinding.proved() is None
    assert rebinding.address == OLD


def test_questions_are_few() -> None:
    rebinding = Rebinding(OLD)
    assert sum(rebinding.heard(NEW, 1.0 + moment / 1000) for moment in range(1000)) == 10
    assert sum(rebinding.heard(NEW, 2.0 + second) for second in range(1000)) == CHALLENGES - 10


def test_addresses_that_take_turns_are_asked_no_more_often() -> None:
    rebinding = Rebinding(OLD)
    asked = sum(rebinding.heard(address, 1.0 + n / 1000) for n in range(500) for address in (NEW, OTHER))
    assert asked == 5


def test_an_answer_that_nobody_waits_for_moves_nothing() -> None:
    rebinding = Rebinding(OLD)
    assert rebinding.proved() is None
    assert rebinding.address == OLD
