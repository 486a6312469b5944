import struct
import tracemalloc

import msgpack
import pytest

from swarm.errors import BadPeer, Bug
from swarm.ids import Dot, Origin
from swarm.wire.codec import MAX_DEPTH, MAX_ITEMS, MAX_MESSAGE, Value, decode, encode


def nested(depth: int) -> Value:
    value: Value = 1
    for _ in range(depth):
        value = (value,)
    return value


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        127,
        128,
        -1,
        -32,
        -33,
        2**64 - 1,
        -(2**63),
        b"",
        b"\xff" * 300,
        "",
        "Grüße",
        (),
        (1, (b"two", ("three", None)), ()),
        tuple(range(MAX_ITEMS)),
        nested(MAX_DEPTH),
        b"x" * (MAX_MESSAGE - 5),
    ],
)
def test_a_value_comes_back_as_it_was(value: Value) -> None:
    back = decode(encode(value))
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize(
    "value",
    [1.0, [1], {"a": 1}, {1}, bytearray(b"x"), memoryview(b"x"), 2**64, -(2**63) - 1, "\ud800", nested(MAX_DEPTH + 1)],
)
def test_what_is_no_value_of_the_wire_is_our_bug(value: Value) -> None:
    with pytest.raises(Bug):
        encode((value,) if not isinstance(value, tuple) else value)


def test_a_message_too_long_to_be_read_is_our_bug() -> None:
    with pytest.raises(Bug, match="bytes"):
        encode(b"x" * (MAX_MESSAGE - 4))


def test_a_named_tuple_arrives_as_a_plain_one() -> None:
    back = decode(encode((Dot(Origin(b"o"), 7),)))
    assert back == ((b"o", 7),)
    assert isinstance(back, tuple)
    assert type(back[0]) is tuple


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xc1", id="never used"),
        pytest.param(b"\x01\x01", id="trailing"),
        pytest.param(b"\x92\x01", id="array cut off"),
        pytest.param(b"\xc4\x05abcd", id="bytes cut off"),
        pytest.param(b"\xcc\x7f", id="127 in two bytes"),
        pytest.param(b"\xcd\x00\xff", id="255 in three"),
        pytest.param(b"\xce\x00\x00\xff\xff", id="65535 in five"),
        pytest.param(b"\xcf" + bytes(8), id="0 in nine"),
        pytest.param(b"\xd0\x01", id="1 as signed"),
        pytest.param(b"\xd0\xff", id="-1 in two"),
        pytest.param(b"\xd3" + b"\xff" * 8, id="-1 in nine"),
        pytest.param(b"\xd9\x01a", id="short str in long form"),
        pytest.param(b"\xda\x00\x01a", id="short str in longer form"),
        pytest.param(b"\xc5\x00\x01a", id="short bytes in long form"),
        pytest.param(b"\xc6\x00\x00\x00\x01a", id="short bytes in longer form"),
        pytest.param(b"\xdc\x00\x01\x01", id="short array in long form"),
        pytest.param(b"\xdd\x00\x00\x00\x01\x01", id="short array in longer form"),
        pytest.param(b"\xa1\xff", id="no UTF-8"),
        pytest.param(b"\xa3\xed\xa0\x80", id="a surrogate"),
        pytest.param(b"\xa2\xc0\x80", id="overlong UTF-8"),
        pytest.param(b"\x80", id="an empty map"),
        pytest.param(b"\x81\xa1a\x01", id="a map"),
        pytest.param(b"\x82\xa1a\x01\xa1a\x02", id="a map with a key twice"),
        pytest.param(b"\x91\x80", id="a map inside"),
        pytest.param(b"\xdf\xff\xff\xff\xff", id="a huge map"),
        pytest.param(b"\xca" + struct.pack(">f", 1), id="a float32"),
        pytest.param(b"\xcb" + struct.pack(">d", 1), id="a float64"),
        pytest.param(b"\x91\x91\xcb" + struct.pack(">d", 0), id="a float inside"),
        pytest.param(b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", id="not a number"),
        pytest.param(msgpack.packb(msgpack.Timestamp(1)), id="a timestamp of 4 bytes"),
        pytest.param(msgpack.packb(msgpack.Timestamp(1, 1)), id="a timestamp of 8 bytes"),
        pytest.param(msgpack.packb(msgpack.Timestamp(-1, 1)), id="a timestamp of 12 bytes"),
        pytest.param(b"\xc7\x00\xff", id="a timestamp of none"),
        pytest.param(b"\xc7\x00\x05", id="an empty extension"),
        pytest.param(b"\xd4\x05a", id="an extension"),
        pytest.param(b"\xc9\xff\xff\xff\xff\x05", id="a huge extension"),
        pytest.param(b"\x91" * (MAX_DEPTH + 1) + b"\x01", id="nested too deeply"),
        pytest.param(b"\x91" * 1024 + b"\x01", id="nested far too deeply"),
        pytest.param(b"\x91" * 100_000, id="nested beyond any stack"),
        pytest.param(b"\xdd\xff\xff\xff\xff", id="a huge array"),
        pytest.param(b"\xc6\xff\xff\xff\xff", id="huge bytes"),
        pytest.param(b"\xdb\xff\xff\xff\xff", id="a huge str"),
        pytest.param(msgpack.packb([0] * (MAX_ITEMS + 1)), id="one item too many"),
        pytest.param(msgpack.packb(b"x" * (MAX_MESSAGE - 4)), id="one byte too many"),
    ],
)
def test_what_is_not_the_one_encoding_is_refused(data: bytes) -> None:
    with pytest.raises(BadPeer):
        decode(data)


def test_a_caller_can_set_tighter_limits() -> None:
    assert decode(encode((1, 2, b"x")), max_bytes=6, max_items=3) == (1, 2, b"x")
    with pytest.raises(BadPeer, match="6 bytes"):
        decode(encode((1, 2, b"x")), max_bytes=5)
    with pytest.raises(BadPeer):
        decode(encode((1, 2, b"x")), max_items=2)


def test_announced_arrays_cost_a_bounded_amount_of_memory() -> None:
    announced = b"\xdc\x10\x00"  # an array of 4,096 items, of which none follows but the next such array
    hostile = announced * (MAX_MESSAGE // len(announced))
    tracemalloc.start()
    try:
        with pytest.raises(BadPeer):
            decode(hostile)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 36 << 20
