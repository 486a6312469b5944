"""The lanes of one link, over streams that are only noted."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from swarm.errors import BadPeer, Unavailable
from swarm.net.lanes import UNSENT_HIGH, UNSENT_LANE, Lanes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

WAITING = 2


class Streams:
    """What lanes want of QUIC."""

    def __init__(self) -> None:
        self.trusted = True
        self.unsent_of: Counter[int] = Counter()
        self.forgotten: list[int] = []
        self.forfeited: list[int] = []
        self.taken: list[tuple[int, int]] = []
        self.stopped: set[int] = set()
        self.next = 0

    def get_next_available_stream_id(self) -> int:
        return self.next

    def send_stream_data(self, stream_id: int, data: bytes, end_stream: bool = False) -> None:
        if stream_id in self.stopped:
            raise RuntimeError("stopped")
        self.next = max(self.next, stream_id + 4)
        self.unsent_of[stream_id] += len(data)

    def take(self, stream_id: int, size: int) -> bool:
        self.taken.append((stream_id, size))
        return False

    def unsent(self, stream_id: int) -> int:
        return self.unsent_of[stream_id]

    def unsent_in_all(self) -> int:
        return self.unsent_of.total()

    def forget(self, stream_id: int) -> None:
        self.forgotten.append(stream_id)

    def forfeit(self, stream_id: int) -> None:
        self.forfeited.append(stream_id)


def play(story: Callable[[Lanes, Streams], Awaitable[None]]) -> None:
    async def stage() -> None:
        streams: Any = Streams()
        await story(Lanes(streams, WAITING, lambda: None), streams)

    asyncio.run(stage())


def test_lanes_are_accepted_in_the_order_in_which_the_peer_opened_them() -> None:
    async def story(lanes: Lanes, _: Streams) -> None:
        waiting = asyncio.ensure_future(lanes.accept())
        await asyncio.sleep(0)
        lanes.arrived(1, b"one", False)
        lanes.arrived(5, b"two", False)
        assert await (await waiting).read(10) == b"one"
        assert await (await lanes.accept()).read(10) == b"two"

    play(story)


def test_before_it_is_trusted_a_peer_has_the_control_lane_alone() -> None:
    async def story(lanes: Lanes, streams: Streams) -> None:
        streams.trusted = False
        lanes.arrived(0, b"hello", False)
        with pytest.raises(BadPeer):
            lanes.arrived(4, b"", False)

    play(story)


def test_a_peer_that_opens_more_lanes_than_anybody_accepts_breaks_the_rules() -> None:
    async def story(lanes: Lanes, _: Streams) -> None:
        for number in range(WAITING + 1):
            lanes.arrived(4 * number, b"", False)
        with pytest.raises(BadPeer):
            lanes.arrived(4 * (WAITING + 1), b"", False)
        lanes.arrived(0, b"more", False)  # those that are there go on

    play(story)


def test_a_lane_that_is_abandoned_before_it_was_accepted_never_was() -> None:
    async def story(lanes: Lanes, streams: Streams) -> None:
        lanes.arrived(0, b"first", False)
        lanes.arrived(4, b"second", False)
        lanes.reset(0)
        assert streams.forfeited == [0]
        assert streams.forgotten == [0]
        assert await (await lanes.accept()).read(10) == b"second"
        lanes.reset(8)  # which nobody knows
        assert streams.forfeited == [0, 8]

    play(story)


def test_a_lane_is_forgotten_once_both_have_ended_it_and_all_was_read() -> None:
    async def story(lanes: Lanes, streams: Streams) -> None:
        lane = lanes.open()
        lanes.arrived(lane.stream_id, b"last words", True)
        lane.close()
        assert streams.forgotten == []
        assert await lane.read(100) == b"last words"
        assert streams.forgotten == [lane.stream_id]

    play(story)


def test_a_writer_waits_where_its_lane_and_the_link_are_full_and_the_control_lane_passes_it() -> None:
    async def story(lanes: Lanes, streams: Streams) -> None:
        control, bulk = lanes.open(), lanes.open()
        writing = asyncio.ensure_future(bulk.write(bytes(UNSENT_HIGH + 1)))
        await asyncio.sleep(0)
        assert not writing.done()
        await asyncio.wait_for(control.write(bytes(UNSENT_LANE)), 1.0)
        streams.unsent_of.clear()
        lanes.sent()
        await writing

    play(story)


def test_a_lane_whose_peer_reads_no_more_cannot_be_written_and_can_be_closed() -> None:
    async def story(lanes: Lanes, streams: Streams) -> None:
        lane = lanes.open()
        streams.stopped.add(lane.stream_id)
        with pytest.raises(Unavailable):
            await lane.write(b"x")
        lane.close()

    play(story)


def test_a_link_that_ends_frees_all_who_wait_and_what_arrived_is_still_read() -> None:
    async def story(lanes: Lanes, streams: Streams) -> None:
        lane = lanes.open()
        lanes.arrived(lane.stream_id, b"arrived", False)
        writing = asyncio.ensure_future(lane.write(bytes(UNSENT_HIGH + 1)))
        accepting = asyncio.ensure_future(lanes.accept())
        await asyncio.sleep(0)
        lanes.fail(Unavailable("gone"))
        for waiting in (writing, accepting):
            with pytest.raises(Unavailable, match="gone"):
                await waiting
        assert await lane.read(100) == b"arrived"
        assert streams.taken == [(lane.stream_id, 7)]
        with pytest.raises(Unavailable):
            await lane.read(100)
        with pytest.raises(Unavailable):
            lanes.open()

    play(story)
