"""Where nodes are that were named by host: looked up aside, so that a name server that is down keeps nobody waiting."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Final

from swarm.discovery.dht.contact import Scope, scope, version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from swarm.discovery.dht.contact import Address

TIMEOUT: Final = 10.0  # seconds for one name
AGAIN: Final = 300.0  # seconds until a name is looked up anew; what it led to is kept until then
AGAIN_UNKNOWN: Final = 30.0  # the same, where it led nowhere
MAX_NAMES: Final = 128
MAX_ADDRESSES: Final = 4  # of one name, in one family


class Names:
    """What names lead to."""

    def __init__(self, on_known: Callable[[], None]) -> None:
        """`on_known`: a name leads somewhere else than before."""
        self._on_known = on_known
        self._loop = asyncio.get_running_loop()
        self._found: dict[str, tuple[str, ...]] = {}  # name -> addresses
        self._due: dict[str, float] = {}
        self._asked = asyncio.Event()

    def addresses(self, places: Iterable[Address], family: int) -> list[Address]:
        """Those of `places` that are addresses of this family, and what is known of those that are names."""
        found: dict[Address, None] = {}
        for host, port in places:
            literal = scope(host) is not Scope.NOWHERE
            if not literal and host not in self._due and len(self._due) < MAX_NAMES:
                self._due[host] = self._loop.time()
                self._asked.set()
            for address in (host,) if literal else self._found.get(host, ()):
                if version(address) == family:
                    found[address, port] = None
        return list(found)

    async def run(self) -> None:
        """Looks them up, until it is cancelled."""
        while True:
            self._asked.clear()
            now = self._loop.time()
            for host in [host for host, due in self._due.items() if due <= now]:
                await self._look_up(host)
            pause = min(self._due.values(), default=self._loop.time() + AGAIN) - self._loop.time()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, pause)):
                    await self._asked.wait()

    async def _look_up(self, host: str) -> None:
        found: dict[str, None] = {}
        with contextlib.suppress(OSError, UnicodeError, TimeoutError):
            async with asyncio.timeout(TIMEOUT):
                entries = await self._loop.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
            found = dict.fromkeys(str(entry[4][0]) for entry in entries)
        usable = [address for address in found if scope(address) is not Scope.NOWHERE]
        chosen = tuple(
            address for family in (4, 6) for address in [a for a in usable if version(a) == family][:MAX_ADDRESSES]
        )
        self._due[host] = self._loop.time() + (AGAIN if chosen else AGAIN_UNKNOWN)
        if chosen and chosen != self._found.get(host):  # of a name server that is down, what was known stays
            self._found[host] = chosen
            self._on_known()
