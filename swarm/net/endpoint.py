"""One UDP socket and all the links that go through it.

Datagrams are told apart by their first byte: 0x40 and above is QUIC, 0x30 to 0x3F a relay's (`swarm.net.gates`), 0x24
and 0x25 the probes of links, and the rest is for whoever asked for it (the DHT, echo). QUIC's are given to connections
by connection id and never by source address, so that an address may change below a connection. What begins without a
connection is a stranger's: it gets one only past `Reception`, with Retry when many have come, and nothing is kept of a
handshake whose first packet does not decrypt.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import io
import logging
import socket
import ssl
from ipaddress import ip_address
from typing import TYPE_CHECKING

from aioquic.quic.configuration import QuicConfiguration

from swarm.errors import Unavailable
from swarm.net.admission import Admission
from swarm.net.capped import STREAM_WINDOW, CappedConnection
from swarm.net.certificate import ephemeral_certificate
from swarm.net.connection import Connection
from swarm.net.datagrams import bind_near
from swarm.net.gates import Gates
from swarm.net.hops import Hops
from swarm.net.limits import Limits
from swarm.net.path_mtu import BASE, LARGEST
from swarm.net.probe import tag_of
from swarm.net.reception import CONNECTION_ID, LONG_HEADER, VERSIONS, Admitted, Answer, Reception, destination
from swarm.net.router import Router
from swarm.wire.hop import Channel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from swarm.config import RelayAddress
    from swarm.keys.device import DeviceKey
    from swarm.net.datagrams import Address, Datagrams
    from swarm.net.network import Gate, GateWatcher
    from swarm.wire.hop import Door, Hop
    from swarm.wire.lane import Link

ALPN = "swarm/1"
FIRST_QUIC_BYTE = 0x40
PORT_TRIES = 50  # daemons on one machine, before something else must be wrong
DIAL_ADDRESSES = 4  # of one name
MAX_KNOCKS = 64  # channels asked for at the same time, for links whose hop has failed
CHANNEL_LINGER = 3.0  # seconds that a channel outlives its link: goodbyes, and another link of the same peer
DIAL_STAGGER = 0.25  # seconds until the next address of a name is tried beside the first (RFC 8305)

log = logging.getLogger(__name__)


class Endpoint:
    """Implements `swarm.net.network.Network`."""

    def __init__(
        self,
        datagrams: Datagrams,
        on_link: Callable[[Link], None],
        on_other: Callable[[bytes, Address], None] | None,
        limits: Limits,
    ) -> None:
        """For `open`."""
        certificate, key = ephemeral_certificate()
        self._datagrams = datagrams
        self._on_link = on_link
        self._on_other = on_other
        self._limits = limits
        self._admission = Admission(limits)
        self._reception = Reception(self._admission)
        self._configuration = QuicConfiguration(
            alpn_protocols=[ALPN],
            connection_id_length=CONNECTION_ID,
            idle_timeout=limits.idle_seconds,
            max_data=limits.stranger_bytes,
            max_stream_data=STREAM_WINDOW,
            verify_mode=ssl.CERT_NONE,  # see swarm.net.certificate
            supported_versions=VERSIONS,
            certificate=certificate,
            private_key=key,
        )
        self._hops = Hops(datagrams)
        self._gates = Gates(self, datagrams, self._hops)
        self.own_addresses: Callable[[], tuple[Address, ...]] = tuple  # for routers; the node knows
        self._by_id: dict[bytes, Connection] = {}
        self._by_tag: dict[bytes, Connection] = {}  # of probes
        self._knocks: set[asyncio.Task[None]] = set()
        self._links: dict[Connection, str] = {}  # the stranger's host, or "" for one that is none
        self._touched: dict[Connection, None] = {}  # got something in this batch, in order
        self._stalled: dict[Connection, None] = {}  # wait for room in the socket
        self._closed = False

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        *,
        on_link: Callable[[Link], None],
        on_other: Callable[[bytes, Address], None] | None = None,
        limits: Limits | None = None,
    ) -> Endpoint:
        """Listens on `port` or the next free one; "" or "::" is every address, port 0 any port.

        `on_link` gets each link that others open, once its handshake is complete; `on_other` gets datagrams that are
        not QUIC. Both are called on the loop and must not wait. Raises Unavailable when nothing can be bound.
        """
        datagrams = bind_near(host, port, PORT_TRIES)
        endpoint = cls(datagrams, on_link, on_other, limits or Limits())
        datagrams.start(endpoint)
        return endpoint

    @property
    def address(self) -> Address:
        """See `swarm.net.network.Network`."""
        return self._datagrams.address

    @property
    def links(self) -> int:
        """Links alive, handshakes included."""
        return self._admission.links

    async def dial(self, host: str, port: int, timeout: float = 5.0) -> Link:
        """See `swarm.net.network.Network`. A name's addresses are tried side by side, the first to answer wins."""
        if self._closed:
            raise Unavailable("this endpoint is closed")
        try:
            async with asyncio.timeout(timeout):
                return await self._race(await self.resolve(host, port))
        except TimeoutError:
            raise Unavailable(f"no answer from {host} port {port} within {timeout:g} seconds") from None

    async def dial_door(self, door: Door, timeout: float = 8.0) -> Link:
        """See `swarm.net.network.Network`."""
        if self._closed:
            raise Unavailable("this endpoint is closed")
        try:
            async with asyncio.timeout(timeout):
                return await self._dial_one(await self._gates.knock(door))
        except TimeoutError:
            raise Unavailable(f"no answer through the relay within {timeout:g} seconds") from None

    def open_gate(
        self, place: RelayAddress, device: DeviceKey, watcher: GateWatcher, *, reserve: bool, topics: Sequence[bytes]
    ) -> Gate:
        """See `swarm.net.network.Network`."""
        return self._gates.open(place, device, watcher, reserve=reserve, topics=topics)

    async def close(self) -> None:
        """See `swarm.net.network.Network`."""
        if not self._closed:
            for connection in list(self._links):
                connection.close("shutting down")
            self._gates.close()
            self._closed = True
            for knock in list(self._knocks):
                knock.cancel()
            self._datagrams.close()

    def send_other(self, data: bytes, address: Address) -> None:
        """Sends one datagram that is not QUIC (its first byte below 0x40) from this endpoint's port."""
        if not self._closed:
            self._datagrams.send([data], address)

    def wake(self) -> None:
        """See `swarm.net.network.Network`."""
        for connection in list(self._links):
            connection.wake()

    # Dialling.

    async def resolve(self, host: str, port: int) -> list[Address]:
        """Addresses that can be reached from here. Raises Unavailable."""
        if not 0 < port < 65_536:
            raise Unavailable(f"{port} is no port")
        try:
            literal = ip_address(host)
            addresses = [str(getattr(literal, "ipv4_mapped", None) or literal)]
        except ValueError:
            try:
                found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_DGRAM)
            except (OSError, UnicodeError) as error:
                why = getattr(error, "strerror", None) or error
                raise Unavailable(f"the name {host} cannot be resolved: {why}") from None
            addresses = [str(entry[4][0]) for entry in found]
        usable = [a for a in dict.fromkeys(addresses) if self._datagrams.reaches(a) and not _is_nobody(a)]
        if not usable:
            raise Unavailable(f"{host} has no address that can be reached from here")
        return [(address, port) for address in usable[:DIAL_ADDRESSES]]

    async def _race(self, addresses: list[Address]) -> Link:
        waiting = list(reversed(addresses))
        attempts: set[asyncio.Task[Connection]] = set()
        failure = Unavailable("nothing was dialled")
        try:
            while waiting or attempts:
                if waiting:
                    attempts.add(asyncio.create_task(self._dial_one(waiting.pop())))
                pause = DIAL_STAGGER if waiting else None
                done, _ = await asyncio.wait(attempts, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
                for attempt in done:
                    attempts.discard(attempt)
                    try:
                        winner = attempt.result()
                    except Unavailable as error:
                        failure = error
                        continue
                    return winner
            raise failure
        finally:
            for attempt in attempts:
                attempt.cancel()
            for loser in await asyncio.gather(*attempts, return_exceptions=True):
                if isinstance(loser, Connection):
                    loser.close("another address answered")

    async def _dial_one(self, hop: Hop) -> Connection:
        connection = self._connect(hop, is_client=True)
        try:
            await connection.establish()
        except asyncio.CancelledError:
            connection.close("another address answered")
            raise
        return connection

    def _connect(
        self,
        hop: Hop,
        *,
        is_client: bool,
        original_id: bytes | None = None,
        retry_id: bytes | None = None,
    ) -> Connection:
        secrets = io.StringIO()
        configuration = dataclasses.replace(self._configuration, is_client=is_client, secrets_log_file=secrets)
        quic = CappedConnection(
            configuration=configuration,
            lanes=self._limits.lanes,
            original_destination_connection_id=original_id,
            retry_source_connection_id=retry_id,
        )
        connection = Connection(
            quic, secrets, Router(quic, self._hops, hop, self), self, self._limits, dialled=is_client
        )
        host = self._hops.address(hop)[0]  # of a relay, all of whose strangers count together
        self._links[connection] = "" if is_client else host
        self._admission.enter()
        if not is_client:
            self._admission.meet(host)
        return connection

    # What the socket tells us: `swarm.net.datagrams.Receiver`.

    def datagram_received(self, data: bytes, hop: Hop) -> None:
        """`hop`: the address that it came from; or the channel, for what a gate has unwrapped."""
        if not data or self._closed:
            return
        if data[0] < FIRST_QUIC_BYTE:
            self._hand_over(data, hop)
            return
        if len(data) > LARGEST:
            return  # nobody of ours sends these
        connection = self._by_id.get(destination(data))
        if connection is not None:
            connection.receive(data, hop)
            self._touched[connection] = None
        elif data[0] & LONG_HEADER and len(data) >= BASE:
            self._greet(data, hop)

    def batch_received(self) -> None:
        touched, self._touched = self._touched, {}
        for connection in touched:
            connection.batch_received()

    def socket_writable(self) -> None:
        stalled, self._stalled = self._stalled, {}
        for connection in stalled:
            connection.transmit()

    def _hand_over(self, data: bytes, hop: Hop) -> None:
        if (tag := tag_of(data)) is not None:
            if (connection := self._by_tag.get(tag)) is not None:
                connection.probe(data, hop)
        elif isinstance(hop, Channel) or self._gates.is_frame(data, hop):
            return  # nothing else goes through channels
        elif self._on_other is not None:
            try:
                self._on_other(data, hop)
            except Exception:
                log.exception("a datagram that is not QUIC could not be handled")

    # What routers and gates ask: `swarm.net.router.Doorkeeper`, `swarm.net.gates.Inside`.

    def knock(self, router: Router, doors: Sequence[Door]) -> None:
        for door in doors:
            if len(self._knocks) < MAX_KNOCKS:
                task = asyncio.get_running_loop().create_task(self._open_channel(router, door))
                self._knocks.add(task)
                task.add_done_callback(self._knocks.discard)

    async def _open_channel(self, router: Router, door: Door) -> None:
        with contextlib.suppress(Unavailable):
            channel = await self._gates.knock(door, urgent=True)
            for connection in self._links:
                if connection.router is router:
                    connection.opened(channel)

    def registered(self, relay: bytes) -> None:
        for connection in self._links:
            connection.router.relay_there(relay)

    def channel_lost(self, channel: Channel) -> None:
        for connection in list(self._links):
            connection.lost(channel)

    # Strangers.

    def _greet(self, data: bytes, hop: Hop) -> None:
        """A first packet, perhaps."""
        now = asyncio.get_running_loop().time()
        vouched = isinstance(hop, Channel)  # a relay asked whether we accept
        match self._reception.greet(data, self._hops.address(hop), now, vouched=vouched):
            case Answer(datagram):
                self._hops.send([datagram], hop)
            case Admitted(addressed_to, original_id, retry_id):
                connection = self._connect(hop, is_client=False, original_id=original_id, retry_id=retry_id)
                connection.begin(addressed_to, data)
                self._touched[connection] = None
            case None:
                pass

    # What connections tell us: `swarm.net.owner.Owner`.

    def claim(self, connection_id: bytes, connection: Connection) -> None:
        self._by_id[connection_id] = connection

    def release(self, connection_id: bytes) -> None:
        self._by_id.pop(connection_id, None)

    def established(self, connection: Connection) -> None:
        if not connection.dialled:
            try:
                self._on_link(connection)
            except Exception:
                log.exception("a new link could not be handled")
                connection.close("internal error")

    def trusted(self, connection: Connection) -> None:
        self._by_tag[connection.tag] = connection
        host = self._links.get(connection)
        if host:
            self._links[connection] = ""
            self._admission.part(host)

    def ended(self, connection: Connection) -> None:
        host = self._links.pop(connection, None)
        if host is not None:
            self._admission.leave()
            if host:
                self._admission.part(host)
        self._stalled.pop(connection, None)
        if self._by_tag.get(connection.tag) is connection:
            del self._by_tag[connection.tag]
        if channels := connection.router.channels:
            asyncio.get_running_loop().call_later(CHANNEL_LINGER, self._let_go, channels)

    def _let_go(self, channels: tuple[Channel, ...]) -> None:
        """Channels of a link that has ended: two links of one peer may share them."""
        used = {channel for connection in self._links for channel in connection.router.channels}
        for channel in channels:
            if channel not in used:
                self._gates.drop(channel)

    def stalled(self, connection: Connection) -> None:
        self._stalled[connection] = None


def _is_nobody(host: str) -> bool:
    address = ip_address(host)
    return address.is_unspecified or address.is_multicast
