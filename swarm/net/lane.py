"""A lane over one QUIC stream: what arrived and was not read yet, and who waits for it.

Credit follows `read`: the peer may send more once the application has taken what is here. A lane exists for the peer
from its first byte (or its end), not from `open_lane`, since QUIC sends nothing for a stream without data.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from swarm.errors import Bug, SwarmError

if TYPE_CHECKING:
    from swarm.net.lanes import Lanes

CONTROL_STREAM = 0  # the first bidirectional stream of the side that dialled


class QuicLane:
    """An ordered duplex byte stream."""

    def __init__(self, lanes: Lanes, stream_id: int) -> None:
        self._lanes = lanes
        self.stream_id = stream_id
        self._inbox: deque[bytes] = deque()
        self._skip = 0  # bytes of the inbox's first piece that were read
        self._readable = asyncio.Event()
        self._complete = False  # the peer has ended its direction
        self._closed = False  # we have ended ours
        self._failure: SwarmError | None = None

    async def read(self, limit: int) -> bytes:
        """See `swarm.wire.lane.Lane`. What arrived before the link was lost is still delivered.

        Raises Unavailable when the link is lost, BadPeer when it was ended for what the peer sent.
        """
        if limit < 1:
            raise Bug(f"a read of {limit} bytes")
        while not self._inbox:
            if self._complete:
                return b""
            if self._failure is not None:
                raise again(self._failure)
            self._readable.clear()
            await self._readable.wait()
        data = self._pull(limit)
        self._lanes.taken(self, len(data))
        return data

    async def write(self, data: bytes) -> None:
        """See `swarm.wire.lane.Lane`. All of `data` is queued at once: writers never interleave within one call.

        Raises like `read`.
        """
        if self._closed:
            raise Bug("write after close")
        if self._failure is not None:
            raise again(self._failure)
        self._lanes.put(self, data)
        while self._failure is None and self._lanes.crowded(self):
            await self._lanes.room()
        if self._failure is not None:
            raise again(self._failure)

    def close(self) -> None:
        """See `swarm.wire.lane.Lane`."""
        if not self._closed:
            self._closed = True
            self._lanes.finish(self)

    @property
    def done(self) -> bool:
        """Both directions have ended and everything was read."""
        return self._closed and not self._inbox and (self._complete or self._failure is not None)

    def arrive(self, data: bytes, complete: bool) -> None:
        """There is data for us, or the end of it."""
        if data:
            self._inbox.append(data)
        self._complete = self._complete or complete
        self._readable.set()

    def fail(self, failure: SwarmError) -> None:
        """Nothing more will come or go."""
        if self._failure is None:
            self._failure = failure
            self._readable.set()

    def discard(self) -> int:
        """Throws away what was not read; returns how many bytes that were."""
        size = sum(map(len, self._inbox)) - self._skip
        self._inbox.clear()
        self._skip = 0
        return size

    def _pull(self, limit: int) -> bytes:
        first = self._inbox[0]
        if len(first) - self._skip > limit:
            piece = first[self._skip : self._skip + limit]
            self._skip += limit
            return piece
        pieces, size = [first[self._skip :] if self._skip else first], len(first) - self._skip
        self._inbox.popleft()
        self._skip = 0
        while self._inbox and size < limit:
            piece = self._inbox[0]
            if size + len(piece) > limit:
                self._skip = limit - size
                pieces.append(piece[: self._skip])
                break
            pieces.append(self._inbox.popleft())
            size += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def again(failure: SwarmError) -> SwarmError:
    """The same failure for one more caller: a raised exception collects the tracebacks of all who raise it."""
    return type(failure)(failure.message, failure.hint)
