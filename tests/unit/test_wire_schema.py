from enum import IntEnum
from typing import Annotated, NamedTuple

import pytest

from swarm.errors import BadPeer, Bug
from swarm.ids import Origin
from swarm.wire.codec import MAX_ITEMS, MAX_MESSAGE, Value, encode
from swarm.wire.schema import AtMost, Between, Exactly, Unknown, UpTo, Vocabulary, message

WIRE = Vocabulary()
NEWER = Vocabulary()

Pair = tuple[Annotated[Origin, Exactly(4)], Annotated[int, UpTo(9)]]


class Colour(IntEnum):
    RED = 1


class Step(NamedTuple):
    origin: Origin
    number: int


@message(WIRE, 1)
class Everything:
    flag: bool
    exact: Annotated[bytes, Exactly(4)]
    some: Annotated[bytes, AtMost(4)]
    text: Annotated[str, AtMost(4)]
    count: Annotated[int, UpTo(9)]
    shift: Annotated[int, Between(-9, 9)]
    names: Annotated[tuple[Annotated[bytes, Exactly(2)], ...], AtMost(3)]
    pairs: Annotated[tuple[Pair, ...], AtMost(3)]
    three: Annotated[tuple[bool, ...], Exactly(3)]
    maybe: Annotated[bytes, Exactly(2)] | None
    lists: Annotated[tuple[Annotated[tuple[bool, ...], AtMost(2)], ...], AtMost(2)]


@message(WIRE, 2)
class Nothing:
    pass


@message(WIRE, 3)
class Version:
    major: Annotated[int, UpTo(9)]


@message(NEWER, 3)
class NewerVersion:
    major: Annotated[int, UpTo(9)]
    minor: Annotated[int, UpTo(9)] = 5


@message(NEWER, 4)
class Fresh:
    data: Annotated[bytes, AtMost(100)]


GOOD: dict[str, Value] = {
    "flag": True,
    "exact": b"four",
    "some": b"",
    "text": "äö",
    "count": 9,
    "shift": -9,
    "names": (b"ab", b"cd"),
    "pairs": ((b"orig", 1), (b"inal", 2)),
    "three": (True, False, True),
    "maybe": None,
    "lists": ((), (True,)),
}


def everything(**changes: Value) -> bytes:
    return encode((1, *{**GOOD, **changes}.values()))


def made(**changes: object) -> Everything:
    return Everything(**{**GOOD, **changes})  # type: ignore[arg-type]


def test_a_message_comes_back_as_it_was() -> None:
    data = WIRE.pack(made())
    assert data == everything()
    assert WIRE.unpack(data) == made()
    assert WIRE.unpack(WIRE.pack(Nothing())) == Nothing()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("flag", False),
        ("some", b"four"),
        ("text", ""),
        ("count", 0),
        ("shift", 9),
        ("names", ()),
        ("names", (b"ab",) * 3),
        ("pairs", ()),
        ("maybe", b"no"),
        ("lists", ()),
        ("lists", ((True, True), (True, True))),
    ],
)
def test_what_is_within_its_bounds_is_taken(field: str, value: Value) -> None:
    assert WIRE.unpack(everything(**{field: value})) == made(**{field: value})


BAD: list[tuple[str, Value]] = [
    ("flag", 1),
    ("flag", None),
    ("exact", b"thr"),
    ("exact", b"fives"),
    ("exact", "four"),
    ("some", b"fives"),
    ("text", "äöü"),
    ("text", b"text"),
    ("count", -1),
    ("count", 10),
    ("count", True),
    ("count", "1"),
    ("shift", -10),
    ("shift", 10),
    ("names", (b"ab",) * 4),
    ("names", (b"ab", b"c")),
    ("names", (b"ab", "cd")),
    ("names", b"ab"),
    ("names", (b"ab", None)),
    ("pairs", ((b"orig", 1), (b"inal",))),
    ("pairs", ((b"orig", 1, 1),)),
    ("pairs", ((b"orig", 10),)),
    ("pairs", ((b"ori", 1),)),
    ("pairs", ((1, b"orig"),)),
    ("pairs", (b"orig", 1)),
    ("three", (True, True)),
    ("three", (True, True, 1)),
    ("maybe", b"yes"),
    ("maybe", 0),
    ("lists", ((True, True, True),)),
    ("lists", ((1,),)),
    ("lists", ((), (), ())),
]


@pytest.mark.parametrize(("field", "value"), BAD)
def test_a_peer_that_breaks_a_bound_is_refused_and_the_field_named(field: str, value: Value) -> None:
    with pytest.raises(BadPeer, match=field):
        WIRE.unpack(everything(**{field: value}))


