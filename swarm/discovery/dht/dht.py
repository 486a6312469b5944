"""The DHT as the rest of Swarm sees it: announce a folder, find its members, hand over datagrams.

IPv4 and IPv6 are two networks of nodes, as in BEP 32: a node that has one of them cannot speak to those of the other.
What is announced goes to both, what is searched is searched in both. They share the records that are kept for others,
and the node's socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from swarm.discovery.dht.contact import Contact, Scope, scope, version
from swarm.discovery.dht.names import Names
from swarm.discovery.dht.overlay import Overlay
from swarm.discovery.dht.place import Place
from swarm.discovery.dht.protocol import Protocol
from swarm.discovery.dht.provider import MAX_SKEW, DayKeys, check, days_near
from swarm.discovery.dht.standing import Standing
from swarm.discovery.dht.store import ProviderStore
from swarm.errors import Integrity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from swarm.discovery.dht.contact import Address
    from swarm.discovery.dht.provider import Record
    from swarm.discovery.dht.remembered import Remembered
    from swarm.ids import DeviceId

log = logging.getLogger("swarm.dht")

FIRST_PAUSE: Final = 0.5  # seconds between two attempts to find anybody, then growing by half
LAST_PAUSE: Final = 60.0
FIRST_REFRESH: Final = 10.0  # seconds; thrice that lie between the first two looks at who is there, and so on
REFRESH: Final = 900.0
WALKS: Final = 3  # lookups of ids far from ours, that fill the other buckets
PUBLISH: Final = 3_600.0  # seconds; half of a record's life
PUBLISH_AGAIN: Final = 5.0  # seconds after nobody took it, then growing
RESTLESS: Final = 120.0  # seconds between two records because others see us at another address
SETTLE: Final = 0.5  # seconds; several changes of places make one record
SAVE: Final = 300.0  # seconds
PATIENCE: Final = 5.0  # seconds that a search waits for the first node
PUBLISHERS: Final = 4  # folders that are published at a time
MAX_BOOTSTRAP: Final = 64  # addresses to begin at; the configuration's are never pushed out
GREETED: Final = 32  # remembered nodes that are tried at a time
OURSELVES: Final = b""  # the network that our own records come from
BOTH: Final = (4, 6)


@dataclass(slots=True)
class _Announced:
    """A folder that is published."""

    due: float = 0.0
    pause: float = PUBLISH_AGAIN
    issued: int = 0


@dataclass(slots=True)
class Side:
    """One address family."""

    version: int
    overlay: Overlay
    standing: Standing
    greet: asyncio.Event  # there is somebody new to try, or to try again
    refreshed: float | None = None
    rest: float = FIRST_REFRESH  # seconds until it is refreshed again


class Dht:
    """One node. Made and used on the loop."""

    def __init__(
        self,
        send: Callable[[bytes, Address], None],
        *,
        bootstrap: Iterable[Address] = (),
        device: DeviceId | None = None,
        places: Callable[[], Iterable[Place]] = tuple,
        remembered: Remembered | None = None,
        versions: Iterable[int] = BOTH,
        always_server: bool = False,
        public: Iterable[Address] = (),
        on_up: Callable[[], None] = lambda: None,
        random: Callable[[int], bytes] = os.urandom,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`send` sends a datagram and does not wait. `bootstrap`: names or addresses of nodes to begin at.

        `device`, `places`: whose records are published, and where it is. `always_server`: others may rely on this node
        from the start; `public`: its addresses, where they are known. `on_up`: there are nodes that were not there
        before, and may know more.
        """
        self._loop = asyncio.get_running_loop()
        self._device = device
        self._places = places
        self._remembered = remembered
        self._on_up = on_up
        self._told_at = -RESTLESS  # when a new address was last told, or will be
        self._random = random
        self._wall = wall
        self._configured = tuple(dict.fromkeys(bootstrap))
        self._hinted: dict[Address, None] = {}
        self._announced: dict[bytes, _Announced] = {}
        self._publish_now, self._up = asyncio.Event(), asyncio.Event()
        self._names = Names(self._greet_all)
        self.store = ProviderStore()
        self.sides: dict[int, Side] = {}
        known = {version(host): (host, port) for host, port in public}
        for number in versions:
            standing = Standing(always_server=always_server, address=known.get(number))
            protocol = Protocol(send, self.store, standing, random=random, wall=wall, on_moved=self._seen_elsewhere)
            greet = asyncio.Event()
            overlay = Overlay(protocol, wall=wall, random=random, on_lost=greet.set)
            self.sides[number] = Side(number, overlay, standing, greet)

    # -- for the node

    def datagram_received(self, data: bytes, address: Address) -> None:
        """One whose first byte is 00 or 01. Never raises."""
        if scope(address[0]) is not Scope.NOWHERE and (side := self.sides.get(version(address[0]))) is not None:
            side.overlay.protocol.datagram_received(data, address)

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for side in self.sides.values():
                    group.create_task(self._keep_up(side))
                group.create_task(self._names.run())
                group.create_task(self._publish())
                group.create_task(self._save_now_and_then())
        finally:
            for side in self.sides.values():
                side.overlay.protocol.close()

    def know(self, addresses: Iterable[Address]) -> None:
        """There may be nodes here: hints of keys, members. They are tried beside the configuration's."""
        fresh = [address for address in addresses if address not in self._hinted and address not in self._configured]
        for address in fresh:
            self._hinted[address] = None
            if len(self._hinted) > MAX_BOOTSTRAP:
                del self._hinted[next(iter(self._hinted))]
        if fresh:
            self._greet_all()

    def announce(self, discovery_key: bytes) -> None:
        """Publishes where this device is to members of the folder, from now on."""
        if discovery_key not in self._announced:
            self._announced[discovery_key] = _Announced()
            self._publish_now.set()

    def withdraw(self, discovery_key: bytes) -> None:
        """No longer. What was published ends within two hours."""
        self._announced.pop(discovery_key, None)

    def moved(self) -> None:
        """This device is to be found elsewhere: tells everybody, and looks whether the nodes are still reached."""
        self._publish_all()
        for side in self.sides.values():
            side.standing.forget()
            side.refreshed = None
            side.greet.set()

    async def find(self, discovery_key: bytes, on_found: Callable[[tuple[Place, ...]], None]) -> int:
        """Searches the members of a folder; `on_found` gets the places of each as they come. How many there were."""
        latest: dict[tuple[int, bytes], int] = {}
        days = [DayKeys.derive(discovery_key, day) for day in days_near(self._wall())]
        takers = [(keys, self._taker(keys, latest, on_found)) for keys in days]
        for keys, take in takers:  # we may be the node that others have brought theirs to
            for record in self.store.records(keys.topic, self._wall()):
                take(record)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self._up.wait()
        async with asyncio.TaskGroup() as group:
            for keys, take in takers:
                for side in self.sides.values():
                    if side.overlay.is_up:
                        group.create_task(side.overlay.search(keys.public_key, take))
        return len(latest)

    def observed(self) -> tuple[Address, ...]:
        """Our own addresses, as other nodes see them."""
        return tuple(side.standing.address for side in self.sides.values() if side.standing.address is not None)

    def describe(self) -> dict[str, object]:
        """For the status."""
        nodes = sum(len(side.overlay.protocol.table) + len(side.overlay.anchors) for side in self.sides.values())
        if nodes:
            why = ""
        elif self._configured:
            why = "no bootstrap node answers: " + ", ".join(f"{host}:{port}" for host, port in self._configured)
        else:
            why = "no other node is known"
        return {
            "nodes": len({contact.address for side in self.sides.values() for contact in _contacts(side)}),
            "server": any(side.overlay.protocol.is_server for side in self.sides.values()),
            "records": len(self.store),
            "why": why,
        }

    # -- finding

    def _taker(
        self,
        keys: DayKeys,
        latest: dict[tuple[int, bytes], int],
        on_found: Callable[[tuple[Place, ...]], None],
    ) -> Callable[[Record], None]:
        """What is done with each record of a day; `latest`: when those were issued that were told already."""
        own = keys.slot(self._device) if self._device is not None else b""

        def take(record: Record) -> None:
            slot = keys.day, record.slot
            if record.slot == own or latest.get(slot, -1) >= record.issued:
                return
            try:
                places = keys.open(record)
            except Integrity:
                return  # signed by a member, and yet none of ours can read it
            latest[slot] = record.issued
            if places:
                on_found(places)

        return take

    # -- being there

    async def _keep_up(self, side: Side) -> None:
        pause = FIRST_PAUSE
        remembered = await asyncio.to_thread(self._remembered.load) if self._remembered is not None else []
        known = [contact.address for contact in remembered if version(contact.host) == side.version]
        while True:
            side.greet.clear()
            overlay = side.overlay
            wanted = self._names.addresses([*self._configured, *self._hinted], side.version)
            fresh = await overlay.greet(wanted, anchors=True)
            if not overlay.is_up and known:
                some, known = known[:GREETED], known[GREETED:] + known[:GREETED]
                fresh += await overlay.greet(some, anchors=False)
            if fresh or (overlay.is_up and not self._up.is_set()):  # or others have begun at us
                self._up.set()
                self._publish_all()
                self._on_up()
            if overlay.is_up and (side.refreshed is None or self._loop.time() - side.refreshed > side.rest):
                await self._refresh(side)
                side.rest = min(REFRESH, side.rest * 3)
            lacking = not overlay.is_up or any(address not in overlay.anchors for address in wanted)
            pause = min(LAST_PAUSE, pause * 1.5) if lacking else FIRST_PAUSE
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause if lacking else min(LAST_PAUSE, side.rest)):
                    await side.greet.wait()
                    pause = FIRST_PAUSE

    async def _refresh(self, side: Side) -> None:
        """Who is near us, and who is elsewhere."""
        overlay, protocol = side.overlay, side.overlay.protocol
        if side.standing.wants_proof(self._loop.time()):
            await overlay.prove()  # before everybody is asked, and so spoken to
        side.refreshed = self._loop.time()
        await overlay.approach(protocol.id)
        targets = protocol.table.targets(self._random)
        for _ in range(min(WALKS, len(targets))):
            target = targets.pop(int.from_bytes(self._random(4), "big") % len(targets))
            await overlay.approach(target)

    def _greet_all(self) -> None:
        for side in self.sides.values():
            side.greet.set()

    # -- being found

    def _seen_elsewhere(self) -> None:
        """Through some NATs we are seen at another port every time; that is not told each time."""
        now = self._loop.time()
        self._told_at = min(now + RESTLESS, max(now, self._told_at + RESTLESS))
        for announced in self._announced.values():
            announced.due = min(announced.due, self._told_at)
        self._publish_now.set()

    def _publish_all(self) -> None:
        for announced in self._announced.values():
            announced.due, announced.pause = 0.0, PUBLISH_AGAIN
        self._publish_now.set()

    async def _publish(self) -> None:
        while True:
            now = self._loop.time()
            due = [key for key, announced in self._announced.items() if announced.due <= now]
            if due:
                gate = asyncio.Semaphore(PUBLISHERS)
                async with asyncio.TaskGroup() as group:
                    for key in due:
                        group.create_task(self._publish_one(key, gate))
            moments = [announced.due for announced in self._announced.values()]
            pause = min(moments, default=now + PUBLISH) - self._loop.time()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(SETTLE, pause)):
                    await self._publish_now.wait()
                    await asyncio.sleep(SETTLE if self._announced else 0)
            self._publish_now.clear()

    async def _publish_one(self, discovery_key: bytes, gate: asyncio.Semaphore) -> None:
        async with gate:
            announced = self._announced.get(discovery_key)
            if announced is None or self._device is None:
                return
            # Before, not after: what changes while it is published is published again.
            # A random part less than an hour, so that not everybody comes at once.
            announced.due = self._loop.time() + PUBLISH * (1 - self._random(1)[0] / 256 / 5)
            wall = int(self._wall())
            announced.issued = max(wall, min(announced.issued + 1, wall + MAX_SKEW))  # the clock may be set back
            seen = [Place(*address) for address in self.observed()]
            places = [*seen, *self._places()]
            taken = 0
            for day in days_near(self._wall()):
                keys = DayKeys.derive(discovery_key, day)
                raw = keys.issue(self._device, places, announced.issued)
                self._keep(keys, raw)
                for side in self.sides.values():
                    if side.overlay.is_up:
                        taken += await side.overlay.publish(keys.public_key, raw)
            log.debug("published at %d nodes", taken)
            if taken:
                announced.pause = PUBLISH_AGAIN
            else:
                announced.due = min(announced.due, self._loop.time() + announced.pause)
                announced.pause = min(PUBLISH / 10, announced.pause * 2)

    def _keep(self, keys: DayKeys, raw: bytes) -> None:
        """Ours, too, is here for whoever begins at us."""
        wall = self._wall()
        self.store.put(keys.public_key, check(keys.public_key, raw, wall), OURSELVES, wall)

    # -- remembering

    async def _save_now_and_then(self) -> None:
        if self._remembered is None:
            return
        await self._up.wait()
        await asyncio.sleep(LAST_PAUSE / 2)
        while True:
            contacts = [contact for side in self.sides.values() for contact in _contacts(side)]
            if contacts:
                await asyncio.to_thread(self._remembered.save, contacts)
            await asyncio.sleep(SAVE)


def _contacts(side: Side) -> list[Contact]:
    """Those of the table, and the anchors."""
    return list(dict.fromkeys([*side.overlay.protocol.table, *side.overlay.anchors.values()]))
