"""How long a peer may take: to shake hands, to be trusted, and to stay silent. A pure machine; time is an argument.

A silent peer is pinged and counts as gone only some time after that ping: if it was we who slept, or whose loop was
blocked, the wait begins when we are back.
"""

from __future__ import annotations

import math
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swarm.net.limits import Limits


class Judgement(Enum):
    """What to do now."""

    WAIT = auto()
    PING = auto()
    NO_HANDSHAKE = auto()  # the handshake took too long
    NO_TRUST = auto()  # so did the proof of who it is
    SILENT = auto()  # the ping was not answered


class Patience:
    """With one peer."""

    def __init__(self, limits: Limits, now: float, *, dialled: bool) -> None:
        """Whoever dials has set a time for the handshake already: for them it never ends here."""
        self._limits = limits
        self._deadline = math.inf if dialled else now + limits.stranger_seconds
        self._established_at: float | None = None
        self._pinged_at: float | None = None
        self._grace = limits.lost_seconds  # for the answer to that ping

    def established(self, now: float) -> None:
        """The handshake is complete."""
        self._established_at = now
        self._deadline = now + self._limits.stranger_seconds

    def trusted(self) -> None:
        """It has proved who it is."""
        self._deadline = math.inf

    def hasten(self, now: float, *, has_doors: bool = False) -> bool:
        """Something happened that may have ended the link. True: ping it now, and the answer must come soon.

        `has_doors`: there are relays to find it by, which takes them some round trips.
        """
        if self._established_at is None or self._pinged_at is not None:
            return False
        self._pinged_at = now
        self._grace = self._limits.lost_seconds if has_doors else self._limits.wake_seconds
        return True

    def judge(self, heard_at: float, now: float) -> Judgement:
        """`heard_at`: when its last authentic packet came. To be called at `look_at`, or earlier."""
        if now >= self._deadline:
            return Judgement.NO_HANDSHAKE if self._established_at is None else Judgement.NO_TRUST
        if self._established_at is None:
            return Judgement.WAIT
        heard_at = max(heard_at, self._established_at)
        if self._pinged_at is not None and heard_at >= self._pinged_at:
            self._pinged_at = None
        if self._pinged_at is None:
            if now >= heard_at + self._limits.quiet_seconds:
                self._pinged_at = now
                self._grace = self._limits.lost_seconds
                return Judgement.PING
        elif now >= self._pinged_at + self._grace:
            return Judgement.SILENT
        return Judgement.WAIT

    def look_at(self, heard_at: float) -> float:
        """When `judge` may have something to say; math.inf for never."""
        if self._established_at is None:
            return self._deadline
        if self._pinged_at is None:
            look = max(heard_at, self._established_at) + self._limits.quiet_seconds
        else:
            look = self._pinged_at + self._grace
        return min(look, self._deadline)
