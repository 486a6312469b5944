"""The seeker: the finder's way to the DHT. Announces this device's folders there, and searches their members.

A folder is searched at once, then ever more seldom: soon again while nobody is connected, since the other may only just
have been switched on, and now and then when somebody is, since others may not be. Kademlia and what it needs are
imported in a thread, after the daemon has said that it is ready.

Nodes to begin at are those of the configuration, the relays and addresses in keys, and where members were met: each
daemon answers for the DHT, so that those who share a folder need nobody else once they have met.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from swarm.discovery.dht.dht import Dht
    from swarm.discovery.dht.place import Place
    from swarm.ids import DeviceId, FolderId
    from swarm.keys.chain import FolderKeys

    Address = tuple[str, int]

log = logging.getLogger("swarm.dht")

FIRST_PAUSE: Final = 1.0  # seconds between the first two searches for a folder's members
GROWTH: Final = 1.5
LAST_PAUSE: Final = 300.0  # seconds while nobody is connected
IN_COMPANY: Final = 900.0  # seconds while somebody is
AFTER_FAILURE: Final = 60.0  # seconds
LOOK: Final = 30.0  # seconds between two looks at which folders and addresses there are


@dataclass(slots=True)
class _Search:
    """When a folder is searched next."""

    due: float
    pause: float = FIRST_PAUSE
    under_way: bool = False
    company: bool = False  # a member was connected when that was decided


class Seeker:
    """Made and used on the loop."""

    def __init__(
        self,
        device: DeviceId,
        home: Path,
        *,
        keys: Callable[[], Iterable[FolderKeys]],
        bootstrap: Iterable[Address],
        nearby: Callable[[], Iterable[Address]],
        addresses: Callable[[], Iterable[Address]],
        relays: Callable[[], Iterable[tuple[Address, bytes]]],
        in_company: Callable[[FolderId], bool],
        on_found: Callable[[tuple[Place, ...]], None],
    ) -> None:
        """`bootstrap`: the configuration's nodes; `nearby`: addresses at which there may be more.

        `addresses`: where this device is. `relays`: through which it can be reached, and their keys. `in_company`: is a
        member of the folder connected?
        """
        self._device = device
        self._home = home
        self._keys = keys
        self._bootstrap = tuple(bootstrap)
        self._nearby = nearby
        self._addresses = addresses
        self._relays = relays
        self._in_company = in_company
        self._on_found = on_found
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._searches: dict[bytes, _Search] = {}
        self._told: tuple[object, ...] = ()  # what was announced
        self._dht: Dht | None = None

    def datagram(self, data: bytes, address: Address) -> None:
        """One whose first byte is 00 or 01."""
        if self._dht is not None:
            self._dht.datagram_received(data, address)

    def refresh(self) -> None:
        """A folder came or went, or there is somebody more to begin at."""
        self._changed.set()

    def hurry(self) -> None:
        """Everybody is looked for at once; we may be elsewhere."""
        if self._dht is not None:
            self._dht.moved()
        self._search_all()

    def describe(self) -> dict[str, object]:
        """For the status."""
        if self._dht is None:
            return {"nodes": 0, "server": False, "records": 0, "why": "it is not up yet"}
        return self._dht.describe()

    @property
    def trouble(self) -> str:
        """A sentence where nodes were named and none answers, else ""."""
        return str(self.describe()["why"]) if self._bootstrap and self._dht is not None else ""

    async def run(self, send: Callable[[bytes, Address], None], bound: Address) -> None:
        """Until it is cancelled. `bound`: where the socket that `send` uses listens."""
        while True:
            try:
                await self._serve(send, bound)
            except Exception:
                log.exception("the DHT has failed, and is begun anew")  # all else goes on without it
            self._dht, self._told = None, ()
            await asyncio.sleep(AFTER_FAILURE)

    async def _serve(self, send: Callable[[bytes, Address], None], bound: Address) -> None:
        await asyncio.to_thread(importlib.import_module, "swarm.discovery.dht.dht")
        from swarm.discovery.dht.dht import Dht
        from swarm.discovery.dht.remembered import NAME, Remembered

        self._dht = Dht(
            send,
            bootstrap=self._bootstrap,
            device=self._device,
            places=self._places,
            remembered=Remembered(self._home / NAME),
            versions=_versions(bound[0]),
            on_up=self._search_all,
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(self._dht.run())
            group.create_task(self._search_on(group, self._dht))

    async def _search_on(self, group: asyncio.TaskGroup, dht: Dht) -> None:
        while True:
            self._changed.clear()
            now = self._loop.time()
            dht.know(self._nearby())
            here = (*self._addresses(), *self._relays())
            if here != self._told:
                self._told = here
                dht.moved()
            folders = {keys.discovery_key(): keys.folder_id for keys in self._keys()}
            for gone in self._searches.keys() - folders.keys():
                del self._searches[gone]
                dht.withdraw(gone)
            for key, folder in folders.items():
                search = self._searches.setdefault(key, _Search(now))
                dht.announce(key)
                company = self._in_company(folder)
                if search.company and not company:  # somebody may be elsewhere now, and the pause was for company
                    search.due, search.pause = now, FIRST_PAUSE
                search.company = company
                if search.due <= now and not search.under_way:
                    search.due = now + (IN_COMPANY if company else search.pause)
                    search.pause = min(LAST_PAUSE, search.pause * GROWTH)
                    search.under_way = True
                    group.create_task(self._search(dht, key, search))
            moments = [search.due for search in self._searches.values() if not search.under_way]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(LOOK, max(0.05, min(moments, default=now + LOOK) - now))):
                    await self._changed.wait()

    def _search_all(self) -> None:
        for search in self._searches.values():
            search.due, search.pause = self._loop.time(), FIRST_PAUSE
        self._changed.set()

    async def _search(self, dht: Dht, key: bytes, search: _Search) -> None:
        begun = self._loop.time()
        count = await dht.find(key, self._on_found)
        search.under_way = False
        self._changed.set()
        log.debug("the DHT knows of %d other members, asked for %.2f seconds", count, self._loop.time() - begun)

    def _places(self) -> list[Place]:
        from swarm.discovery.dht.place import Place

        through = [Place(*address, key) for address, key in self._relays()]
        return [*through, *(Place(*address) for address in self._addresses())]


def _versions(host: str) -> tuple[int, ...]:
    """The address families that a socket bound there can speak."""
    if host in ("", "::"):
        return 4, 6
    return (ip_address(host).version,)
