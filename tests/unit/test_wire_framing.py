import tracemalloc

import pytest

from swarm.errors import BadPeer, Bug
from swarm.wire.framing import PREFIX_BYTES, Deframer, frame

LIMIT = 1000


def test_a_frame_is_its_length_and_its_payload() -> None:
    assert frame(b"abc") == b"\x00\x00\x00\x03abc"


def test_an_empty_frame_is_our_bug() -> None:
    with pytest.raises(Bug):
        frame(b"")


def test_frames_come_out_whole_however_the_stream_is_split() -> None:
    payloads = [b"a", b"b" * LIMIT, b"c" * 17]
    stream = b"".join(map(frame, payloads))
    for step in (1, 2, 3, 4, 5, 7, 100, 1003, len(stream)):
        deframer = Deframer(LIMIT)
        found = [one for at in range(0, len(stream), step) for one in deframer.feed(stream[at : at + step])]
        assert found == payloads
        assert deframer.pending == 0
        assert all(type(one) is bytes for one in found)


def test_a_frame_that_is_cut_off_stays_pending() -> None:
    deframer = Deframer(LIMIT)
    assert deframer.feed(frame(b"abc")[:-1]) == []
    assert deframer.pending == 6
    assert deframer.feed(b"c\x00") == [b"abc"]
    assert deframer.pending == 1


@pytest.mark.parametrize("length", [0, LIMIT + 1, 1 << 31, (1 << 32) - 1])
def test_a_frame_of_no_allowed_length_is_refused_at_its_prefix(length: int) -> None:
    deframer = Deframer(LIMIT)
    prefix = length.to_bytes(PREFIX_BYTES, "big")
    assert deframer.feed(prefix[:-1]) == []
    with pytest.raises(BadPeer, match=f"{length} bytes"):
        deframer.feed(prefix[-1:])
    with pytest.raises(BadPeer):
        deframer.feed(frame(b"too late"))


def test_a_bad_frame_behind_good_ones_is_refused() -> None:
    with pytest.raises(BadPeer):
        Deframer(LIMIT).feed(frame(b"good") + bytes(PREFIX_BYTES))


def test_the_limit_can_be_raised_once_the_peer_is_trusted() -> None:
    deframer = Deframer(3)
    assert deframer.feed(frame(b"abc")) == [b"abc"]
    deframer.limit = 4
    assert deframer.feed(frame(b"abcd")) == [b"abcd"]
    with pytest.raises(BadPeer):
        deframer.feed(frame(b"abcde"))


def test_an_announced_length_reserves_nothing() -> None:
    tracemalloc.start()
    try:
        deframer = Deframer(1 << 31)
        deframer.feed((1 << 31).to_bytes(PREFIX_BYTES, "big"))
        deframer.feed(bytes(1000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100_000


def test_memory_is_given_back_after_a_large_frame() -> None:
    deframer = Deframer(1 << 20)
    large = frame(bytes(1 << 20))
    tracemalloc.start()
    try:
        for at in range(0, len(large), 65536):
            deframer.feed(large[at : at + 65536])
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert deframer.pending == 0
    assert held < 100_000


def test_bytes_between_frames_are_taken_as_they_are() -> None:
    deframer = Deframer(LIMIT)
    raw = b"\xff" * 10
    deframer.push(frame(b"ten bytes follow") + raw + frame(b"next"))
    assert deframer.pop() == b"ten bytes follow"
    assert deframer.take(6) + deframer.take(4) == raw
    assert deframer.pop() == b"next"
    assert deframer.pop() is None


def test_no_more_is_taken_than_is_there() -> None:
    deframer = Deframer(LIMIT)
    deframer.push(frame(b"ten bytes follow") + b"four")
    assert deframer.pop() == b"ten bytes follow"
    assert deframer.take(10) == b"four"
    assert deframer.take(6) == b""
