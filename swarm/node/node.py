"""The node: one task group that wires folders, peers and the network. What a user asks of it is in requests.py."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import swarm
from swarm.keys.certificate import Certificate
from swarm.keys.device import DeviceKey
from swarm.keys.relay import printed
from swarm.keys.role import Role
from swarm.net.rate import Bucket
from swarm.node.address_book import AddressBook
from swarm.node.finder import Finder
from swarm.node.folders import Folders
from swarm.node.peer import Peer
from swarm.node.relay_list import RelayList, learned
from swarm.node.relays import Relays
from swarm.node.rendezvous import Rendezvous
from swarm.session.rivals import Rival, keeps_newer
from swarm.session.session import Session
from swarm.sync.events import Accuse
from swarm.sync.folder import Identity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from swarm.config import Config
    from swarm.discovery.dht.place import Place
    from swarm.disk.home import Home
    from swarm.ids import DeviceId, FolderId
    from swarm.keys.chain import FolderKeys
    from swarm.keys.hints import Hints
    from swarm.net.network import Network
    from swarm.net.tcp_listener import TcpListener
    from swarm.node.folder_thread import FolderThread, NetworkEffect
    from swarm.node.mailbox import Mailbox
    from swarm.wire.lane import Link

log = logging.getLogger("swarm.node")

READERS = 2  # threads that read content for peers
SHUN_SECONDS = 30.0  # a member that broke the protocol stays out: it may be a bug of ours, or an old version
SIMULTANEOUS = 15.0  # seconds; two dials of one moment are not further apart. A later one has lost the older session
SAVE_INTERVAL = 60.0  # seconds between two savings of the address book


class Node:
    """Folders, peers and the network of one device."""

    def __init__(self, home: Home, config: Config, name: str) -> None:
        self.home = home
        self.config = config
        self.name = name
        self.device = DeviceKey.create(home.seed)
        self.folders = Folders(
            home,
            identify=self._identity,
            outlet=self._from_thread,
            on_status=self._status_changed,
            on_offered=self._offer,
            on_withdrawn=self._withdraw,
            on_preview_over=lambda: self.finder.shared(),
            on_change=self._notify_soon,
        )
        self.peers: dict[DeviceId, Peer] = {}
        self.book = AddressBook(home.path)
        self.stopping = asyncio.Event()
        self._nonce = os.urandom(8)
        self._shunned: dict[DeviceId, float] = {}  # members that broke the protocol, until when
        self._met = asyncio.Event()
        self.changed = asyncio.Condition()  # notified when anything that a status says may be another
        self.changes = 0  # how often
        self._open: set[Peer] = set()  # every link's, those in their handshake too
        self._notify_due = False
        self._network: Network | None = None
        self._listener: TcpListener | None = None
        self._group: asyncio.TaskGroup | None = None
        self._readers = ThreadPoolExecutor(READERS, "serve")
        self._up, self._down = (Bucket(rate) if rate else None for rate in (config.up, config.down))
        self._loop = asyncio.get_running_loop()
        self.finder = Finder(
            config,
            self.device.id,
            self.book,
            self.peers,
            keys=self.folders.offered,
            make_peer=self._make_peer,
            on_absence=self.folders.scan,
            hints=self.folders.hints,
            home=home.path,
        )
        self.relay_list = RelayList(home.path)
        self.relays = Relays(
            self.device,
            [*config.relay, *self.relay_list.places],
            keys=self.folders.offered,
            lonely=self._lonely,
            on_change=self._reachable_otherwise,
            on_found=self.finder.know_doors,
        )
        self.rendezvous = Rendezvous(self.relays, self.book, self.peers, self.finder, on_news=self._met.set)
        self.finder.doors = self.relays.doors
        self.finder.on_moved = self._reachable_otherwise
        self.finder.on_wake = self.relays.check
        self.finder.relays = self.relays.reserved
        self.finder.on_relay_place = self._learn_place

    # -- life

    async def run(self, network: Network, on_ready: Callable[[], None], listener: TcpListener | None = None) -> None:
        """Until `stopping` is set. The network's links must be given to `accept`. `listener`: for bulk over TCP."""
        self._network, self._listener = network, listener
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self.folders.begin(group)
                known = list(self.folders.known.values())
                hints = [address for folder in known for address in folder.hints.addresses]
                network.own_addresses = self.finder.addresses
                self.finder.begin(network, group, hints)
                for folder in known:
                    self.learn_relays(folder.hints)
                self.rendezvous.begin()
                group.create_task(self.relays.run(network))
                group.create_task(self._save_now_and_then())
                on_ready()
                await self.stopping.wait()
                raise _Stopped
        except* _Stopped:
            pass
        finally:
            await self._end()

    async def _end(self) -> None:
        for peer in list(self.peers.values()):
            peer.close("stopped")
        if self._network is not None:
            await self._network.close()
        if self._listener is not None:
            await self._listener.close()
        await self.folders.end()
        self._readers.shutdown(wait=False, cancel_futures=True)
        with contextlib.suppress(OSError):
            self.book.save()

    # -- folders

    def _offer(self, keys: FolderKeys) -> None:
        self.finder.shared()
        self.relays.refresh()
        self.relays.hurry()
        for peer in self._open:
            peer.session.offer(keys, self._certificate(keys))
            peer.flush()

    def _withdraw(self, folder: FolderId) -> None:
        for peer in self._open:
            peer.withdraw(folder)

    def _identity(self, keys: FolderKeys, created: bool) -> Identity:
        return Identity(
            keys=keys,
            device=self.device,
            name=self.name,
            incarnation=(time.time_ns() // 1_000_000) << 20 | int.from_bytes(os.urandom(2), "big"),
            cloned=False,
            created=created,
        )

    def _certificate(self, keys: FolderKeys) -> bytes:
        if not keys.role.holds(Role.WRITE):
            return b""
        return Certificate.issue(keys, self.device.id, Role.WRITE).raw

    def _from_thread(self, thread: Mailbox, effects: Sequence[NetworkEffect]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is connected any more
            self._loop.call_soon_threadsafe(self._deliver, thread, effects)

    def _deliver(self, thread: Mailbox, effects: Sequence[NetworkEffect]) -> None:
        if self.folders.inbox(thread.identity.keys.folder_id) is not thread:
            return  # it was halted since
        for effect in effects:
            peer = self.peers.get(effect.peer)
            if peer is None:
                continue
            if isinstance(effect, Accuse):
                log.warning("%s: %s", peer.title, effect.why)
                self._shunned[effect.peer] = self._loop.time() + SHUN_SECONDS
                peer.close("broke the protocol")
            else:
                peer.deliver(thread, effect)

    def _status_changed(self, _: FolderThread) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._notify_soon)

    def _notify_soon(self) -> None:
        if not self._notify_due and self._group is not None and not self.stopping.is_set():
            self._notify_due = True
            self._group.create_task(self._notify())

    async def _notify(self) -> None:
        self._notify_due = False
        async with self.changed:
            self.changes += 1
            self.changed.notify_all()

    # -- relays

    def learn_relays(self, hints: Hints) -> None:
        """Those in the hints of a key."""
        places = [learned(relay.host, relay.port, relay.key) for relay in hints.relays]
        self.relays.learn(place for place in places if place is not None)

    def _learn_place(self, place: Place) -> None:
        """A relay at which a member is, as the DHT has it."""
        found = learned(place.host, place.port, printed(place.relay_key))
        if found is not None:
            self.relays.learn([found])
            self.relays.hurry()

    def _lonely(self) -> list[FolderKeys]:
        """Folders with nobody connected."""
        met = {folder for peer in self.peers.values() for folder in peer.folders}
        return [keys for keys in self.folders.offered() if keys.folder_id not in met]

    def _reachable_otherwise(self) -> None:
        self.finder.announce()
        self.rendezvous.changed()
        self._notify_soon()

    def _rerouted(self, peer: Peer) -> None:
        log.info("%s: %s", peer.title, peer.link.route)
        self._notify_soon()

    # -- peers

    def accept(self, link: Link) -> None:
        """A link that somebody opened."""
        if self._group is not None and not self.stopping.is_set():
            self._group.create_task(self._make_peer(link).run())
        else:
            link.close()

    def datagram(self, data: bytes, address: tuple[str, int]) -> None:
        """One that the network received and that belongs to no link."""
        self.finder.datagram(data, address)

    def _make_peer(self, link: Link) -> Peer:
        session = Session(
            device=self.device,
            name=self.name,
            nonce=self._nonce,
            folders={keys.folder_id: keys for keys in self.folders.offered()},
            certificates={keys.folder_id: self._certificate(keys) for keys in self.folders.offered()},
            binding=link.binding,
            dialled=link.dialled,
            random=os.urandom,
            addresses=self.finder.addresses(),
            software=swarm.__version__,
            clock=int(time.time() * 1000),
        )
        peer = Peer(
            link,
            session,
            find=self.folders.thread,
            inbox=self.folders.inbox,
            readers=self._readers,
            listener=self._listener,
            up=self._up,
            down=self._down,
            on_ready=self._peer_ready,
            on_joined=self._peer_joined,
            on_left=self._peer_left,
            on_told=self.finder.told,
            on_routes=self.rendezvous.told,
            on_rerouted=self._rerouted,
            on_end=self._peer_ended,
        )
        self._open.add(peer)
        return peer

    def _peer_ready(self, peer: Peer) -> bool:
        """Whether to keep it: of two sessions with one device, one goes."""
        device, ready = peer.device, peer.ready
        assert device is not None
        assert ready is not None
        if self._shunned.get(device, 0.0) > self._loop.time():
            return False
        self._shunned.pop(device, None)
        rival = self.peers.get(device)
        if rival is not None and rival.ready is not None and time.time() - rival.since < SIMULTANEOUS:
            older = Rival(rival.link.dialled, rival.ready.nonce)
            newer = Rival(peer.link.dialled, ready.nonce)
            if not keeps_newer(self.device.id, device, older, newer):
                return False
        if rival is not None:
            rival.close("replaced by a newer session")
            rival.retire()
        self.peers[device] = peer
        self.finder.connected(peer)
        self.rendezvous.connected(peer)
        log.info("%s is connected, %s", peer.title, peer.link.route)
        self._notify_soon()
        return True

    def _peer_joined(self, peer: Peer, folder: FolderId, role: Role) -> None:
        assert peer.device is not None
        if folder in self.folders.previews:
            return  # whoever it is becomes an acquaintance by a join, not by a look
        self.book.joined(peer.device, folder, role.word)
        self.finder.joined(peer, folder)
        self._met.set()
        self._notify_soon()

    def _peer_left(self, peer: Peer, folder: FolderId) -> None:
        """It has left the folder or paused it; or it had asked for a preview, and is no member that could be away."""
        assert peer.device is not None
        self.book.seen(peer.device, time.time())
        thread = self.folders.thread(folder)
        if thread is not None and thread.status is not None and peer.device not in thread.status.behind:
            self.book.left(peer.device, folder)
            self._met.set()
        self._notify_soon()

    def _peer_ended(self, peer: Peer) -> None:
        self._open.discard(peer)
        self.rendezvous.lost(peer)
        device = peer.device
        if device is not None and self.peers.get(device) is peer:
            del self.peers[device]
            self.book.seen(device, time.time())
            self.finder.lost(peer)
            self.relays.hurry()
            log.info("%s is gone%s", peer.title, f": {peer.failure}" if peer.failure else "")
            self._notify_soon()

    # -- the address book

    async def _save_now_and_then(self) -> None:
        while True:
            # Whom we have just met is saved at once: who is killed before would find nobody after it starts again.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SAVE_INTERVAL):
                    await self._met.wait()
            self._met.clear()
            for device in self.peers:
                self.book.seen(device, time.time())
            try:
                await asyncio.to_thread(self.book.save)
            except OSError as error:
                log.warning("the addresses of members cannot be saved: %s", error)


class _Stopped(Exception):
    """The node was asked to stop."""