@pytest.mark.parametrize(("field", "value"), BAD)
def test_breaking_a_bound_ourselves_is_a_bug(field: str, value: Value) -> None:
    with pytest.raises(Bug, match=rf"Everything\.{field}"):
        WIRE.pack(made(**{field: value}))


def test_text_that_is_no_unicode_is_our_bug() -> None:
    with pytest.raises(Bug):
        WIRE.pack(made(text="\ud800"))


@pytest.mark.parametrize(
    "value",
    [
        None,
        1,
        b"\x01",
        (),
        (None,),
        (True,),
        (-1,),
        (128,),
        ((1,),),
        (b"\x02",),
    ],
)
def test_what_does_not_begin_with_a_number_is_no_message(value: Value) -> None:
    with pytest.raises(BadPeer, match="not a message"):
        WIRE.unpack(encode(value))


def test_an_unusual_spelling_is_refused() -> None:
    with pytest.raises(BadPeer):
        WIRE.unpack(b"\x91\xcc\x02")


def test_a_missing_field_is_the_peers_fault() -> None:
    with pytest.raises(BadPeer, match="too short"):
        WIRE.unpack(encode((1, *list(GOOD.values())[:-1])))


def test_a_number_from_a_newer_peer_is_unknown() -> None:
    assert WIRE.unpack(NEWER.pack(Fresh(b"new"))) == Unknown(4)
    assert WIRE.unpack(encode((127, ((),)))) == Unknown(127)


def test_an_unknown_message_is_no_way_around_the_codec() -> None:
    with pytest.raises(BadPeer):
        WIRE.unpack(b"\x92\x04\xcb" + bytes(8))


def test_fields_from_a_newer_peer_are_dropped() -> None:
    assert WIRE.unpack(NEWER.pack(NewerVersion(3, 4))) == Version(3)


def test_a_field_with_a_default_may_be_missing_from_an_older_peer() -> None:
    assert NEWER.unpack(WIRE.pack(Version(3))) == NewerVersion(3, 5)
    assert NEWER.unpack(encode((3, 3, 9))) == NewerVersion(3, 9)
    with pytest.raises(BadPeer, match="minor"):
        NEWER.unpack(encode((3, 3, 10)))


def test_a_message_longer_than_the_caller_allows_is_refused() -> None:
    data = WIRE.pack(Version(3))
    assert WIRE.unpack(data, max_bytes=len(data)) == Version(3)
    with pytest.raises(BadPeer):
        WIRE.unpack(data, max_bytes=len(data) - 1)


def test_an_enum_and_a_named_tuple_arrive_as_plain_values() -> None:
    sent = made(count=Colour.RED, pairs=(Step(Origin(b"orig"), 1),))
    received = WIRE.unpack(WIRE.pack(sent))
    assert received == sent
    assert isinstance(received, Everything)
    assert type(received.count) is int
    assert type(received.pairs[0]) is tuple


def test_what_is_not_in_the_vocabulary_cannot_be_sent() -> None:
    with pytest.raises(Bug, match="Fresh"):
        WIRE.pack(Fresh(b""))


def test_a_message_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Version(1).major = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    "hint",
    [
        bytes,
        str,
        int,
        float,
        None,
        Origin,
        object,
        list[bool],
        tuple[bool, ...],
        dict[bool, bool],
        tuple[bytes, bool],
        Annotated[bytes, UpTo(4)],
        Annotated[bytes, "four"],
        Annotated[bytes, Exactly(4), AtMost(4)],
        Annotated[bool, UpTo(1)],
        Annotated[int, AtMost(4)],
        Annotated[str, Exactly(4)],
        Annotated[bytes, AtMost(MAX_MESSAGE + 1)],
        Annotated[bytes, Exactly(-1)],
        Annotated[tuple[bool, ...], AtMost(MAX_ITEMS + 1)],
        Annotated[tuple[bytes, ...], AtMost(4)],
        Annotated[bytes, AtMost(4)] | bool,
        Annotated[bytes, AtMost(4)] | bool | None,
        bytes | None,
    ],
)
def test_a_field_without_a_bound_or_meaning_cannot_be_declared(hint: object) -> None:
    declaration = type("Careless", (), {"__annotations__": {"field": hint}})
    with pytest.raises(Bug):
        message(Vocabulary(), 1)(declaration)


@pytest.mark.parametrize("number", [-1, 128, 1])
def test_a_number_is_given_once_and_within_one_byte(number: int) -> None:
    with pytest.raises(Bug, match="number"):
        message(WIRE, number)(type("Late", (), {}))


def test_bounds_of_equal_numbers_are_not_one_bound() -> None:
    """They would be to `typing`, which keeps one Annotated for arguments that are equal."""
    assert len({Exactly(4), AtMost(4), UpTo(4)}) == 3
