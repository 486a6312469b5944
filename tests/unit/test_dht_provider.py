"""Provider records: who can write them, who can read them, and until when."""

from __future__ import annotations

import pytest

from swarm.discovery.dht.place import Place, pack_places, parse_places
from swarm.discovery.dht.provider import (
    DAY,
    LIFETIME,
    MAX_SKEW,
    PLACES_BYTES,
    RECORD_BYTES,
    DayKeys,
    check,
    day_of,
    days_near,
)
from swarm.errors import BadPeer, Integrity
from swarm.ids import DeviceId

NOW = 20_000 * DAY + 40_000
KEYS = DayKeys.derive(b"d" * 32, day_of(NOW))
ANNA, BOB = DeviceId(b"a" * 32), DeviceId(b"b" * 32)
HOME = Place("192.0.2.7", 47474)
RELAY = Place("2001:db8::9", 47470, b"k" * 32)


def test_a_member_reads_where_another_is() -> None:
    record = check(KEYS.public_key, KEYS.issue(ANNA, [HOME, RELAY], NOW), NOW)
    assert record.topic == KEYS.topic
    assert DayKeys.derive(b"d" * 32, day_of(NOW)).open(record) == (HOME, RELAY)


def test_records_have_one_size_whatever_is_in_them() -> None:
    sizes = {len(KEYS.issue(ANNA, places, NOW)) for places in ([], [HOME], [RELAY], [HOME, RELAY] * 9)}
    assert sizes == {RECORD_BYTES}


def test_a_stranger_reads_nothing() -> None:
    raw = KEYS.issue(ANNA, [HOME], NOW)
    assert bytes([192, 0, 2, 7]) not in raw
    assert bytes(ANNA) not in raw
    other = DayKeys(KEYS.day, KEYS.public_key, KEYS.secret_key, b"x" * 32)
    with pytest.raises(Integrity):
        other.open(check(KEYS.public_key, raw, NOW))


def test_days_cannot_be_linked() -> None:
    tomorrow = DayKeys.derive(b"d" * 32, KEYS.day + 1)
    assert tomorrow.topic != KEYS.topic
    assert tomorrow.slot(ANNA) != KEYS.slot(ANNA)


def test_only_who_has_the_days_key_can_write_at_its_topic() -> None:
    stranger = DayKeys.derive(b"s" * 32, KEYS.day)
    with pytest.raises(BadPeer):
        check(KEYS.public_key, stranger.issue(ANNA, [HOME], NOW), NOW)


def test_no_bit_of_a_record_can_be_changed() -> None:
    raw = KEYS.issue(ANNA, [HOME], NOW)
    for position in range(0, RECORD_BYTES, 7):
        changed = raw[:position] + bytes([raw[position] ^ 1]) + raw[position + 1 :]
        with pytest.raises(BadPeer):
            check(KEYS.public_key, changed, NOW)
    for wrong in (raw[:-1], raw + b"\0", b""):
        with pytest.raises(BadPeer):
            check(KEYS.public_key, wrong, NOW)


@pytest.mark.parametrize(
    ("wall", "good"), [(-MAX_SKEW, True), (-MAX_SKEW - 1, False), (LIFETIME - 1, True), (LIFETIME, False)]
)
def test_a_record_is_good_for_two_hours(wall: int, good: bool) -> None:
    raw = KEYS.issue(ANNA, [HOME], NOW)
    if good:
        check(KEYS.public_key, raw, NOW + wall)
    else:
        with pytest.raises(BadPeer):
            check(KEYS.public_key, raw, NOW + wall)


def test_a_record_of_another_day_is_refused() -> None:
    far = DayKeys.derive(b"d" * 32, KEYS.day + 2)
    with pytest.raises(BadPeer):
        check(far.public_key, far.issue(ANNA, [HOME], NOW), NOW)


def test_devices_have_slots_of_their_own() -> None:
    assert KEYS.slot(ANNA) != KEYS.slot(BOB)


def test_close_to_midnight_both_days_count() -> None:
    midnight = 20_000 * DAY
    assert days_near(midnight + 43_200) == (20_000,)
    assert set(days_near(midnight + 60)) == {19_999, 20_000}
    assert set(days_near(midnight - 60)) == {19_999, 20_000}


def test_places_that_are_none_are_left_out_on_both_sides() -> None:
    bad = [
        Place("0.0.0.0", 5),
        Place("fe80::1", 5),
        Place("224.0.0.1", 5),
        Place("a.example.net", 5),
        Place("192.0.2.1", 0),
    ]
    bad += [Place("192.0.2.1", 5, b"short"), Place("255.255.255.255", 5)]
    assert parse_places(pack_places([*bad, HOME], PLACES_BYTES)) == (HOME,)
    assert parse_places(bytes.fromhex("01000000000005") + pack_places([HOME], 7)) == (HOME,)


def test_places_of_an_unknown_kind_or_cut_off_end_the_list() -> None:
    known = pack_places([HOME], 7)
    assert parse_places(known + b"\x7f" + known) == (HOME,)
    assert parse_places(known + known[:-1]) == (HOME,)
    assert parse_places(b"\xff" * PLACES_BYTES) == ()


def test_what_does_not_fit_is_left_out_and_the_first_ones_stay() -> None:
    many = [Place(f"192.0.2.{number}", 47474) for number in range(1, 40)]
    assert parse_places(pack_places(many, PLACES_BYTES)) == tuple(many[: PLACES_BYTES // 7])
