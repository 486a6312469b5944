"""The node: one task group that wires folders, peers and the network. What a user asks of it is in requests.py."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import swarm
from swarm.errors import SwarmError, UserError
from swarm.keys.certificate import Certificate
from swarm.keys.device import DeviceKey
from swarm.keys.relay import printed
from swarm.keys.role import Role
from swarm.net.rate import Bucket
from swarm.node.address_book import AddressBook
from swarm.node.finder import Finder
from swarm.node.folder_thread import FolderThread
from swarm.node.peer import Peer
from swarm.node.preview import PreviewThread
from swarm.node.relay_list import RelayList, learned
from swarm.node.relays import Relays
from swarm.node.rendezvous import Rendezvous
from swarm.node.shared_folder import SharedFolder
from swarm.session.rivals import Rival, keeps_newer
from swarm.session.session import Session
from swarm.sync.events import Accuse, ScanWanted
from swarm.sync.folder import Identity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from swarm.config import Config
    from swarm.discovery.dht.place import Place
    from swarm.disk.home import FolderHome, Home
    from swarm.ids import DeviceId, FolderId
    from swarm.keys.chain import FolderKeys
    from swarm.keys.hints import Hints
    from swarm.net.network import Network
    from swarm.net.tcp_listener import TcpListener
    from swarm.node.folder_thread import NetworkEffect
    from swarm.node.mailbox import Mailbox
    from swarm.wire.lane import Link

log = logging.getLogger("swarm.node")

READERS = 2  # threads that read content for peers
STOP_LOOK = 1.0  # seconds between two looks at one that takes longer
STOP_SECONDS = 20.0  # for a folder's thread to end where it is closed and the node lives on
PAUSE_LOOK = 30.0  # seconds between two looks at the clock while a pause lasts
SHUN_SECONDS = 30.0  # a member that broke the protocol stays out: it may be a bug of ours, or an old version
SIMULTANEOUS = (
    15.0  # seconds; two dials of one moment are not further apart. Who dials later has lost the older session
)
SAVE_INTERVAL = 60.0  # seconds between two savings of the address book


class Node:
    """Folders, peers and the network of one device."""

    def __init__(self, home: Home, config: Config, name: str) -> None:
        self.home = home
        self.config = config
        self.name = name
        self.device = DeviceKey.create(home.seed)
        self.folders: dict[FolderId, SharedFolder] = {}
        self.previews: dict[FolderId, PreviewThread] = {}  # of folders that somebody thinks of joining
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
            keys=self._offered,
            make_peer=self._make_peer,
            on_absence=self._scan_all,
            hints=self._hints,
            home=home.path,
        )
        self.relay_list = RelayList(home.path)
        self.relays = Relays(
            self.device,
            [*config.relay, *self.relay_list.places],
            keys=self._offered,
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
                for home in self.home.folders():
                    self.open_folder(home, created=False)
                hints = [address for folder in self.folders.values() for address in folder.hints.addresses]
                network.own_addresses = self.finder.addresses
                self.finder.begin(network, group, hints)
                for folder in self.folders.values():
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
        threads = [folder.thread for folder in self.folders.values() if folder.thread is not None]
        await asyncio.gather(*(asyncio.to_thread(thread.stop, 4.0) for thread in threads))
        self._readers.shutdown(wait=False, cancel_futures=True)
        with contextlib.suppress(OSError):
            self.book.save()

    # -- folders

    def open_folder(self, home: FolderHome, created: bool) -> SharedFolder | None:
        try:
            folder = SharedFolder(home)
        except SwarmError as error:
            log.error("a folder cannot be opened: %s", error.message)
            return None
        self.folders[folder.keys.folder_id] = folder
        folder.paused_until = home.paused_until()
        if folder.paused_until is None:
            self.start_folder(folder, created)
        else:
            self.end_pause_later(folder)
        return folder

    def start_folder(self, folder: SharedFolder, created: bool = False) -> None:
        """Its thread, and its part in each session."""
        identity = self._identity(folder.keys, created)
        folder.thread = FolderThread(
            folder.home, folder.root, identity, outlet=self._from_thread, on_status=self._status_changed
        )
        folder.thread.start()
        self._offer(folder.keys)
        self._notify_soon()

    def _offer(self, keys: FolderKeys) -> None:
        self.finder.shared()
        self.relays.refresh()
        self.relays.hurry()
        for peer in self._open:
            peer.session.offer(keys, self._certificate(keys))
            peer.flush()

    def start_preview(self, keys: FolderKeys, hints: Hints, root: str) -> PreviewThread:
        """Takes part in the folder's conversation until `end_preview`, and touches nothing of `root`."""
        preview = PreviewThread(self.home, root, self._identity(keys, created=False), hints, self._from_thread)
        self.previews[keys.folder_id] = preview
        preview.start()
        self._offer(keys)
        return preview

    async def end_preview(self, folder: FolderId) -> None:
        for peer in self._open:
            peer.withdraw(folder)
        preview = self.previews.pop(folder)
        self.finder.shared()
        await asyncio.to_thread(preview.stop)

    async def halt_folder(self, folder: SharedFolder) -> None:
        """Takes it out of each session and ends its thread. Raises UserError where that takes too long."""
        thread = folder.thread
        if thread is None:
            return
        for peer in self._open:
            peer.withdraw(folder.keys.folder_id)
        if not await asyncio.to_thread(thread.stop, STOP_SECONDS):
            assert self._group is not None
            self._group.create_task(self._replace(folder, thread))
            raise UserError(f"{folder.name} is busy and does not stop", "try again in a while; the log may say why")
        folder.thread, folder.last = None, thread.status
        self._notify_soon()

    async def _replace(self, folder: SharedFolder, thread: FolderThread) -> None:
        """It was told to end, and will, though whoever wanted that has given up: without another one the folder would
        stand still."""
        while not await asyncio.to_thread(thread.stop, STOP_LOOK):
            pass
        if folder.thread is thread:
            folder.thread, folder.last = None, thread.status
            if folder.paused_until is None:
                self.start_folder(folder)
            self._notify_soon()

    def forget_folder(self, folder: SharedFolder) -> None:
        """It was halted, and is not of this device any more."""
        del self.folders[folder.keys.folder_id]
        self._notify_soon()

    def end_pause_later(self, folder: SharedFolder) -> None:
        """Starts it when its pause is over; a pause that was changed meanwhile has a task of its own."""
        assert self._group is not None
        self._group.create_task(self._end_pause(folder, folder.paused_until))

    async def _end_pause(self, folder: SharedFolder, until: float | None) -> None:
        if until is None or until == math.inf:
            return
        while True:  # by the wall clock: the machine may sleep
            left = until - time.time()
            if left <= 0:
                break
            await asyncio.sleep(min(left, PAUSE_LOOK))
        known = self.folders.get(folder.keys.folder_id) is folder
        if not known or folder.paused_until != until or folder.thread is not None:
            return
        folder.paused_until = None
        await asyncio.to_thread(folder.home.set_paused, None)
        self.start_folder(folder)

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

    def _active(self) -> list[SharedFolder]:
        """Those that are not paused."""
        return [folder for folder in self.folders.values() if folder.thread is not None]

    def _hints(self) -> list[Hints]:
        """Of the keys of all that this device has a part in."""
        return [folder.hints for folder in self._active()] + [preview.hints for preview in self.previews.values()]

    def _offered(self) -> list[FolderKeys]:
        """Of all that this device has a part in."""
        previews = [preview.identity.keys for preview in self.previews.values()]
        return [*(folder.keys for folder in self._active()), *previews]

    def _inbox(self, folder: FolderId) -> Mailbox | None:
        return self._thread(folder) or self.previews.get(folder)

    def _thread(self, folder: FolderId) -> FolderThread | None:
        known = self.folders.get(folder)
        return known.thread if known is not None else None

    def _from_thread(self, thread: Mailbox, effects: Sequence[NetworkEffect]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is connected any more
            self._loop.call_soon_threadsafe(self._deliver, thread, effects)

    def _deliver(self, thread: Mailbox, effects: Sequence[NetworkEffect]) -> None:
        if self._inbox(thread.identity.keys.folder_id) is not thread:
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

    def _scan_all(self) -> None:
        for folder in self.folders.values():
            if folder.thread is not None:
                folder.thread.post(ScanWanted())

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
        return [keys for keys in self._offered() if keys.folder_id not in met]

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
            folders={keys.folder_id: keys for keys in self._offered()},
            certificates={keys.folder_id: self._certificate(keys) for keys in self._offered()},
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
            find=self._thread,
            inbox=self._inbox,
            readers=self._readers,
            listener=self._listener,
            up=self._up,
            down=self._down,
            on_ready=self._peer_ready,
            on_joined=self._peer_joined,
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
        if folder in self.previews:
            return  # whoever it is becomes an acquaintance by a join, not by a look
        self.book.joined(peer.device, folder, role.word)
        self.finder.joined(peer, folder)
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
