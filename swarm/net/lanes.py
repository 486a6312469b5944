"""The lanes of one link: which there are, which the peer has opened and nobody accepted yet, and who waits for room.

What arrives for a stream that is not known is a lane that the peer opens. How many it may is bounded twice: QUIC grants
streams by their number, and here those that wait to be accepted are counted. Before the peer is trusted there is one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from swarm.errors import BadPeer, SwarmError, Unavailable
from swarm.net.lane import CONTROL_STREAM, QuicLane, again

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm.net.capped import CappedConnection

UNSENT_HIGH = 1 << 20  # bytes written and not on the wire, of all lanes of a link, above which writers wait
UNSENT_LANE = 64 << 10  # but not those of a lane with less than this: the control lane passes the bulk


class Lanes:
    """Between QUIC's streams and whoever reads and writes."""

    def __init__(self, quic: CappedConnection, waiting: int, on_work: Callable[[], None]) -> None:
        """`waiting`: of these may wait for `accept`, beside the control lane. `on_work`: there is something to send."""
        self._quic = quic
        self._waiting = waiting
        self._on_work = on_work
        self._lanes: dict[int, QuicLane] = {}
        self._offered: deque[QuicLane] = deque()  # opened by the peer and not accepted yet
        self._offer = asyncio.Event()
        self._room = asyncio.Event()
        self._failure: SwarmError | None = None

    # -- what the link's user wants

    def open(self) -> QuicLane:
        """A new one. Raises Unavailable."""
        self._check()
        stream_id = self._quic.get_next_available_stream_id()
        self._quic.send_stream_data(stream_id, b"")  # takes the id
        lane = self._lanes[stream_id] = QuicLane(self, stream_id)
        return lane

    async def accept(self) -> QuicLane:
        """The next one that the peer has opened. Raises what the link ended with."""
        while not self._offered:
            self._check()
            self._offer.clear()
            await self._offer.wait()
        return self._offered.popleft()

    # -- what a lane wants

    def put(self, lane: QuicLane, data: bytes) -> None:
        """Queues bytes of a lane. Raises Unavailable where the peer no longer takes them."""
        try:
            self._quic.send_stream_data(lane.stream_id, data)
        except (RuntimeError, ValueError):  # the stream was reset, or stopped by the peer
            raise Unavailable("the peer has stopped reading this lane") from None
        self._on_work()

    def finish(self, lane: QuicLane) -> None:
        """Ends our direction of a lane."""
        with suppress(RuntimeError, ValueError):  # the peer stopped it before we could
            self._quic.send_stream_data(lane.stream_id, b"", end_stream=True)
        self._on_work()
        self._forget_if_done(lane)

    def taken(self, lane: QuicLane, size: int) -> None:
        """The application has read `size` bytes of a lane."""
        if self._quic.take(lane.stream_id, size):
            self._on_work()
        self._forget_if_done(lane)

    def crowded(self, lane: QuicLane) -> bool:
        """Is there more waiting to be sent than a writer of this lane should add to?"""
        return self._quic.unsent(lane.stream_id) > UNSENT_LANE and self._quic.unsent_in_all() > UNSENT_HIGH

    async def room(self) -> None:
        """Until something was sent, or nothing will be."""
        self._room.clear()
        await self._room.wait()

    # -- what the connection tells

    def arrived(self, stream_id: int, data: bytes, complete: bool) -> None:
        """Bytes of a stream, or its end. Raises BadPeer for a lane that the peer may not open."""
        lane = self._lanes.get(stream_id) or self._offered_lane(stream_id)
        lane.arrive(data, complete)
        self._forget_if_done(lane)

    def reset(self, stream_id: int) -> None:
        """The peer has abandoned a lane. One that nobody accepted yet is as if it never was."""
        self._quic.forfeit(stream_id)
        lane = self._lanes.get(stream_id)
        if lane is None:
            return
        lane.discard()
        lane.fail(Unavailable("the peer has abandoned this lane"))
        if lane in self._offered:
            self._offered.remove(lane)
            lane.close()

    def sent(self) -> None:
        """Something went out, or never will: whoever waits for room looks again."""
        self._room.set()

    def fail(self, failure: SwarmError) -> None:
        """The link has ended."""
        self._failure = failure
        for lane in self._lanes.values():
            lane.fail(failure)
        self._offer.set()
        self._room.set()

    def _offered_lane(self, stream_id: int) -> QuicLane:
        """The lane of a stream that the peer has just opened."""
        if not self._quic.trusted and stream_id != CONTROL_STREAM:
            raise BadPeer("a second lane before the peer was trusted")
        if len(self._offered) > self._waiting:
            raise BadPeer("more lanes than were accepted")
        lane = self._lanes[stream_id] = QuicLane(self, stream_id)
        self._offered.append(lane)
        self._offer.set()
        return lane

    def _forget_if_done(self, lane: QuicLane) -> None:
        if lane.done and self._lanes.pop(lane.stream_id, None) is not None:
            self._quic.forget(lane.stream_id)

    def _check(self) -> None:
        if self._failure is not None:
            raise again(self._failure)
