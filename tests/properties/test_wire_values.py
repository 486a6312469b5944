from typing import Annotated

from hypothesis import given, settings
from hypothesis import strategies as st

from swarm.errors import BadPeer
from swarm.wire.codec import Value, decode, encode
from swarm.wire.framing import Deframer, frame
from swarm.wire.schema import AtMost, Exactly, Unknown, UpTo, Vocabulary, message

WIRE = Vocabulary()


@message(WIRE, 1)
class Report:
    name: Annotated[bytes, Exactly(2)]
    counts: Annotated[
        tuple[tuple[Annotated[str, AtMost(8)], Annotated[int, UpTo(2**64 - 1)]], ...],
        AtMost(5),
    ]
    note: Annotated[str, AtMost(8)] | None


values: st.SearchStrategy[Value] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.binary(max_size=70_000) | st.text(),
    lambda inner: st.lists(inner, max_size=20).map(tuple),
    max_leaves=30,
).filter(lambda value: depth(value) <= 8)


def depth(value: Value) -> int:
    return 1 + max(map(depth, value), default=0) if isinstance(value, tuple) else 0


reports = st.builds(
    Report,
    st.binary(min_size=2, max_size=2),
    st.lists(
        st.tuples(st.text(max_size=8).filter(lambda text: len(text.encode()) <= 8), st.integers(0, 2**64 - 1)),
        max_size=5,
    ).map(tuple),
    st.none() | st.text(st.characters(max_codepoint=127), max_size=8),
)


@given(values)
def test_every_value_comes_back(value: Value) -> None:
    assert decode(encode(value)) == value


@settings(max_examples=500)
@given(st.binary(max_size=60))
def test_garbage_is_refused_or_is_the_one_encoding_of_its_value(garbage: bytes) -> None:
    try:
        value = decode(garbage)
    except BadPeer:
        return
    assert encode(value) == garbage


@settings(max_examples=300)
@given(values.map(encode), st.data())
def test_a_mutation_is_refused_or_is_the_one_encoding_of_another_value(data: bytes, draw: st.DataObject) -> None:
    mutated = bytearray(data)
    at = draw.draw(st.integers(0, len(mutated)))
    mutated[at : at + draw.draw(st.integers(0, 4))] = draw.draw(st.binary(max_size=4))
    try:
        value = decode(bytes(mutated))
    except BadPeer:
        return
    assert encode(value) == bytes(mutated)


@given(reports)
def test_every_message_comes_back(report: Report) -> None:
    assert WIRE.unpack(WIRE.pack(report)) == report


@settings(max_examples=300)
@given(reports.map(WIRE.pack), st.data())
def test_a_mutated_message_is_refused_or_within_its_bounds(data: bytes, draw: st.DataObject) -> None:
    mutated = bytearray(data)
    at = draw.draw(st.integers(0, len(mutated)))
    mutated[at : at + draw.draw(st.integers(0, 4))] = draw.draw(st.binary(max_size=4))
    try:
        found = WIRE.unpack(bytes(mutated))
    except BadPeer:
        return
    assert isinstance(found, Report | Unknown)
    if isinstance(found, Report):
        WIRE.pack(found)  # raises Bug where a bound was let through


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=20), st.lists(st.integers(1, 400), min_size=1))
def test_frames_survive_every_way_of_splitting_the_stream(payloads: list[bytes], steps: list[int]) -> None:
    stream = b"".join(map(frame, payloads))
    deframer = Deframer(300)
    found: list[bytes] = []
    turn = 0
    while stream:
        step = steps[turn % len(steps)]
        found += deframer.feed(stream[:step])
        stream = stream[step:]
        turn += 1
    assert found == payloads
    assert deframer.pending == 0


@given(st.lists(st.binary(max_size=100)))
def test_a_garbage_stream_never_holds_more_than_a_frame(pieces: list[bytes]) -> None:
    deframer = Deframer(50)
    for piece in pieces:
        try:
            found = deframer.feed(piece)
        except BadPeer:
            return
        assert all(0 < len(payload) <= 50 for payload in found)
        assert deframer.pending < 54
