"""The relays in use: registered at all that the user named, and at a few that keys and members tell of.

At the user's own this device asks to be reachable, with the token if there is one. At others it asks too, without:
where that is refused it is a guest, who can look others up and reach them. Each relay is told a topic for each folder,
so that whoever holds the folder's key, and knows the relay, finds this device there. What is wrong with a relay is a
sentence in `swarm status`; nothing waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from swarm.errors import SwarmError
from swarm.keys.hints import RelayHint
from swarm.keys.relay import RelayPass, handle_of, topics_at
from swarm.session.messages import MAX_RELAYS
from swarm.wire.hop import Door
from swarm.wire.relay_message import MAX_TOPICS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from swarm.config import RelayAddress
    from swarm.keys.chain import FolderKeys
    from swarm.keys.device import DeviceKey
    from swarm.net.network import Gate, Network
    from swarm.wire.hop import Address

MAX_LEARNED = 3  # relays in use that others told of
MAX_WAITING = 16  # of those, known and not in use: members tell of theirs, so it must not grow with what they say
FIRST_LOOK = 1.0  # seconds between two look-ups while a folder has nobody connected; doubling up to
LATEST_LOOK = 60.0
TURN = 30.0  # seconds between two looks at the day and at relays that are away
AWAY = 90.0  # seconds without an answer after which a learned relay makes room for another one

log = logging.getLogger("swarm.relays")


class Relays:
    """Implements `swarm.net.network.GateWatcher`."""

    def __init__(
        self,
        device: DeviceKey,
        named: Iterable[RelayAddress],
        *,
        keys: Callable[[], Iterable[FolderKeys]],
        lonely: Callable[[], Iterable[FolderKeys]],
        on_change: Callable[[], None],
        on_found: Callable[[list[Door]], None],
    ) -> None:
        """`named`: by the user. `lonely`: folders with nobody connected. `on_change`: where we can be reached, or how
        things are with a relay, is another. `on_found`: these may be members."""
        self._device = device
        self._named = list(named)
        self._keys = keys
        self._lonely = lonely
        self._on_change = on_change
        self._on_found = on_found
        self._loop = asyncio.get_running_loop()
        self._network: Network | None = None
        self._gates: dict[bytes, Gate] = {}
        self._places: dict[bytes, RelayAddress] = {}  # of the gates
        self._waiting: dict[bytes, RelayAddress] = {}  # learned, and not in use
        self._learned: set[bytes] = set()  # of the gates, those that others told of
        self._away: dict[bytes, float] = {}  # learned ones that do not answer, since when
        self._look = asyncio.Event()
        self._pause = FIRST_LOOK

    async def run(self, network: Network) -> None:
        """Registers, and looks for members, until it is cancelled."""
        self._network = network
        for place in self._named:
            self._open(place, named=True)
        self._fill()
        due = 0.0
        while True:
            self._look.clear()
            now = self._loop.time()
            lonely = list(self._lonely())
            if lonely and now >= due:
                for gate in list(self._gates.values()):
                    gate.lookup(self._topics(gate.key, lonely))
                due = now + self._pause
                self._pause = min(2 * self._pause, LATEST_LOOK)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(TURN, max(0.05, due - now)) if lonely else TURN):
                    await self._look.wait()
                    due = 0.0
                    await asyncio.sleep(0.05)  # several reasons come together
            self.refresh()
            self._swap(self._loop.time())

    # -- what the node tells

    def add(self, place: RelayAddress) -> None:
        """The user names one more."""
        self.remove(place)
        self._named.append(place)
        self._open(place, named=True)
        self.hurry()

    def remove(self, place: RelayAddress) -> None:
        """It is not to be used any more, until somebody tells of it again."""
        key = RelayPass.parse(place.key).key
        self._named = [other for other in self._named if RelayPass.parse(other.key).key != key]
        self._close(key)
        self._waiting.pop(key, None)
        self._fill()
        self._on_change()

    def learn(self, places: Iterable[RelayAddress]) -> None:
        """Others tell of these."""
        for place in places:
            key = RelayPass.parse(place.key).key
            if key not in self._gates and len(self._waiting) < MAX_WAITING:
                self._waiting.setdefault(key, place)
        self._fill()

    def refresh(self) -> None:
        """Folders were added or removed, or it is another day: topics are others."""
        for gate in self._gates.values():
            gate.set_topics(self._topics(gate.key, self._keys()))

    def hurry(self) -> None:
        """Members are looked for at once: there is a new folder, or somebody was lost."""
        self._pause = FIRST_LOOK
        self._look.set()

    def check(self) -> None:
        """This machine slept, or its addresses changed."""
        for gate in self._gates.values():
            gate.check()
        self.hurry()

    # -- what is said of this device

    def reserved(self) -> tuple[tuple[Address, bytes], ...]:
        """The relays through which it can be reached now, and their keys."""
        found = [
            (gate.state.address, gate.key)
            for gate in self._gates.values()
            if gate.state.reserved and gate.state.address is not None
        ]
        return tuple(found[:MAX_RELAYS])

    def seen(self) -> tuple[Address, ...]:
        """Where its datagrams come from, as relays see it."""
        states = [gate.state for gate in self._gates.values()]
        return tuple(
            dict.fromkeys(
                state.observed
                for state in states
                if state.via == "udp" and state.observed is not None and not ip_address(state.observed[0]).is_loopback
            )
        )

    def hints(self) -> tuple[RelayHint, ...]:
        """For keys that are printed: the user's own, then those where this device can be reached."""
        named = [place for key, place in self._places.items() if key not in self._learned]
        others = [
            place for key, place in self._places.items() if key in self._learned and self._gates[key].state.reserved
        ]
        return tuple(
            RelayHint(place.address.host, place.address.port, place.public.partition("~")[2])
            for place in (*named, *others)
        )

    def doors(self, device: bytes) -> list[Door]:
        """Where that device may be, at the relays in use."""
        return [Door(key, handle_of(key, device)) for key in self._gates]

    def is_reachable(self) -> bool:
        """Can others reach this device through a relay?"""
        return any(gate.state.reserved for gate in self._gates.values())

    def report(self) -> list[dict[str, Any]]:
        """For `swarm status --json`."""
        return [self._report(key, gate) for key, gate in self._gates.items()]

    def _report(self, key: bytes, gate: Gate) -> dict[str, Any]:
        state = gate.state
        named = key not in self._learned
        return {
            "relay": self._places[key].public,
            "state": "connecting" if state.via is None else "reserved" if state.reserved else "guest",
            "via": state.via,
            "named": named,
            "public_address": _written(state.observed) if state.via == "udp" and state.observed else None,
            "why": _sentence(gate) if named or state.via is None else None,
        }

    # -- `swarm.net.network.GateWatcher`

    def gate_changed(self, gate: Gate) -> None:
        """See `swarm.net.network.GateWatcher`."""
        if self._gates.get(gate.key) is not gate:
            return
        if gate.state.via is not None:
            log.info("relay %s: %s over %s", gate.title, "reserved" if gate.state.reserved else "guest", gate.state.via)
            self._away.pop(gate.key, None)
            self.hurry()
        elif why := gate.why:
            log.info("relay %s: %s", gate.title, why)
            self._away.setdefault(gate.key, self._loop.time())
        self._on_change()

    def gate_found(self, gate: Gate, handles: Sequence[bytes]) -> None:
        """See `swarm.net.network.GateWatcher`."""
        own = handle_of(gate.key, self._device.id)
        self._on_found([Door(gate.key, handle) for handle in handles if handle != own])

    # -- gates

    def _open(self, place: RelayAddress, *, named: bool) -> None:
        key = RelayPass.parse(place.key).key
        if self._network is None or (key in self._gates and not named):
            return
        self._close(key)
        self._waiting.pop(key, None)
        try:
            gate = self._network.open_gate(
                place, self._device, self, reserve=True, topics=self._topics(key, self._keys())
            )
        except SwarmError as error:
            log.warning("relay %s: %s", place.address, error.message)
            return
        self._gates[key], self._places[key] = gate, place
        if not named:
            self._learned.add(key)

    def _close(self, key: bytes) -> None:
        gate = self._gates.pop(key, None)
        self._places.pop(key, None)
        self._learned.discard(key)
        self._away.pop(key, None)
        if gate is not None:
            gate.close()

    def _fill(self) -> None:
        """Takes learned relays into use, as many as there is room for."""
        while self._network is not None and self._waiting and len(self._learned) < MAX_LEARNED:
            key = next(iter(self._waiting))
            self._open(self._waiting.pop(key), named=False)

    def _swap(self, now: float) -> None:
        """A learned relay that is away makes room for another one, and is tried again after that."""
        for key, since in list(self._away.items()):
            if key in self._learned and self._waiting and now >= since + AWAY:
                place = self._places[key]
                self._close(key)
                self._fill()
                self._waiting[key] = place

    def _topics(self, key: bytes, folders: Iterable[FolderKeys]) -> tuple[bytes, ...]:
        return topics_at([folder.discovery_key() for folder in folders], key, time.time())[:MAX_TOPICS]


def _sentence(gate: Gate) -> str | None:
    """What a user should know, or None."""
    if gate.state.via is not None and gate.state.reserved:
        return None
    if gate.state.via is not None:
        return f"the relay {gate.title} does not let others reach this device: {gate.why or 'it was not asked to'}"
    return f"the relay {gate.title} cannot be used: {gate.why}" if gate.why else None


def _written(address: Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
