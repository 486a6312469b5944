"""The local network: says that somebody is here, and hears who else is. Multicast DNS and its service discovery (RFC
6762, 6763).

What is said, and what is made of what others say, is in `swarm.discovery.pseudonym`; this is the shell around the
library `zeroconf`. Anybody on the network can say anything, so that an announcement is only ever a hint where to dial:
it must show a tag of one of our folders, its addresses must be on our own networks, and who is there is proved after
dialling as anywhere. There is nothing here that a daemon could not do without: a failure is a line in the log, and
tried again when the network changes.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from swarm.discovery import pseudonym
from swarm.discovery.nearby import interfaces, networks, within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from zeroconf import ServiceInfo
    from zeroconf.asyncio import AsyncZeroconf

    Address = tuple[str, int]

log = logging.getLogger("swarm.lan")

SERVICE = "_swarm._udp.local."
MAX_SEEN = 256  # announcements that are remembered; of more, the oldest is forgotten
MAX_LOOKUPS = 16  # questions under way at once
LOOKUP_SECONDS = 2.0
CLOSE_SECONDS = 1.0  # for saying good-bye
RETRY_SECONDS = 60.0  # after a failure, unless the network changes before
SETTLE_SECONDS = 0.2  # several changes at once make one announcement

_NAME = re.compile(r"([0-9a-f]{16})\._swarm\._udp\.local\.")


@dataclass(frozen=True, slots=True)
class Seen:
    """What somebody announced."""

    port: int
    hosts: tuple[str, ...]
    tags: frozenset[bytes]


class Lan:
    """One device's presence on the local network. Made and run on the loop."""

    def __init__(
        self,
        bound: Address,
        *,
        addresses: Callable[[], Iterable[Address]],
        keys: Callable[[], Iterable[bytes]],
        on_found: Callable[[list[Address]], None],
    ) -> None:
        """`bound`: where we listen. `addresses`: what to announce. `keys`: discovery keys of our folders."""
        self._host, self._port = bound
        self._addresses = addresses
        self._keys = keys
        self._on_found = on_found
        self._name = os.urandom(pseudonym.NAME_BYTES)
        self._filler = os.urandom(32)
        self._seen: dict[bytes, Seen] = {}
        self._networks, self._interfaces = networks(), interfaces()
        self._lookups: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    def refresh(self) -> None:
        """A folder came or went, or the machine's addresses changed."""
        self._changed.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        # Not with the module: half a second of imports that `ready` should not wait for, nor the loop.
        await asyncio.to_thread(importlib.import_module, "zeroconf.asyncio")
        logging.getLogger("zeroconf").setLevel(logging.CRITICAL)  # it logs what any stranger sends
        while True:
            self._networks, self._interfaces = networks(), interfaces()
            try:
                await self._serve()
            except Exception as error:  # a library's, at the mercy of interfaces that come and go
                log.info("the local network cannot be searched: %s", error or type(error).__name__)
                await self._change(RETRY_SECONDS)

    async def _serve(self) -> None:
        """Announces and listens until the machine's networks change."""
        from zeroconf.asyncio import AsyncServiceBrowser

        responder = self._open()
        try:
            browser = AsyncServiceBrowser(responder.zeroconf, SERVICE, handlers=[self._on_change])
            said = self._announcement()
            await (await responder.async_register_service(said, cooperating_responders=True))  # the name is random
            while interfaces() == self._interfaces:
                await self._change(pseudonym.HOUR - time.time() % pseudonym.HOUR + 1.0)
                self._look_again()
                new = self._announcement()
                if (new.text, new.addresses) != (said.text, said.addresses):
                    said = new
                    await (await responder.async_update_service(said))
            await browser.async_cancel()
        finally:
            for lookup in self._lookups:
                lookup.cancel()
            with suppress(Exception):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await responder.async_close()

    def _open(self) -> AsyncZeroconf:
        from zeroconf import InterfaceChoice, IPVersion
        from zeroconf.asyncio import AsyncZeroconf

        if self._host and not ip_address(self._host).is_unspecified:
            return AsyncZeroconf(interfaces=[self._host])
        try:
            return AsyncZeroconf(interfaces=InterfaceChoice.All, ip_version=IPVersion.All)
        except OSError:  # no IPv6 on this machine
            return AsyncZeroconf(interfaces=InterfaceChoice.All, ip_version=IPVersion.V4Only)

    def _announcement(self) -> ServiceInfo:
        from zeroconf import ServiceInfo

        name, hour = self._name.hex(), pseudonym.hour_of(time.time())
        tags = pseudonym.announce(self._keys(), self._filler, self._name, self._port, hour)
        return ServiceInfo(
            SERVICE,
            f"{name}.{SERVICE}",
            port=self._port,
            properties=pseudonym.texts(tags),
            server=f"{name}.local.",  # else it would be the host's name
            parsed_addresses=[host for host, _ in self._addresses()],
        )

    async def _change(self, seconds: float) -> None:
        """Until something changed, for so long at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
                await asyncio.sleep(SETTLE_SECONDS)
        self._changed.clear()

    # -- what others say

    def _on_change(self, zeroconf: Any, service_type: str, name: str, state_change: Any) -> None:
        match = _NAME.fullmatch(name)
        if match is None or (spoken := bytes.fromhex(match[1])) == self._name:
            return
        if state_change.name == "Removed":
            self._seen.pop(spoken, None)
        elif len(self._lookups) < MAX_LOOKUPS:
            lookup = asyncio.get_running_loop().create_task(self._look_up(zeroconf, service_type, name, spoken))
            self._lookups.add(lookup)
            lookup.add_done_callback(self._lookups.discard)

    async def _look_up(self, zeroconf: Any, service_type: str, name: str, spoken: bytes) -> None:
        from zeroconf.asyncio import AsyncServiceInfo

        try:
            info = AsyncServiceInfo(service_type, name)
            if info.load_from_cache(zeroconf) or await info.async_request(zeroconf, LOOKUP_SECONDS * 1000):
                tags = pseudonym.parse_texts(info.properties)
                self.heard(spoken, Seen(info.port or 0, tuple(info.parsed_addresses()), tags))
        except Exception as error:  # a stranger's bytes, in a library
            log.debug("an announcement cannot be read: %s", error)

    def heard(self, name: bytes, seen: Seen) -> None:
        """Somebody who calls himself `name` announced this."""
        self._seen.pop(name, None)
        self._seen[name] = seen
        while len(self._seen) > MAX_SEEN:
            del self._seen[next(iter(self._seen))]
        self._judge(name, seen)

    def _look_again(self) -> None:
        """With new folders or networks, who was nobody may be somebody."""
        for name, seen in self._seen.items():
            self._judge(name, seen)

    def _judge(self, name: bytes, seen: Seen) -> None:
        local = all(ip_address(host).is_loopback for host, _ in self._addresses())
        addresses = within(seen.hosts, seen.port, self._networks, local=local)
        hour = pseudonym.hour_of(time.time())
        if addresses and pseudonym.recognises(self._keys(), seen.tags, name, seen.port, hour):
            self._on_found(addresses)
