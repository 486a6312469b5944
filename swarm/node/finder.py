"""The finder: where members may be, asking and dialling there, and noticing that it is time to look anew.

Wires the dialer to its sources: hints of keys, the address book, the configuration, the local network, the DHT, and
what members say of each other; whichever leads to a member first. When the machine's addresses change, or it was
asleep, links are asked for a sign of life and everybody else is looked for at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from ipaddress import ip_address
from typing import TYPE_CHECKING

from swarm.discovery.lan import Lan
from swarm.discovery.nearby import interfaces
from swarm.errors import Unavailable
from swarm.ids import DeviceId
from swarm.net.echo import Echo
from swarm.net.gateway import Gateway
from swarm.net.nat_pmp import Protocol
from swarm.node.absence import Absence
from swarm.node.dialer import Dialer
from swarm.node.own_address import own_addresses
from swarm.node.seeker import Seeker
from swarm.node.tellable import tellable
from swarm.session.messages import MAX_PLACES, MAX_TOLD, Whereabouts
from swarm.wire.hop import Door

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from swarm.config import Config
    from swarm.discovery.dht.place import Place
    from swarm.ids import FolderId
    from swarm.keys.chain import FolderKeys
    from swarm.keys.hints import Hints
    from swarm.net.network import Network
    from swarm.node.address_book import AddressBook
    from swarm.node.dialer import Target
    from swarm.node.peer import Peer
    from swarm.session.events import MembersTold
    from swarm.wire.lane import Link

    Address = tuple[str, int]

log = logging.getLogger("swarm.finder")

TURN = 0.5  # seconds between two looks at the clocks and at the machine's addresses
SHORTEST_WAIT = 0.05  # seconds between two turns of dialling
STAGGER = 0.25  # seconds between the first dials to addresses of one source
MOVED = 1.0  # seconds until an address that may be a connected member's new one is dialled
PATIENCE = 12.0  # seconds of absence after which the others have given our links up
DIAL_AGAIN = (
    0.25  # seconds that a dial may be old when its address answers a ping; an older one waits for a lost packet
)
MAX_SOURCES = 2_048  # addresses of which is known who named them
MAX_NEARBY = 32  # addresses of members and hints at which a DHT node may be
BEFORE_MAPPED = 3  # own addresses that are told before the router's: a key has room for four
OFF_LINE = 30 * 86_400.0  # seconds; where somebody was who is away for longer is told to nobody


class Finder:
    """Finds members. Made and used on the loop."""

    def __init__(
        self,
        config: Config,
        own: DeviceId,
        book: AddressBook,
        peers: Mapping[DeviceId, Peer],
        *,
        keys: Callable[[], Iterable[FolderKeys]],
        make_peer: Callable[[Link], Peer],
        on_absence: Callable[[], None],
        hints: Callable[[], Iterable[Hints]] = tuple,
        home: Path | None = None,
    ) -> None:
        """`peers`: who is connected, kept by the node. `on_absence`: we were asleep, and folders want a scan.

        `hints`: of our folders' keys. `home`: where the DHT's nodes are remembered; None: without the DHT.
        """
        self._config = config
        self._own = own
        self._book = book
        self._peers = peers
        self._keys = keys
        self._make_peer = make_peer
        self._on_absence = on_absence
        self.doors: Callable[[DeviceId], Iterable[Door]] = lambda _: ()  # where a device may be, at the relays in use
        self.on_moved: Callable[[], None] = lambda: None  # this machine is reached elsewhere
        self.on_wake: Callable[[], None] = lambda: None  # it slept, or its addresses changed
        self._loop = asyncio.get_running_loop()
        self._dialer = Dialer()
        self._echo = Echo(os.urandom(32))
        self._redial = asyncio.Event()
        self._dials: dict[Target, tuple[asyncio.Task[None], float]] = {}
        self._network: Network | None = None
        self._group: asyncio.TaskGroup | None = None
        self._lan: Lan | None = None
        self.gateway: Gateway | None = None
        self._hints = hints
        self._sources: dict[Address, str] = {}
        self.found: dict[DeviceId, str] = {}  # who was reached, and who had named the address
        self.on_relay_place: Callable[[Place], None] | None = None  # a member is to be had through a relay
        self.relays: Callable[[], Iterable[tuple[Address, bytes]]] = tuple  # through which this device is to be had
        self._seeker = self._make_seeker(home) if config.dht and home is not None else None

    def begin(self, network: Network, group: asyncio.TaskGroup, addresses: Iterable[Address]) -> None:
        """Looks for members from here on. `addresses`: hints of the folders' keys."""
        self._network, self._group = network, group
        self.know(addresses)
        for device, entry in self._book.devices.items():
            self.know(entry.addresses, DeviceId(bytes.fromhex(device)), "known")
        self.know(((peer.host, peer.port) for peer in self._config.peers), source="config")
        self._disown()
        group.create_task(self._dial_all())
        group.create_task(self._watch())
        if self._config.lan:
            self._lan = Lan(network.address, addresses=self.addresses, keys=self._discovery_keys, on_found=self._found)
            group.create_task(self._lan.run())
        host, port = network.address
        if self._config.port_mapping and not ip_address(host).is_loopback:
            wanted = [(Protocol.UDP, port), (Protocol.TCP, port)]
            self.gateway = Gateway(wanted, self._mapped)
            group.create_task(self.gateway.run())
        if self._seeker is not None:
            group.create_task(self._seeker.run(network.send_other, network.address))

    def addresses(self) -> tuple[Address, ...]:
        """Where this device can be dialled."""
        if self._network is None:
            return ()
        mapped = self.gateway.addresses() if self.gateway is not None else ()
        own = own_addresses(*self._network.address)
        return (*own[:BEFORE_MAPPED], *mapped, *own[BEFORE_MAPPED:])

    def know(self, addresses: Iterable[Address], device: DeviceId | None = None, source: str = "key") -> None:
        """These may lead to a member, to `device` where that is known. `source`: who says so."""
        self._know_from(addresses, self._loop.time(), source, device)

    def dht(self) -> dict[str, object] | None:
        """For the status; None where it is switched off."""
        return self._seeker.describe() if self._seeker is not None else None

    @property
    def trouble(self) -> str:
        """Why nobody may be found, or ""."""
        return self._seeker.trouble if self._seeker is not None else ""

    def announce(self) -> None:
        """This device may be reached otherwise than before, or looks for others with more or less haste."""
        if self._seeker is not None:
            self._seeker.refresh()

    def know_doors(self, doors: Iterable[Door], device: DeviceId | None = None) -> None:
        """These may lead to a member, to `device` where that is known."""
        self._dialer.know(doors, self._loop.time(), device)
        self._redial.set()

    def hurry(self) -> None:
        """Everybody who is not connected is looked for at once."""
        self._dialer.hurry(self._loop.time())
        self._disown()
        self._redial.set()
        self.shared()
        if self._seeker is not None:
            self._seeker.hurry()

    def shared(self) -> None:
        """There is a folder more, or one less: strangers on the local network may be members, and are to know us."""
        if self._lan is not None:
            self._lan.refresh()
        if self._seeker is not None:
            self._seeker.refresh()

    # -- what the node tells

    def connected(self, peer: Peer) -> None:
        """A session with a member has begun."""
        assert peer.device is not None
        assert peer.ready is not None
        places = [*_straight(peer), *tellable(peer.ready.addresses, peer)]
        self._book.met(peer.device, peer.ready.name, places, time.time())
        self.know(places, peer.device, "known")
        self._dialer.identify(self.doors(peer.device), peer.device)
        self._dialer.connected(peer.device)
        for target in self._dialer.needless(peer.device):
            if target in self._dials:
                self._dials[target][0].cancel()
        if not peer.link.dialled:
            self.found.pop(peer.device, None)  # it has found us

    def joined(self, peer: Peer, folder: FolderId) -> None:
        """It takes part in a folder: it hears of the folder's members, and they of it."""
        others = [other for other in self._peers.values() if other is not peer and folder in other.folders]
        near = {other.device.hex() for other in others if other.device is not None}
        known = self._book.members(folder)
        recent = time.time() - OFF_LINE
        devices = sorted(known, key=lambda device: (device in near, known[device].last_seen), reverse=True)
        worth = [device for device in devices if device in near or known[device].last_seen > recent]
        self._tell(peer, folder, worth)
        if peer.device is not None:
            for other in others:
                self._tell(other, folder, [peer.device.hex()])

    def lost(self, peer: Peer) -> None:
        """A session with a member is over."""
        assert peer.device is not None
        self.know(_straight(peer), peer.device, "known")  # the link may have followed it there
        self._dialer.lost(peer.device, self._loop.time())
        self.announce()  # and nobody may be connected now

    def told(self, peer: Peer, said: MembersTold) -> None:
        """A member says where members are."""
        now = self._loop.time()
        for device, addresses in said.members:
            places = tellable(addresses, peer)
            self._remember("member", places)
            if device == peer.device and peer.ready is not None:
                self._book.met(device, peer.ready.name, places, time.time())
                self._dialer.know(places, now, device)
            elif device != self._own:
                self._dialer.know([*places, *self._doors_of(device)], now, device, told_by=peer.device)
        self._redial.set()

    def _doors_of(self, device: DeviceId) -> Iterable[Door]:
        """Whoever is in the folder with us may be at a relay of ours."""
        return self.doors(device) if device not in self._peers else ()

    def datagram(self, data: bytes, address: Address) -> None:
        """One that is not QUIC."""
        now = self._loop.time()
        if data[0] in (0, 1):
            if self._seeker is not None:
                self._seeker.datagram(data, address)
        elif (pong := self._echo.answer(data, now)) is not None:
            if self._network is not None:
                self._network.send_other(pong, address)
        elif self._echo.is_answer(data, address):
            dial = self._dials.get(address)
            if self._dialer.answered(address, now) and dial is not None and now - dial[1] > DIAL_AGAIN:
                dial[0].cancel()  # its first packet was lost, and the next one is seconds away
            self._redial.set()

    def _found(self, addresses: list[Address]) -> None:
        """On the local network. Perhaps somebody who is connected, and just about to tell us a new address."""
        self._know_from(addresses, self._loop.time() + (MOVED if self._peers else 0.0), "lan")

    def _found_far(self, places: tuple[Place, ...]) -> None:
        """In the DHT. Whoever says "loopback" there means himself, unless we have nothing else either."""
        local = all(ip_address(host).is_loopback for host, _ in self.addresses())
        addresses = [(p.host, p.port) for p in places if not p.relay_key and ip_address(p.host).is_loopback <= local]
        self._know_from(addresses, self._loop.time() + (MOVED if self._peers else 0.0), "dht")
        for place in places:
            if place.relay_key and self.on_relay_place is not None:
                self.on_relay_place(place)

    def _make_seeker(self, home: Path) -> Seeker:
        config = self._config
        return Seeker(
            self._own,
            home,
            keys=self._keys,
            bootstrap=[*config.bootstrap, *(relay.address for relay in config.relay)],
            nearby=self._nearby,
            addresses=self.addresses,
            relays=lambda: self.relays(),
            in_company=lambda folder: any(folder in peer.folders for peer in self._peers.values()),
            on_found=self._found_far,
        )

    def _nearby(self) -> list[Address]:
        """Where a node of the DHT may be: what keys hint at, and where members are."""
        told = list(self._hints())
        hinted = [node for hints in told for node in [*hints.nodes, *((r.host, r.port) for r in hints.relays)]]
        hinted += [address for hints in told for address in hints.addresses]
        here = [peer.link.address for peer in self._peers.values()]
        met = [address for entry in self._book.devices.values() for address in entry.addresses[:1]]
        return list(dict.fromkeys([*hinted, *here, *met]))[:MAX_NEARBY]

    def _remember(self, source: str, addresses: Iterable[Address]) -> None:
        """The first to name an address is who has found whoever is there."""
        for address in addresses:
            self._sources.setdefault(address, source)
        while len(self._sources) > MAX_SOURCES:
            del self._sources[next(iter(self._sources))]

    def _know_from(
        self, addresses: Iterable[Address], moment: float, source: str, device: DeviceId | None = None
    ) -> None:
        addresses = list(addresses)
        self._remember(source, addresses)
        for index, address in enumerate(addresses):
            # One after the other: they may be one device's, and two sessions with it are one too many (RFC 8305).
            self._dialer.know([address], moment + index * STAGGER, device)
        self._redial.set()

    # -- telling

    def _tell(self, peer: Peer, folder: FolderId, devices: Iterable[str]) -> None:
        members = []
        for device in devices:
            entry = self._book.devices.get(device)
            places = tellable(entry.addresses, peer) if entry is not None else []
            if places and (peer.device is None or device != peer.device.hex()):
                members.append((bytes.fromhex(device), tuple(places[:MAX_PLACES])))
        if members and peer.session.tell(Whereabouts(folder, tuple(members[:MAX_TOLD]))):
            peer.flush()

    def _tell_of_ourselves(self) -> None:
        self.on_moved()
        for peer in self._peers.values():
            places = tuple(tellable(self.addresses(), peer))[:MAX_PLACES]
            for folder in list(peer.folders)[:1]:
                if peer.session.tell(Whereabouts(folder, ((self._own, places),))):
                    peer.flush()

    def _mapped(self) -> None:
        """The gateway leads others to us, or does so no more."""
        self._disown()
        self._tell_of_ourselves()

    # -- dialling

    def _disown(self) -> None:
        for address in self.addresses():
            self._dialer.is_self(address)

    def _discovery_keys(self) -> list[bytes]:
        return [keys.discovery_key() for keys in self._keys()]

    async def _dial_all(self) -> None:
        assert self._network is not None
        assert self._group is not None
        while True:
            self._redial.clear()
            now = self._loop.time()
            due = None
            if any(True for _ in self._keys()):
                for address in self._dialer.pings_due(now):
                    self._network.send_other(self._echo.ping(address), address)
                for target in self._dialer.due(now):
                    self._dials[target] = self._group.create_task(self._dial(target)), now
                due = self._dialer.next_due()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(30.0 if due is None else max(SHORTEST_WAIT, due - now)):
                    await self._redial.wait()

    async def _dial(self, address: Target) -> None:
        assert self._network is not None
        assert self._group is not None
        reached: DeviceId | None = None
        try:
            dial = self._network.dial_door(address) if isinstance(address, Door) else self._network.dial(*address)
            link = await dial
            del self._dials[address]  # from here on it is not begun again
            peer = self._make_peer(link)
            self._group.create_task(peer.run())
            await peer.settled.wait()
            reached = peer.device
            if peer.is_self:
                self._dialer.is_self(address)
        except Unavailable as error:
            log.debug("%s cannot be reached: %s", address, error.message)
        except asyncio.CancelledError:  # the daemon ends; or the address answered a ping, and it begins again
            self._dialer.failed(address, self._loop.time())
            self._dialer.answered(address, self._loop.time())
            self._redial.set()
            raise
        finally:
            self._dials.pop(address, None)
        if reached is not None:
            self._dialer.reached(address, reached)
            if isinstance(address, Door):
                self.found[reached] = "relay"
            elif reached in self._peers and self._peers[reached].link.address == address:
                self.found[reached] = self._sources.get(address, "known")
        else:
            self._dialer.failed(address, self._loop.time())
        self._redial.set()

    # -- noticing

    async def _watch(self) -> None:
        here = interfaces()
        absence = Absence(self._loop.time(), time.time())
        while True:
            await asyncio.sleep(TURN)
            away = absence.turn(self._loop.time(), time.time(), TURN)
            if away:
                log.info("this device was away for %.0f seconds", away)
                self._on_absence()
            moved = interfaces() != here
            if moved:
                here = interfaces()
                log.info("the addresses of this device have changed")
                self._tell_of_ourselves()
            if away or moved:
                self._wake(away >= PATIENCE)

    def _wake(self, given_up: bool) -> None:
        assert self._network is not None
        if given_up:
            for peer in list(self._peers.values()):
                peer.close("this device was away")
        self._network.wake()
        self.on_wake()
        self.hurry()


def _straight(peer: Peer) -> list[Address]:
    """Where the link leads to, if that is the peer and not a relay."""
    return [] if peer.link.route == "relayed" else [peer.link.address]
