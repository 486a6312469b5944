"""Requests: what was asked of members and is not answered yet, and who can be asked for more.

A pull: at most so many bytes are outstanding with a member, in at most so many requests. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from swarm.sync.events import Ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from swarm.ids import DeviceId
    from swarm.sync.assembly import Request
    from swarm.sync.lacking import Lacking

MAX_OUTSTANDING = 8 << 20  # bytes asked of one member and not answered: a second of 64 Mbit/s
MAX_REQUESTS = 32  # requests out with one member: it takes no more than 64 on a lane
REQUEST_TIMEOUT = 60.0  # seconds without any part of an answer, to this or to another request of the same member


class Requests:
    """Of one folder, by their numbers."""

    def __init__(self, lacking: Lacking, out: Callable[[Ask], None]) -> None:
        self._lacking = lacking
        self._out = out
        self._open: dict[int, Request] = {}
        self._next = 1
        self._outstanding: dict[DeviceId, int] = {}  # members that are connected -> bytes
        self._out_with: defaultdict[DeviceId, int] = defaultdict(int)  # requests, by member

    def __iter__(self) -> Iterator[int]:
        return iter(self._open)

    def __len__(self) -> int:
        return len(self._open)

    # -- members

    def member_up(self, peer: DeviceId) -> None:
        self._outstanding.setdefault(peer, 0)

    def member_down(self, peer: DeviceId) -> list[Request]:
        """What it will not answer any more."""
        closed = [self.close(number) for number, request in list(self._open.items()) if request.peer == peer]
        self._outstanding.pop(peer, None)
        return [request for request in closed if request is not None]

    def has_room(self) -> bool:
        """Whether some member may be asked for more. One request may go beyond the limit, by what it asks for."""
        return any(self._takes_more(peer) for peer in self._outstanding)

    def pick(self, names: Iterable[bytes]) -> DeviceId | None:
        """The member with the least outstanding that may have these and has room."""
        best: DeviceId | None = None
        for peer, used in self._outstanding.items():
            if not self._takes_more(peer) or self._lacking.lacks(peer, names):
                continue
            if best is None or used < self._outstanding[best]:
                best = peer
        return best

    def _takes_more(self, peer: DeviceId) -> bool:
        return self._outstanding[peer] < MAX_OUTSTANDING and self._out_with[peer] < MAX_REQUESTS

    # -- their lives

    def grow(self, request: Request, size: int) -> None:
        """`size`: bytes more that are expected, whether it was sent or will be."""
        request.expected += size
        self._outstanding[request.peer] += size

    def send(self, request: Request) -> None:
        number = self._next
        self._next = number % 0xFFFFFFFF + 1
        self._open[number] = request
        self._out_with[request.peer] += 1
        self._out(Ask(request.peer, number, request.what, tuple(request.wanted), request.expected))

    def heard(self, number: int, peer: DeviceId, now: float) -> Request | None:
        """What an answer is to; None where it was given up, or never asked."""
        request = self._open.get(number)
        if request is None or request.peer != peer:
            return None
        for other in self._open.values():
            if other.peer == peer:  # they wait behind this one: a slow member is not one that has nothing
                other.heard = now
        return request

    def close(self, number: int) -> Request | None:
        """Nothing more is expected of it. Returns it, if it was out."""
        request = self._open.pop(number, None)
        if request is not None:
            self._out_with[request.peer] -= 1
            self._outstanding[request.peer] -= request.expected
        return request

    def take_overdue(self, now: float) -> list[Request]:
        """Those whose member has been silent for too long. It counts as one that has nothing of that."""
        overdue = [number for number, request in self._open.items() if now >= request.heard + REQUEST_TIMEOUT]
        closed = []  # the sum is that of next_due, or rounding makes the engine spin
        for number in overdue:
            if (request := self.close(number)) is not None:
                self._lacking.add(request.peer, request.wanted, now)
                closed.append(request)
        return closed

    def next_due(self) -> float | None:
        return min((request.heard + REQUEST_TIMEOUT for request in self._open.values()), default=None)
