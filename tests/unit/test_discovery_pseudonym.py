"""What strangers and members can read from an announcement."""

from __future__ import annotations

from swarm.discovery import pseudonym

ALICE, BOB = b"alice678", b"bob45678"
FILL = bytes(range(32))
DOCS, MUSIC, SECRET = (bytes([number]) * 32 for number in (1, 2, 3))
PORT, HOUR = 47474, 495_000


def heard(keys: list[bytes], name: bytes = ALICE, port: int = PORT, hour: int = HOUR) -> frozenset[bytes]:
    said = pseudonym.texts(pseudonym.announce(keys, FILL, name, port, hour))
    return pseudonym.parse_texts({text.encode(): value for text, value in said.items()})


def test_a_member_recognises_a_member_and_a_stranger_does_not() -> None:
    assert pseudonym.recognises([MUSIC, DOCS], heard([DOCS]), ALICE, PORT, HOUR)
    assert not pseudonym.recognises([SECRET], heard([DOCS, MUSIC]), ALICE, PORT, HOUR)
    assert not pseudonym.recognises([], heard([DOCS]), ALICE, PORT, HOUR)


def test_tags_belong_to_one_name_and_one_port() -> None:
    assert not pseudonym.recognises([DOCS], heard([DOCS]), BOB, PORT, HOUR)
    assert not pseudonym.recognises([DOCS], heard([DOCS]), ALICE, PORT + 1, HOUR)
    assert not heard([DOCS], ALICE) & heard([DOCS], BOB)


def test_clocks_may_differ_by_an_hour_and_not_by_two() -> None:
    for skew, known in ((-2, False), (-1, True), (0, True), (1, True), (2, False)):
        assert pseudonym.recognises([DOCS], heard([DOCS], hour=HOUR + skew), ALICE, PORT, HOUR) is known


def test_an_hour_later_nothing_is_as_it_was() -> None:
    assert not heard([DOCS, MUSIC]) & heard([DOCS, MUSIC], hour=HOUR + 1)


def test_how_many_folders_there_are_shows_only_in_steps() -> None:
    assert [len(heard([bytes([n]) * 32 for n in range(count)])) for count in (0, 1, 8, 9)] == [8, 8, 8, 16]


def test_the_same_hour_brings_the_same_list() -> None:
    """Else what stays from one announcement to the next would be the folders."""
    assert heard([DOCS]) == heard([DOCS])


def test_names_of_folders_do_not_follow_from_their_place() -> None:
    tags = pseudonym.announce([DOCS, MUSIC], FILL, ALICE, PORT, HOUR)
    assert list(tags) == sorted(tags)


def test_the_number_of_tags_is_bounded_and_fits() -> None:
    tags = pseudonym.announce((n.to_bytes(32, "big") for n in range(500)), FILL, ALICE, PORT, HOUR)
    assert len(tags) == pseudonym.MAX_TAGS
    said = pseudonym.texts(tags)
    assert all(len(name) + 1 + len(value) <= 255 for name, value in said.items())
    assert sum(len(value) for value in said.values()) < 1000
    assert pseudonym.recognises(
        [(95).to_bytes(32, "big")], heard([n.to_bytes(32, "big") for n in range(96)]), ALICE, PORT, HOUR
    )


def test_what_is_no_list_of_tags_is_passed_over() -> None:
    assert pseudonym.parse_texts({}) == frozenset()
    assert pseudonym.parse_texts({b"t0": None, b"t1": b"short", b"t9": bytes(80), b"x": bytes(80)}) == frozenset()
    assert pseudonym.parse_texts({b"t0": bytes(8) + b"tail"}) == {bytes(8)}
