"""Limits on content: the mean holds, whoever waits is served in turn, and a lane stays whole."""

from __future__ import annotations

import asyncio
import time

import pytest

from swarm.net.rate import BURST, LARGEST_PIECE, SMALLEST_PIECE, Bucket, LimitedLane


def spend_all(bucket: Bucket, pieces: list[int]) -> float:
    """Seconds in virtual time that one spender takes, who waits as long as it is told."""
    now = 0.0
    for size in pieces:
        now += bucket.spend(size, now)
    return now


@pytest.mark.parametrize("piece", [100, 10_000, 1_000_000])
def test_the_mean_holds_whatever_the_pieces(piece: int) -> None:
    bucket = Bucket(100_000)
    took = spend_all(bucket, [piece] * (10_000_000 // piece))
    assert took == pytest.approx(100 - BURST, abs=0.01)


def test_after_a_rest_a_quarter_of_a_second_goes_at_once_and_no_more() -> None:
    bucket = Bucket(100_000)
    bucket.spend(1_000_000, 0.0)
    assert bucket.spend(25_000, 3600.0) == 0
    assert bucket.spend(10_000, 3600.0) == pytest.approx(0.1)


def test_those_who_come_together_wait_behind_one_another() -> None:
    bucket = Bucket(1000)
    bucket.spend(250, 0.0)
    assert [bucket.spend(1000, 0.0) for _ in range(3)] == pytest.approx([1.0, 2.0, 3.0])


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    bucket = Bucket(1000)
    bucket.spend(250, 100.0)
    assert bucket.spend(100, 50.0) == pytest.approx(0.1)


def test_pieces_are_bounded() -> None:
    assert Bucket(16_000).piece == SMALLEST_PIECE
    assert Bucket(10**9).piece == LARGEST_PIECE


class Recorded:
    """A lane that takes everything, and has `available` to read."""

    def __init__(self, available: bytes = b"") -> None:
        self.written = bytearray()
        self.available = available
        self.closed = False
        self.begun = asyncio.Event()

    async def read(self, limit: int) -> bytes:
        data, self.available = self.available[:limit], self.available[limit:]
        return data

    async def write(self, data: bytes) -> None:
        self.written += data
        self.begun.set()
        await asyncio.sleep(0)

    def close(self) -> None:
        self.closed = True


def test_writers_of_one_lane_do_not_interleave() -> None:
    inner = Recorded()

    async def scenario() -> None:
        lane = LimitedLane(inner, up=Bucket(2_000_000))
        await asyncio.gather(*(lane.write(bytes([number]) * 150_000) for number in range(3)))
        lane.close()

    asyncio.run(scenario())
    assert inner.written == b"".join(bytes([number]) * 150_000 for number in range(3))
    assert inner.closed


def test_a_writer_that_is_cancelled_leaves_no_half_of_a_message() -> None:
    inner = Recorded()

    async def scenario() -> None:
        lane = LimitedLane(inner, up=Bucket(100_000))
        writer = asyncio.create_task(lane.write(bytes(300_000)))
        await inner.begun.wait()
        writer.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writer

    asyncio.run(scenario())
    assert len(inner.written) == 300_000


def test_a_writer_that_is_cancelled_before_its_turn_writes_nothing() -> None:
    inner = Recorded()

    async def scenario() -> None:
        bucket = Bucket(16_000)
        bucket.spend(1_000_000, asyncio.get_running_loop().time())
        writer = asyncio.create_task(LimitedLane(inner, up=bucket).write(bytes(1000)))
        await asyncio.sleep(0)
        writer.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writer

    asyncio.run(scenario())
    assert not inner.written


@pytest.mark.parametrize("direction", ["up", "down"])
def test_two_lanes_share_what_there_is(direction: str) -> None:
    rate, size = 1_000_000, 300_000
    bucket = Bucket(rate)

    async def move(lane: LimitedLane) -> None:
        if direction == "up":
            await lane.write(bytes(size))
        else:
            while await lane.read(1 << 20):
                continue

    async def scenario() -> float:
        begun = time.monotonic()
        lanes = [LimitedLane(Recorded(bytes(size)), **{direction: bucket}) for _ in range(2)]
        await asyncio.gather(*map(move, lanes))
        return time.monotonic() - begun

    took = asyncio.run(scenario())
    assert took > 2 * size / rate - BURST - 0.01
    assert took < 3.0
