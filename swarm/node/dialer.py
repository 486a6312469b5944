"""The dialer: whom to dial, whom to ping, and when again. Pure: it is told what happened, and asked what is due.

Every address that may lead to a member is tried: hints of keys, addresses at which members were met, addresses from the
configuration, of the local network, and what members say of each other. An address that leads to a connected device
rests. Dialling is dear, so after failures it comes ever more seldom; a ping costs 17 bytes, so a member that was just
lost is pinged four times a second for the first minutes, and dialled as soon as it answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, TypeAlias

from swarm.wire.hop import Door

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swarm.ids import DeviceId
    from swarm.wire.hop import Address

FIRST_PAUSE = 0.5  # seconds between the first two attempts; then growing by half
LAST_PAUSE = 30.0
PING_PAUSE = 0.25  # seconds between pings while a search is fresh
LAST_PING_PAUSE = 5.0
FRESH = 90.0  # seconds that a search is fresh: a reboot, a change of networks
MAX_TARGETS = 512  # addresses known; members tell of theirs, so it must not grow with what they say
MAX_HEARSAY = 64  # of those, on the word of one member
PINGS_AT_ONCE = 64  # addresses asked in one turn
AT_ONCE = 8  # dials under way at the same time to addresses, and as many through relays
BEHIND = 0.3  # seconds that a dial through a relay comes after those to addresses: straight is better

Target: TypeAlias = "Address | Door"  # whom to dial: an address, or a device at a relay


@dataclass(slots=True)
class Trial:
    """How it goes with one target."""

    due: float
    fresh_until: float
    ping_due: float = 0.0
    ping_pause: float = PING_PAUSE
    pause: float = FIRST_PAUSE
    dialling: bool = False
    device: DeviceId | None = None  # whom it led to, last time
    told_by: DeviceId | None = None  # a member that says so; None for what we know ourselves


class Dialer:
    """Addresses and their turns."""

    def __init__(self) -> None:
        self.targets: dict[Target, Trial] = {}
        self._connected: set[DeviceId] = set()
        self._own: set[Target] = set()

    def know(
        self, addresses: Iterable[Target], now: float, device: DeviceId | None = None, told_by: DeviceId | None = None
    ) -> None:
        """These may lead to a member (to `device`, where that is known).

        What a member says of others (`told_by`) changes nothing of what is known, or it could say of anybody's address
        that whoever is there is connected already.
        """
        for address in addresses:
            target = self.targets.get(address)
            if target is None:
                if address in self._own or not self._has_room(told_by):
                    continue
                due = now + BEHIND if isinstance(address, Door) else now
                self.targets[address] = Trial(due, now + FRESH, now, device=device, told_by=told_by)
            elif told_by is None:
                target.told_by = None
                target.device = device or target.device

    def _has_room(self, told_by: DeviceId | None) -> bool:
        """Of too many addresses, hearsay goes first, then what failed most often. False where all have a claim."""
        if told_by is not None and sum(t.told_by == told_by for t in self.targets.values()) >= MAX_HEARSAY:
            return False
        if len(self.targets) < MAX_TARGETS:
            return True
        resting = [address for address, target in self.targets.items() if not target.dialling]
        worst = max(resting, key=lambda a: (self.targets[a].told_by is not None, self.targets[a].pause), default=None)
        if worst is None or self.targets[worst].pause == FIRST_PAUSE:
            return False
        del self.targets[worst]
        return True

    def due(self, now: float) -> list[Target]:
        """Whom to dial now; they count as being dialled from here on."""
        under_way = [isinstance(address, Door) for address, target in self.targets.items() if target.dialling]
        room = {behind: AT_ONCE - under_way.count(behind) for behind in (False, True)}
        chosen: list[Target] = []
        for address, target in sorted(self.targets.items(), key=lambda item: item[1].due):
            if target.due > now:
                break
            behind = isinstance(address, Door)
            if room[behind] > 0 and not target.dialling and target.device not in self._connected:
                target.dialling = True
                room[behind] -= 1
                chosen.append(address)
        return chosen

    def identify(self, targets: Iterable[Target], device: DeviceId) -> None:
        """Those of these that are known lead to that device."""
        for address in targets:
            if (target := self.targets.get(address)) is not None:
                target.device = device

    def needless(self, device: DeviceId) -> list[Target]:
        """Dials under way to a device that is connected by now."""
        return [address for address, target in self.targets.items() if target.dialling and target.device == device]

    def pings_due(self, now: float) -> list[Address]:
        """Whom to ping now."""
        asked = [
            address
            for address, target in self.targets.items()
            if not isinstance(address, Door)
            and target.ping_due <= now
            and target.device not in self._connected
            and _is_literal(address)
        ][:PINGS_AT_ONCE]
        for address in asked:
            target = self.targets[address]
            if now >= target.fresh_until:
                target.ping_pause = min(target.ping_pause * 1.5, LAST_PING_PAUSE)
            target.ping_due = now + target.ping_pause
        return asked

    def next_due(self) -> float | None:
        """When `due` or `pings_due` have something to say; None for never."""
        moments: list[float] = []
        for address, target in self.targets.items():
            if target.device not in self._connected:
                if not target.dialling:
                    moments.append(target.due)
                if not isinstance(address, Door) and _is_literal(address):
                    moments.append(target.ping_due)
        return min(moments, default=None)

    def answered(self, address: Target, now: float) -> bool:
        """Somebody is there. True when a dial that is under way may be older than that, and should begin again."""
        target = self.targets.get(address)
        if target is None or target.device in self._connected:
            return False
        target.due = min(target.due, now)
        return target.dialling

    def reached(self, address: Target, device: DeviceId) -> None:
        """A dial led to a device that is a member."""
        target = self.targets.get(address)
        if target is not None:
            target.device = device
            target.told_by = None
            target.dialling = False
            target.pause = FIRST_PAUSE

    def failed(self, address: Target, now: float) -> None:
        target = self.targets.get(address)
        if target is not None:
            target.dialling = False
            target.due = now + target.pause
            target.pause = min(target.pause * 1.5, LAST_PAUSE)
            if target.told_by is not None and target.pause == LAST_PAUSE:
                del self.targets[address]  # hearsay that leads nowhere; whoever knows better will say so again

    def is_self(self, address: Target) -> None:
        """The address is our own."""
        self._own.add(address)
        self.targets.pop(address, None)

    def connected(self, device: DeviceId) -> None:
        self._connected.add(device)

    def lost(self, device: DeviceId, now: float) -> None:
        """It was connected: look for it at once and often."""
        self._connected.discard(device)
        for address, target in self.targets.items():
            if target.device == device:
                _begin(address, target, now)

    def hurry(self, now: float) -> None:
        """Something changed (a new folder, a new network, a sleep): everybody is tried at once."""
        self._own.clear()  # an address that was ours may be another's now
        for address, target in self.targets.items():
            _begin(address, target, now)


def _begin(address: Target, target: Trial, now: float) -> None:
    target.due, target.pause = now + BEHIND if isinstance(address, Door) else now, FIRST_PAUSE
    target.ping_due, target.ping_pause = now, PING_PAUSE
    target.fresh_until = now + FRESH


@lru_cache(MAX_TARGETS)
def _is_literal(address: Address) -> bool:
    """A name is not pinged: it would have to be looked up."""
    try:
        ip_address(address[0])
    except ValueError:
        return False
    return True
