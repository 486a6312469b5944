"""Two sessions with one device."""

from __future__ import annotations

from itertools import product

import pytest

from swarm.ids import DeviceId
from swarm.session.rivals import Rival, keeps_newer

LOW, HIGH = DeviceId(bytes(32)), DeviceId(b"\xff" * 32)
BOTH = tuple(product([True, False], repeat=2))
BOOT, REBOOT = b"11111111", b"22222222"


def test_of_two_that_dialled_each_other_the_lower_ids_session_stays() -> None:
    ours, theirs = Rival(True, BOOT), Rival(False, BOOT)
    assert keeps_newer(LOW, HIGH, older=theirs, newer=ours)
    assert not keeps_newer(LOW, HIGH, older=ours, newer=theirs)
    assert not keeps_newer(HIGH, LOW, older=theirs, newer=ours)
    assert keeps_newer(HIGH, LOW, older=ours, newer=theirs)


@pytest.mark.parametrize(("low_first_here", "low_first_there"), BOTH)
def test_both_sides_keep_the_same_session_in_whatever_order_they_see_them(
    low_first_here: bool, low_first_there: bool
) -> None:
    def kept(own: DeviceId, peer: DeviceId, low_first: bool) -> str:
        by_low, by_high = Rival(own == LOW, BOOT), Rival(own == HIGH, BOOT)
        older, newer = (by_low, by_high) if low_first else (by_high, by_low)
        return "low" if (newer if keeps_newer(own, peer, older, newer) else older) == by_low else "high"

    assert kept(LOW, HIGH, low_first_here) == kept(HIGH, LOW, low_first_there) == "low"


@pytest.mark.parametrize(("older", "newer"), BOTH)
def test_a_peer_that_restarted_means_the_newer_session(older: bool, newer: bool) -> None:
    for own, peer in ((LOW, HIGH), (HIGH, LOW)):
        assert keeps_newer(own, peer, Rival(older, BOOT), Rival(newer, REBOOT))


@pytest.mark.parametrize("dialled", [True, False])
def test_who_dials_again_has_given_up_its_older_session(dialled: bool) -> None:
    for own, peer in ((LOW, HIGH), (HIGH, LOW)):
        assert keeps_newer(own, peer, Rival(dialled, BOOT), Rival(dialled, BOOT))
