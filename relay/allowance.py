"""A token bucket: so much a second, and so much at once. Pure."""

from __future__ import annotations


class Allowance:
    """What one may still use. Whoever takes too much gets nothing, and loses nothing by asking."""

    __slots__ = ("_at", "_left", "burst", "rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        """`rate`: a second. `burst`: at once, and to begin with."""
        self.rate = rate
        self.burst = burst
        self._left = burst
        self._at = now

    def take(self, amount: float, now: float) -> bool:
        """May so much be used now? If so, it is."""
        if now > self._at:
            left = self._left + (now - self._at) * self.rate
            self._left = left if left < self.burst else self.burst
            self._at = now
        if self._left < amount:
            return False
        self._left -= amount
        return True
