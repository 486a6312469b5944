"""The node: one task group that wires folders, peers and the network; and what a user may ask of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import swarm
from swarm.control.daemon import Shared, Waited
from swarm.disk import marker
from swarm.errors import EXIT_FAILED, EXIT_NOT_FOUND, EXIT_USAGE, SwarmError, UserError
from swarm.keys.certificate import Certificate
from swarm.keys.chain import FolderKeys
from swarm.keys.device import DeviceKey
from swarm.keys.hints import Hints, directory_name, format_invitation, parse_invitation
from swarm.keys.role import Role
from swarm.node.address_book import AddressBook
from swarm.node.finder import Finder
from swarm.node.folder_thread import FolderThread
from swarm.node.history_requests import HistoryRequests
from swarm.node.peer import Peer
from swarm.node.place import join_root, make_root, marker_of
from swarm.node.report import Connection, FolderReport, folder_object, missing_for
from swarm.node.shared_folder import SharedFolder
from swarm.session.rivals import Rival, keeps_newer
from swarm.session.session import Session
from swarm.sync.events import Accuse, ScanWanted
from swarm.sync.folder import Identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm.config import Config
    from swarm.disk.home import FolderHome, Home
    from swarm.ids import DeviceId, FolderId
    from swarm.net.network import Network
    from swarm.net.tcp_listener import TcpListener
    from swarm.node.folder_thread import NetworkEffect
    from swarm.wire.lane import Link

log = logging.getLogger("swarm.node")

READERS = 2  # threads that read content for peers
GREET_WAIT = 3.0  # seconds that join waits for the first member, to say whether anybody is online
SHUN_SECONDS = 30.0  # a member that broke the protocol stays out: it may be a bug of ours, or an old version
SIMULTANEOUS = (
    15.0  # seconds; two dials of one moment are not further apart. Who dials later has lost the older session
)
SAVE_INTERVAL = 60.0  # seconds between two savings of the address book
ROLES = {"write": Role.WRITE, "read": Role.READ, "blind": Role.BLIND, "owner": Role.OWNER}


class Node:
    """Implements `swarm.control.daemon.Daemon`."""

    def __init__(self, home: Home, config: Config, name: str) -> None:
        self.home = home
        self.config = config
        self.name = name
        self.device = DeviceKey.create(home.seed)
        self.folders: dict[FolderId, SharedFolder] = {}
        self.peers: dict[DeviceId, Peer] = {}
        self.book = AddressBook(home.path)
        self.stopping = asyncio.Event()
        self._nonce = os.urandom(8)
        self._shunned: dict[DeviceId, float] = {}  # members that broke the protocol, until when
        self._met = asyncio.Event()
        self._changed = asyncio.Condition()
        self._notify_due = False
        self._network: Network | None = None
        self._listener: TcpListener | None = None
        self._group: asyncio.TaskGroup | None = None
        self.past = HistoryRequests(self.folders, self._changed)
        self._readers = ThreadPoolExecutor(READERS, "serve")
        self._loop = asyncio.get_running_loop()
        self._finder = Finder(
            config,
            self.device.id,
            self.book,
            self.peers,
            keys=lambda: [folder.keys for folder in self.folders.values()],
            make_peer=self._make_peer,
            on_absence=self._scan_all,
        )

    # -- life

    async def run(self, network: Network, on_ready: Callable[[], None], listener: TcpListener | None = None) -> None:
        """Until `stop`. The network's links must be given to `accept`. `listener`: for bulk over TCP."""
        self._network, self._listener = network, listener
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for home in self.home.folders():
                    self._open_folder(home, created=False)
                hints = [address for folder in self.folders.values() for address in folder.hints.addresses]
                self._finder.begin(network, group, hints)
                group.create_task(self._save_now_and_then())
                on_ready()
                await self.stopping.wait()
                raise _Stopped
        except* _Stopped:
            pass
        finally:
            await self._end()

    async def stop(self) -> None:
        self.stopping.set()

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

    def _open_folder(self, home: FolderHome, created: bool) -> SharedFolder | None:
        try:
            folder = SharedFolder(home)
        except SwarmError as error:
            log.error("a folder cannot be opened: %s", error.message)
            return None
        identity = Identity(
            keys=folder.keys,
            device=self.device,
            name=self.name,
            incarnation=(time.time_ns() // 1_000_000) << 20 | int.from_bytes(os.urandom(2), "big"),
            cloned=False,
            created=created,
        )
        folder.thread = FolderThread(
            home, folder.root, identity, outlet=self._from_thread, on_status=self._status_changed
        )
        self.folders[folder.keys.folder_id] = folder
        folder.thread.start()
        self._finder.shared()
        for peer in self.peers.values():
            peer.session.offer(folder.keys, self._certificate(folder.keys))
            peer.flush()
        return folder

    def _certificate(self, keys: FolderKeys) -> bytes:
        if not keys.role.holds(Role.WRITE):
            return b""
        return Certificate.issue(keys, self.device.id, Role.WRITE).raw

    def _thread(self, folder: FolderId) -> FolderThread | None:
        known = self.folders.get(folder)
        return known.thread if known is not None else None

    def _find(self, path: str) -> SharedFolder:
        """The folder that holds an absolute path."""
        real = os.path.realpath(path)
        for folder in self.folders.values():
            if real == folder.real or real.startswith(folder.real.rstrip("/") + "/"):
                return folder
        raise UserError(f"{path} is in no shared folder", "swarm status lists them", EXIT_NOT_FOUND)

    def _from_thread(self, thread: FolderThread, effects: list[NetworkEffect]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is connected any more
            self._loop.call_soon_threadsafe(self._deliver, thread, effects)

    def _deliver(self, thread: FolderThread, effects: list[NetworkEffect]) -> None:
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
        async with self._changed:
            self._changed.notify_all()

    # -- peers

    def accept(self, link: Link) -> None:
        """A link that somebody opened."""
        if self._group is not None and not self.stopping.is_set():
            self._group.create_task(self._make_peer(link).run())
        else:
            link.close()

    def datagram(self, data: bytes, address: tuple[str, int]) -> None:
        """One that the network received and that belongs to no link."""
        self._finder.datagram(data, address)

    def _make_peer(self, link: Link) -> Peer:
        session = Session(
            device=self.device,
            name=self.name,
            nonce=self._nonce,
            folders={folder_id: folder.keys for folder_id, folder in self.folders.items()},
            certificates={folder_id: self._certificate(folder.keys) for folder_id, folder in self.folders.items()},
            binding=link.binding,
            dialled=link.dialled,
            random=os.urandom,
            addresses=self._finder.addresses(),
            software=swarm.__version__,
        )
        return Peer(
            link,
            session,
            find=self._thread,
            readers=self._readers,
            listener=self._listener,
            on_ready=self._peer_ready,
            on_joined=self._peer_joined,
            on_told=self._finder.told,
            on_end=self._peer_ended,
        )

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
        self._finder.connected(peer)
        log.info("%s is connected, %s", peer.title, peer.link.route)
        self._notify_soon()
        return True

    def _peer_joined(self, peer: Peer, folder: FolderId, role: Role) -> None:
        assert peer.device is not None
        self.book.joined(peer.device, folder, role.word)
        self._finder.joined(peer, folder)
        self._met.set()
        self._notify_soon()

    def _peer_ended(self, peer: Peer) -> None:
        device = peer.device
        if device is not None and self.peers.get(device) is peer:
            del self.peers[device]
            self.book.seen(device, time.time())
            self._finder.lost(peer)
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

    # -- what a user may ask (Daemon)

    async def share(self, path: str, name: str | None) -> Shared:
        self._refuse_overlap(await asyncio.to_thread(os.path.realpath, path))  # before it is made
        root = await asyncio.to_thread(make_root, path)
        for folder in self.folders.values():
            if folder.real == root:
                return self._shared(folder)
        self._refuse_overlap(root)
        keys = FolderKeys.create(os.urandom(32))
        label = directory_name(name or os.path.basename(root)) or "swarm"
        printed = format_invitation(keys.printed(Role.OWNER), Hints(name=label))
        return self._shared(await self._add(keys, root, printed, created=True))

    async def join(self, invitation: str, path: str | None, merge: bool) -> Shared:
        printed, hints = parse_invitation(invitation)
        if printed.role not in (Role.WRITE, Role.READ):
            raise UserError(
                f"this is a {printed.role.word} key, and joining with one is not there yet",
                "join with a write key (swarmw1…) or a read-only key (swarmr1…)",
            )
        keys = FolderKeys.from_printed(printed)
        known = self.folders.get(keys.folder_id)
        if known is not None:
            if not known.keys.role.holds(printed.role):
                raise UserError(
                    f"this folder is on this device already, at {known.root}, with a {known.keys.role.word} key",
                    "a better key for it is not taken up yet; another device can join with this one",
                )
            if path is None or await asyncio.to_thread(os.path.realpath, path) == known.real:
                return self._shared(known)
            raise UserError(
                f"this folder is on this device already, at {known.root}",
                "a device has one copy of a folder",
                EXIT_USAGE,
            )
        name = hints.name or f"swarm-{keys.folder_id.hex()[:8]}"
        root = await asyncio.to_thread(join_root, path, name, merge)
        self._refuse_overlap(root)
        folder = await self._add(keys, root, invitation, created=False)
        self._finder.hurry()
        self._finder.know(folder.hints.addresses)
        online = await self._first_member(folder)
        if online:
            note = f"Joined {folder.name} at {root}, with {online}."
        else:
            note = f"Joined {folder.name} at {root}. Nobody else is online yet; it goes on by itself when somebody is."
        return self._shared(folder, note)

    async def _add(self, keys: FolderKeys, root: str, printed: str, created: bool) -> SharedFolder:
        found = await asyncio.to_thread(marker_of, root)
        if found not in (None, keys.folder_id):
            raise UserError(
                f"{root} is shared already, as another folder",
                f"if it is not any more, remove {root}/.swarm/{marker.MARKER} and try again",
            )
        await asyncio.to_thread(marker.lay_out, root, keys.folder_id)
        home = await asyncio.to_thread(self.home.add_folder, keys.folder_id, printed, root)
        folder = self._open_folder(home, created)
        if folder is None:
            raise UserError("the folder cannot be opened", "the log has the details", EXIT_FAILED)
        return folder

    def _refuse_overlap(self, root: str) -> None:
        for folder in self.folders.values():
            other = folder.real
            if root.startswith(other.rstrip("/") + "/"):
                raise UserError(f"{root} is inside the shared folder {other}", "share a directory outside of it")
            if other.startswith(root.rstrip("/") + "/"):
                raise UserError(f"{root} contains the shared folder {other}", "share a directory without one")

    async def _first_member(self, folder: SharedFolder) -> str:
        """The name of a member that is connected, as soon as there is one; "" when nobody comes."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GREET_WAIT), self._changed:
                while True:
                    for peer in self.peers.values():
                        if folder.keys.folder_id in peer.folders and peer.ready is not None:
                            return peer.ready.name
                    await self._changed.wait()
        return ""

    def _shared(self, folder: SharedFolder, *notes: str) -> Shared:
        addresses = self._finder.addresses()
        where = ", ".join(f"{host}:{port}" for host, port in addresses)
        role = min(folder.keys.role, Role.WRITE)
        allows = "read and change" if role is Role.WRITE else "read, and not change,"
        return Shared(
            key=self._printed(folder, role),
            folder=folder.keys.folder_id.hex(),
            name=folder.name,
            path=folder.root,
            notes=(
                *notes,
                f"Anyone with this key can {allows} {folder.name}.",
                f"This device listens at {where}: within reach of its network, and from outside if that port is open.",
                "Nothing starts Swarm again after a reboot; swarm run does.",
            ),
        )

    def _printed(self, folder: SharedFolder, role: Role) -> str:
        hints = Hints(addresses=self._finder.addresses(), name=folder.name)
        return format_invitation(folder.keys.printed(role), hints)

    async def status(self) -> dict[str, Any]:
        return {
            "device": {
                "id": self.device.id.hex(),
                "name": self.name,
                "version": swarm.__version__,
                "listen": [
                    f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self._finder.addresses()
                ],
            },
            "folders": [folder_object(self._report(folder)) for folder in self.folders.values()],
        }

    def _report(self, folder: SharedFolder) -> FolderReport:
        thread = folder.thread
        return FolderReport(
            folder=folder.keys.folder_id.hex(),
            name=folder.name,
            path=folder.root,
            role=folder.keys.role.word,
            status=thread.status if thread else None,
            failure=thread.failure if thread else None,
            watch=thread.watch_trouble if thread else "",
            members=self.book.members(folder.keys.folder_id),
            connections={
                device.hex(): Connection(peer.link.route, peer.link.address, peer.link.round_trip(), peer.bulk)
                for device, peer in self.peers.items()
            },
        )

    async def wait(self, path: str, device: str | None, peers: int, timeout: float | None) -> Waited:
        folder = self._find(path)
        if folder.thread is None:
            raise UserError(f"{folder.name} is not open", "", EXIT_FAILED)
        missing = ["this device is still looking at its files"]
        try:
            async with asyncio.timeout(timeout):
                barrier = await asyncio.to_thread(folder.thread.flush)
                async with self._changed:
                    while missing := missing_for(self._report(folder), device=device, peers=peers, barrier=barrier):
                        await self._changed.wait()
        except TimeoutError:
            return Waited(False, tuple(missing))
        return Waited(True, ())

    async def key(self, path: str, kind: str) -> str:
        return self._printed(self._find(path), ROLES[kind])


class _Stopped(Exception):
    """The node was asked to stop."""
