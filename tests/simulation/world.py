"""A world in one thread and in virtual time: devices with the real engine, scanner, assembler and installer.

Everything random comes from one seed, so a run can be repeated. Disks and databases are in memory, the network is
`network.py`'s, what happens in one machine is `device.py`'s, and `oracle.py` looks on and convicts.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from swarm.keys.chain import FolderKeys
from tests.simulation.device import Device
from tests.simulation.network import Network

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm.sync.files import Traits
    from tests.simulation.oracle import Oracle

EPOCH_MS = 1_700_000_000_000  # the wall clock at virtual time 0


MAX_AT_ONCE = 20_000  # happenings at one moment; more is an engine that asks to be called again at once, for ever


class Unsettled(AssertionError):
    """The devices did not come to rest."""


class Spinning(AssertionError):
    """Time stands still: an engine wants to be called again at once, over and over."""


@dataclass(order=True)
class _Happening:
    when: float
    number: int
    action: Callable[[], None] = field(compare=False)


class World:
    """All devices of one folder, their network and their time."""

    def __init__(self, seed: int, devices: int = 2, traits: Traits | None = None, latency: float = 0.01) -> None:
        self.rng = random.Random(seed)
        self.now = 1000.0
        self.trace: list[str] = []
        self.accusations: list[str] = []
        self.oracle: Oracle | None = None
        self.network = Network(self, latency)
        self._queue: list[_Happening] = []
        self._count = 0
        self._at_once = 0
        self.keys = FolderKeys.create(self.rng.randbytes(32))
        self.devices = [Device(self, f"dev{number}", self.keys, number == 0, traits) for number in range(devices)]

    def clone(self, device: Device) -> Device:
        """A copy of that machine with all that it has, its identity too. It does not run yet."""
        twin = Device(self, f"{device.name}-twin", self.keys, False, None)
        twin.become(device)
        twin.sweeps, twin.looks_late = device.sweeps, device.looks_late
        self.devices.append(twin)
        return twin

    # -- time

    def at(self, when: float, action: Callable[[], None]) -> None:
        self._count += 1
        heappush(self._queue, _Happening(max(when, self.now), self._count, action))

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        self.at(self.now + seconds, action)

    def wall_ms(self) -> int:
        return EPOCH_MS + int(self.now * 1000)

    def run(self, seconds: float) -> None:
        """Lets that much virtual time pass."""
        end = self.now + seconds
        while self._queue and self._queue[0].when <= end:
            happening = heappop(self._queue)
            self._at_once = self._at_once + 1 if happening.when <= self.now else 0
            if self._at_once > MAX_AT_ONCE:
                raise Spinning("\n  ".join(device.describe() for device in self.devices))
            self.now = max(self.now, happening.when)
            happening.action()
        self.now = end

    def settle(self, limit: float = 300.0) -> None:
        """Until every device is identical with all that it is connected to; Unsettled after `limit` seconds."""
        end = self.now + limit
        while self.now < end:
            self.run(0.5)
            if self.oracle is not None and (self.oracle.lies or self.oracle.twins):
                if self.oracle.agree():
                    return
            elif all(device.in_sync() for device in self.devices if device.folder is not None):
                return
        oracle = self.oracle
        if oracle is not None and (oracle.doubles or oracle.lossy) and oracle.lack_only_what_is_lost():
            return
        states = "\n  ".join(device.describe() for device in self.devices)
        raise Unsettled(f"did not settle:\n  {states}\n" + "\n".join(self.trace[-30:]))

    def note(self, device: str, text: str) -> None:
        self.trace.append(f"{self.now - 1000:8.3f} {device}: {text}")

    # -- network

    def connect_all(self) -> None:
        for one in self.devices:
            for other in self.devices:
                if one.name < other.name:
                    self.connect(one, other)

    def connect(self, one: Device, other: Device) -> None:
        self.network.connect(one, other)

    def cut(self, one: Device, other: Device) -> None:
        self.network.cut(one, other)


def two_devices(seed: int = 1, latency: float = 0.01) -> tuple[World, Device, Device]:
    """A folder made on the first and joined, empty, by the second."""
    world = World(seed, 2, latency=latency)
    one, other = world.devices
    one.start(created=True)
    other.start()
    world.connect_all()
    return world, one, other
