"""The default gateway: finds it, and speaks NAT-PMP and PCP with it for as long as the daemon runs.

Only over IPv4, and only from an address that is nobody's but this network's: who has a public one needs no mapping.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
import subprocess
from functools import partial
from ipaddress import IPv4Address, ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Final

from swarm.net import nat_pmp, upnp
from swarm.net.nat_pmp import LARGEST_ANSWER, Protocol
from swarm.net.pcp import NONCE_BYTES
from swarm.net.port_mapper import PortMapper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Address = tuple[str, int]

log = logging.getLogger("swarm.gateway")

ROUTES: Final = Path("/proc/net/route")
IS_GATEWAY: Final = 0x2  # RTF_GATEWAY
INNER: Final = [  # networks whose addresses mean nothing elsewhere: RFC 1918, 6598 (of providers), 3927
    ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16")
]
WATCH: Final = (
    5.0  # seconds between two looks whether the gateway is another: who carries a laptop about waits that long
)


def is_inner(host: str) -> bool:
    """An IPv4 address that others on the internet cannot dial."""
    address = ip_address(host)
    nobody = address.is_loopback or address.is_unspecified or address.is_multicast
    return nobody or any(address in network for network in INNER if network.version == address.version)


def default_gateway() -> str | None:
    """Its IPv4 address, None where there is none or the system does not tell."""
    try:
        return gateway_in(ROUTES.read_text())
    except OSError:
        return _asked_gateway()


def gateway_in(table: str) -> str | None:
    """Of the routes as Linux writes them: addresses are numbers in the machine's byte order."""
    found: list[tuple[int, str]] = []
    for line in table.splitlines()[1:]:
        columns = line.split()
        try:
            target, gateway, flags, metric, mask = columns[1], columns[2], columns[3], columns[6], columns[7]
            if int(target, 16) == int(mask, 16) == 0 and int(flags, 16) & IS_GATEWAY:
                found.append((int(metric), str(IPv4Address(struct.pack("=I", int(gateway, 16))))))
        except (IndexError, ValueError):
            continue
    return min(found)[1] if found else None


def _asked_gateway() -> str | None:
    """On macOS."""
    try:
        said = subprocess.run(["route", "-n", "get", "default"], capture_output=True, text=True, timeout=2).stdout
        (line,) = [line for line in said.splitlines() if line.strip().startswith("gateway:")]
        return str(IPv4Address(line.partition(":")[2].strip()))
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


class Gateway:
    """Ports of ours at the default gateway. Made and run on the loop."""

    def __init__(
        self,
        ports: Iterable[tuple[Protocol, int]],
        on_change: Callable[[], None],
        *,
        find: Callable[[], str | None] = default_gateway,
        port: int = nat_pmp.PORT,
    ) -> None:
        """`ports`: to map, each under the same number. `on_change`: `addresses` says something else now."""
        self._ports = tuple(ports)
        self._on_change = on_change
        self._find = find
        self._port = port
        self._loop = asyncio.get_running_loop()
        self._mapper: PortMapper | None = None
        self._socket: socket.socket | None = None
        self._arrived = asyncio.Event()
        self._look = 0.0  # when the system is asked for the gateway again
        self.host: str | None = None
        self.upnp: Address | None = None  # mapped by UPnP

    @property
    def mapper(self) -> PortMapper | None:
        """What goes on with the gateway; None where there is none, or no need of one."""
        return self._mapper

    @property
    def external(self) -> Address | None:
        """What is mapped to our UDP port, by whichever protocol."""
        mapped = self._mapper.external(Protocol.UDP) if self._mapper is not None else None
        return mapped or self.upnp

    def addresses(self) -> tuple[Address, ...]:
        """Where others can dial us through the gateway."""
        mapped = self.external
        return () if mapped is None or is_inner(mapped[0]) else (mapped,)

    async def run(self) -> None:
        """Until it is cancelled; then every mapping is given back."""
        async with asyncio.TaskGroup() as group:
            if upnp.available():
                group.create_task(self._ask_by_upnp())
            group.create_task(self._ask())

    async def _ask(self) -> None:
        try:
            while True:
                self._arrived.clear()
                if self._loop.time() >= self._look:
                    self._look = self._loop.time() + WATCH
                    self._follow(await asyncio.to_thread(self._find))
                self._send()
                wake = self._mapper.wake_at - self._loop.time() if self._mapper is not None else WATCH
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(0.01, min(WATCH, wake))):
                        await self._arrived.wait()
        finally:
            self._leave()

    async def _ask_by_upnp(self) -> None:
        """Where neither of the other protocols is answered."""
        while True:
            await asyncio.sleep(WATCH)
            mapper, host = self._mapper, self.host
            if mapper is not None and host is not None and self._needs_upnp(mapper):
                still = partial(self._needs_upnp, mapper)
                await upnp.keep(host, mapper.client, self._ports, self._mapped_by_upnp, still)

    def _needs_upnp(self, mapper: PortMapper) -> bool:
        return self._mapper is mapper and bool(mapper.why) and mapper.external(Protocol.UDP) is None

    def _mapped_by_upnp(self, external: Address | None) -> None:
        if external != self.upnp:
            self.upnp = external
            self._on_change()

    def _follow(self, host: str | None) -> None:
        """The gateway may be another, or our address at it."""
        client = _address_towards(host) if host is not None else None
        known = self._mapper.client if self._mapper is not None else None
        if (host, client) == (self.host, known):
            return
        had = self.addresses()
        self._leave()
        self.host = host
        if host is not None and client is not None and is_inner(client):
            self._mapper = PortMapper.create(client, self._ports, os.urandom(NONCE_BYTES))
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            try:
                self._socket.connect((host, self._port))  # nobody else's datagrams are received by it
            except OSError as error:
                log.debug("the gateway %s cannot be asked: %s", host, error)
                self._leave()
                return
            self._loop.add_reader(self._socket, self._receive)
        if had:
            self._on_change()

    def _send(self) -> None:
        if self._mapper is None or self._socket is None:
            return
        had = self.addresses()
        for data in self._mapper.due(self._loop.time()):
            self._push(data)
        if self.addresses() != had:
            self._on_change()

    def _push(self, data: bytes) -> None:
        assert self._socket is not None
        assert self._mapper is not None
        try:
            self._socket.send(data)
        except ConnectionRefusedError:  # of an earlier one
            self._mapper.unreachable(self._loop.time())
        except OSError as error:
            log.debug("the gateway %s cannot be asked: %s", self.host, error)

    def _receive(self) -> None:
        assert self._socket is not None
        assert self._mapper is not None
        had = self.addresses()
        try:
            data = self._socket.recv(LARGEST_ANSWER)
        except BlockingIOError:
            return
        except OSError:  # nobody listens there
            self._mapper.unreachable(self._loop.time())
        else:
            self._mapper.received(data, self._loop.time())
        self._arrived.set()
        if (now := self.addresses()) != had:
            log.info(
                "the gateway %s forwards %s", self.host, f"{now[0][0]} port {now[0][1]} to us" if now else "nothing"
            )
            self._on_change()

    def _leave(self) -> None:
        """Gives back what there is. One datagram each and no waiting: what is lost expires by itself."""
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            if self._mapper is not None:
                for data in self._mapper.release():
                    self._push(data)
            self._socket.close()
        self._socket = self._mapper = None


def _address_towards(host: str) -> str | None:
    """Our own address on the way there. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, nat_pmp.PORT))
        except OSError:
            return None
        return str(probe.getsockname()[0])
