"""The dialer: whom to dial, and when again. Pure: it is told what happened, and asked what is due.

Every address that may lead to a member is tried: hints of keys, addresses at which members were met, addresses from the
configuration. An address that leads to a connected device rests. A member that was just lost is looked for often.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swarm.ids import DeviceId

FIRST_PAUSE = 0.5  # seconds between the first two attempts; then growing by half
LAST_PAUSE = 30.0
MAX_TARGETS = 512  # addresses known; members tell of theirs, so it must not grow with what they say
AT_ONCE = 8  # dials under way at the same time

Address = tuple[str, int]


@dataclass(slots=True)
class Target:
    """One address."""

    due: float
    pause: float = FIRST_PAUSE
    dialling: bool = False
    device: DeviceId | None = None  # whom it led to, last time


class Dialer:
    """Addresses and their turns."""

    def __init__(self) -> None:
        self.targets: dict[Address, Target] = {}
        self._connected: set[DeviceId] = set()
        self._own: set[Address] = set()

    def know(self, addresses: Iterable[Address], now: float, device: DeviceId | None = None) -> None:
        """These may lead to a member (to `device`, where that is known)."""
        for address in addresses:
            if address in self._own or (address not in self.targets and not self._make_room()):
                continue
            target = self.targets.setdefault(address, Target(now))
            if device is not None:
                target.device = device

    def _make_room(self) -> bool:
        """Of too many addresses, the one that failed most often goes; False where all have a claim."""
        if len(self.targets) < MAX_TARGETS:
            return True
        worst = max(self.targets, key=lambda address: self.targets[address].pause)
        if self.targets[worst].pause == FIRST_PAUSE or self.targets[worst].dialling:
            return False
        del self.targets[worst]
        return True

    def due(self, now: float) -> list[Address]:
        """Whom to dial now; they count as being dialled from here on."""
        room = AT_ONCE - sum(target.dialling for target in self.targets.values())
        chosen: list[Address] = []
        for address, target in sorted(self.targets.items(), key=lambda item: item[1].due):
            if len(chosen) >= room or target.due > now:
                break
            if not target.dialling and target.device not in self._connected:
                target.dialling = True
                chosen.append(address)
        return chosen

    def next_due(self) -> float | None:
        return min(
            (t.due for t in self.targets.values() if not t.dialling and t.device not in self._connected),
            default=None,
        )

    def reached(self, address: Address, device: DeviceId) -> None:
        """A dial led to a device that is a member."""
        target = self.targets.get(address)
        if target is not None:
            target.device = device
            target.dialling = False
            target.pause = FIRST_PAUSE

    def failed(self, address: Address, now: float) -> None:
        target = self.targets.get(address)
        if target is not None:
            target.dialling = False
            target.due = now + target.pause
            target.pause = min(target.pause * 1.5, LAST_PAUSE)

    def is_self(self, address: Address) -> None:
        """The address is our own."""
        self._own.add(address)
        self.targets.pop(address, None)

    def connected(self, device: DeviceId) -> None:
        self._connected.add(device)

    def lost(self, device: DeviceId, now: float) -> None:
        """It was connected: look for it at once and often."""
        self._connected.discard(device)
        for target in self.targets.values():
            if target.device == device:
                target.due, target.pause = now, FIRST_PAUSE

    def hurry(self, now: float) -> None:
        """Something changed (a new folder, a new network): everybody is tried at once."""
        for target in self.targets.values():
            target.due, target.pause = now, FIRST_PAUSE
