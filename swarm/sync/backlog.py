"""The backlog: what came from members and is not on the disk yet. A network that is faster than the disk must not fill
the memory, so nothing more is asked for while this is full. Pure."""

from __future__ import annotations

from collections import deque
from typing import Final, TypeVar

from swarm.sync.events import StoreChunks, StoreFiles

MAX_UNWRITTEN: Final = 32 << 20  # bytes; beside what is asked for already, a third of a second of a fast disk

Work = TypeVar("Work", StoreChunks, StoreFiles)


class Backlog:
    """Of one folder."""

    def __init__(self) -> None:
        self._sizes: deque[int] = deque()  # bytes, by piece of work
        self._bytes = 0

    def is_full(self) -> bool:
        return self._bytes >= MAX_UNWRITTEN

    def taking(self, work: Work) -> Work:
        """`work` itself, which the disk is given now."""
        size = sum(len(piece[-1]) for piece in work.pieces)
        self._sizes.append(size)
        self._bytes += size
        return work

    def done(self) -> None:
        """The disk has done, or refused, one piece of work. They are done in order."""
        if self._sizes:
            self._bytes -= self._sizes.popleft()
