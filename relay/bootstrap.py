"""The relay's place in the DHT: a node that others begin at, on the relay's own UDP port.

It announces nothing and searches nothing; it keeps records for others, and tells who else is there. A relay whose node
fails goes on relaying, and the node is begun anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, Protocol

from relay.path import address_of
from swarm.discovery.dht.dht import BOTH, Dht
from swarm.discovery.dht.remembered import NAME, Remembered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path as Directory

    from relay.path import Path
    from swarm.wire.relay_frame import Address

AGAIN: Final = 60.0  # seconds after a failure

log = logging.getLogger("relay")


class Bootstrap(Protocol):
    """A DHT node on the relay's UDP socket."""

    def datagram_received(self, data: bytes, path: Path) -> None:
        """A datagram that is not of the relay."""

    async def close(self) -> None:
        """Leaves the DHT."""


class DhtNode:
    """Implements `Bootstrap`. Made in a running loop, where it begins at once."""

    def __init__(
        self,
        send: Callable[[bytes, Path], None],
        family: int,
        *,
        bootstrap: Iterable[Address],
        public: Address | None,
        state: Directory,
    ) -> None:
        """`send`, `family`: of the relay's socket. `public`: where others reach it, if that is known as an address."""
        self._send = send
        self._mapped = family == socket.AF_INET6
        self._bootstrap = tuple(bootstrap)
        self._public = () if public is None or not _is_literal(public[0]) else (public,)
        self._remembered = Remembered(state / NAME)
        self._dht: Dht | None = None
        self._task = asyncio.get_running_loop().create_task(self._run())

    def datagram_received(self, data: bytes, path: Path) -> None:
        """See `Bootstrap`. Only the first bytes of the DHT are its own."""
        if self._dht is not None and data[0] in (0, 1):
            self._dht.datagram_received(data, address_of(path))

    async def close(self) -> None:
        """See `Bootstrap`."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        while True:
            try:
                self._dht = Dht(
                    self._say,
                    bootstrap=self._bootstrap,
                    remembered=self._remembered,
                    versions=BOTH if self._mapped else (4,),
                    always_server=True,
                    public=self._public,
                )
                await self._dht.run()
            except Exception:
                log.exception("the DHT has failed, and is begun anew")
            self._dht = None
            await asyncio.sleep(AGAIN)

    def _say(self, data: bytes, address: Address) -> None:
        host, port = address
        self._send(data, (f"::ffff:{host}" if self._mapped and ":" not in host else host, port))


def _is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
