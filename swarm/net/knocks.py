"""Who waits for a channel to which device at one relay.

However many links ask for one device, the relay is asked once, and its answer is everybody's.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from swarm.errors import Unavailable

if TYPE_CHECKING:
    from swarm.wire.hop import Channel


class Knocks:
    """At one gate, by the handle of the device."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, list[asyncio.Future[Channel]]] = {}

    def add(self, handle: bytes) -> tuple[asyncio.Future[Channel], bool]:
        """One more who waits, and whether it is the first: then the relay is to be asked."""
        answer: asyncio.Future[Channel] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(handle, [])
        waiting.append(answer)
        return answer, len(waiting) == 1

    def opened(self, handle: bytes, channel: Channel) -> None:
        """There is a channel, whoever of the two sides asked for it."""
        for answer in self._waiting.pop(handle, []):
            if not answer.done():
                answer.set_result(channel)

    def refused(self, handle: bytes, why: str) -> None:
        """There will be none."""
        for answer in self._waiting.pop(handle, []):
            if not answer.done():
                answer.set_exception(Unavailable(why))

    def lost(self, why: str) -> None:
        """Nobody answers any more."""
        for handle in list(self._waiting):
            self.refused(handle, why)
