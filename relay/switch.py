"""Passing on: which path the other end of a channel has, and whether it may be used. Pure, and as short as can be.

This is what runs for each packet. A channel's number is the same on both sides, so that nothing has to be rewritten;
the sender's path is looked up as the socket gave it.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from relay.allowance import Allowance

if TYPE_CHECKING:
    from relay.client import Client
    from relay.limits import Limits
    from relay.path import Path


class Drop(Enum):
    """Why something is not passed on."""

    UNKNOWN = auto()  # no such channel, or the sender is no end of it
    OVER_RATE = auto()


UNKNOWN: Final = Drop.UNKNOWN
OVER_RATE: Final = Drop.OVER_RATE


class Way:
    """One direction of a channel."""

    __slots__ = ("to", "traffic", "used_at")

    def __init__(self, to: Path, traffic: Allowance, now: float) -> None:
        self.to = to
        self.traffic = traffic  # the sender's
        self.used_at = now


class Switch:
    """All channels that are open."""

    def __init__(self, limits: Limits, now: float) -> None:
        self._total = Allowance(limits.total_rate, limits.total_rate * limits.burst_seconds, now)
        self._ways: dict[int, dict[Path, Way]] = {}
        self.packets = 0
        self.bytes = 0
        self.over_rate = 0  # packets dropped for that

    def __len__(self) -> int:
        return len(self._ways)

    def forward(self, channel: int, source: Path, size: int, packets: int, now: float) -> Path | Drop:
        """Where these packets, of `size` bytes together, go to."""
        try:
            way = self._ways[channel][source]
        except KeyError:
            return UNKNOWN
        way.used_at = now
        if not (way.traffic.take(size, now) and self._total.take(size, now)):
            self.over_rate += packets
            return OVER_RATE
        self.packets += packets
        self.bytes += size
        return way.to

    def connect(self, channel: int, one: Client, other: Client, now: float) -> None:
        """Opens a channel, or tells it where its ends are now."""
        self._ways[channel] = {
            one.path: Way(other.path, one.traffic, now),
            other.path: Way(one.path, other.traffic, now),
        }

    def disconnect(self, channel: int) -> None:
        self._ways.pop(channel, None)

    def used_at(self, channel: int) -> float:
        """When something was said on it for the last time."""
        return max((way.used_at for way in self._ways.get(channel, {}).values()), default=float("-inf"))
