"""What carries bulk to and from one peer, and when to try for something better. Pure; time is an argument.

TLS over TCP moves several times as much as QUIC in Python, so it is preferred wherever it can be had; QUIC is there
always. First we dial the peer; if that fails (it is behind a NAT, say), we invite it to dial us. What fails is tried
again later and later: networks change, and a try costs next to nothing.
"""

from __future__ import annotations

import math
from enum import Enum, auto

FIRST_PAUSE = 5.0  # seconds after the first failure of both ways; then doubling
LAST_PAUSE = 900.0
STABLE = 60.0  # seconds after which a lane that was lost counts as one that had worked
TRY_SECONDS = 10.0  # for one try of one way: messages, TCP, TLS


class Way(Enum):
    """How a connection over TCP comes about."""

    DIAL = auto()  # we dial the peer
    INVITE = auto()  # the peer dials us


class LaneChoice:
    """Of one peer."""

    def __init__(self, now: float, *, ways: tuple[Way, ...] = (Way.DIAL, Way.INVITE)) -> None:
        """`ways`: those possible here, in their order; none for a peer that TCP cannot reach."""
        self._ways = ways
        self._next = 0  # index of the way to try next
        self._due = now if ways else math.inf
        self._deadline = math.inf  # of the try under way
        self._pause = FIRST_PAUSE
        self._lanes: dict[object, float] = {}  # those that are up, since when

    @property
    def carrier(self) -> str:
        """ "tcp" while a lane over TCP is up, else "quic"."""
        return "tcp" if self._lanes else "quic"

    def look_at(self) -> float:
        """When `turn` has something to say; math.inf for not before something happens."""
        return min(self._due, self._deadline)

    def turn(self, now: float) -> Way | None:
        """The way to try now, which is then under way. A try whose time is up has failed."""
        if now >= self._deadline:
            self.failed(now)
        if now < self._due:
            return None
        self._due, self._deadline = math.inf, now + TRY_SECONDS
        return self._ways[self._next]

    def begin_anew(self, now: float) -> None:
        """The peer is reached another way: what failed before may work now."""
        if self._ways and not self._lanes and self._deadline == math.inf:
            self._next, self._due, self._pause = 0, now, FIRST_PAUSE

    def opened(self, lane: object, now: float) -> None:
        """A lane over TCP is up; the way that led to it is the one to try first the next time."""
        self._lanes[lane] = now
        self._due = self._deadline = math.inf

    def failed(self, now: float) -> None:
        """The try under way led to nothing. Ignored where none is under way: it was given up, or has succeeded."""
        if self._deadline == math.inf:
            return
        self._deadline = math.inf
        self._next = (self._next + 1) % len(self._ways)
        self._due = now
        if self._next == 0:
            self._back_off(now)

    def lost(self, lane: object, now: float) -> None:
        """A lane over TCP is no more."""
        since = self._lanes.pop(lane, None)
        if since is None or self._lanes:
            return
        if now - since >= STABLE:
            self._pause = FIRST_PAUSE
        self._back_off(now)

    def _back_off(self, now: float) -> None:
        self._due = now + self._pause
        self._pause = min(2 * self._pause, LAST_PAUSE)
