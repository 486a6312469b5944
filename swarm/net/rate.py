"""How fast content may go: a token bucket, and a lane that pays into it.

The bucket may be overdrawn, once: who spends is told how long to wait until the debt is paid, and who comes meanwhile
waits behind. So everybody is served in turn, large pieces need no large bucket, and the mean holds exactly.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from swarm.wire.lane import Lane

BURST: Final = 0.25  # seconds' worth that may go at once after a rest: shorter than any network's idea of a second
SMALLEST_PIECE, LARGEST_PIECE = 1 << 10, 128 << 10  # bytes that are paid for at once
LAST_SECONDS: Final = 1.0  # for the rest of what a cancelled writer has begun; a daemon that ends has no more
PIECES: Final = 20  # a second, between these: a slow lane trickles, and does not stutter


class Bucket:
    """So many bytes a second. Pure."""

    def __init__(self, rate: int) -> None:
        """rate: bytes a second, 1 at least."""
        self.rate = rate
        self.piece = min(LARGEST_PIECE, max(SMALLEST_PIECE, rate // PIECES))
        self._most = rate * BURST
        self._left = self._most
        self._at = 0.0

    def spend(self, size: int, now: float) -> float:
        """Takes `size` bytes; returns for how many seconds the spender has to wait then."""
        self._left = min(self._most, self._left + max(0.0, now - self._at) * self.rate) - size
        self._at = now
        return max(0.0, -self._left / self.rate)


class LimitedLane:
    """Implements `swarm.wire.lane.Lane` over another one, no faster than the buckets allow."""

    def __init__(self, lane: Lane, *, up: Bucket | None = None, down: Bucket | None = None) -> None:
        self._lane = lane
        self._up = up
        self._down = down
        self._writing = asyncio.Lock()

    async def read(self, limit: int) -> bytes:
        """See `swarm.wire.lane.Lane`. Paid for afterwards: what is not read makes the sender wait."""
        if self._down is None:
            return await self._lane.read(limit)
        data = await self._lane.read(min(limit, self._down.piece))
        await _pay(self._down, len(data))
        return data

    async def write(self, data: bytes) -> None:
        """See `swarm.wire.lane.Lane`. Calls at the same time do not interleave."""
        if self._up is None:
            await self._lane.write(data)
            return
        async with self._writing:
            sent = 0
            try:
                while sent < len(data):
                    piece = data[sent : sent + self._up.piece]
                    await _pay(self._up, len(piece))
                    sent += len(piece)
                    await self._lane.write(piece)
            except asyncio.CancelledError:
                if 0 < sent < len(data):  # half of a message, and then an end, would be an offence: the rest is a gift
                    async with asyncio.timeout(LAST_SECONDS):
                        await self._lane.write(data[sent:])
                raise

    def close(self) -> None:
        """See `swarm.wire.lane.Lane`."""
        self._lane.close()


async def _pay(bucket: Bucket, size: int) -> None:
    wait = bucket.spend(size, asyncio.get_running_loop().time())
    if wait:
        await asyncio.sleep(wait)
