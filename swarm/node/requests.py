"""What a user may ask of a node: the methods of `swarm.control.daemon.Daemon`, one by one.

The node does what goes on by itself; here is what somebody wants done now. Requests that take a folder apart and put
it together again (leave, move, pause, resume) come one after the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import time
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

import swarm
from swarm.config import described
from swarm.control.daemon import Done, Preview, Shared, Waited
from swarm.disk import marker, service
from swarm.errors import EXIT_FAILED, EXIT_HELD, EXIT_NOT_FOUND, EXIT_USAGE, UserError
from swarm.keys.chain import FolderKeys
from swarm.keys.hints import Hints, directory_name, format_invitation, parse_joinable
from swarm.keys.role import Role
from swarm.node.checkup import checkup
from swarm.node.history_requests import HistoryRequests
from swarm.node.place import checked_root, join_root, make_root, marker_of, move_root
from swarm.node.relay_requests import RelayRequests
from swarm.node.report import Connection, FolderReport, differing, folder_object, has_member, missing_for
from swarm.sync.events import Barrier, ScanWanted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
    from pathlib import Path

    from swarm.node.folder_thread import FolderThread
    from swarm.node.node import Node
    from swarm.node.shared_folder import SharedFolder

GREET_WAIT = 3.0  # seconds that join waits for the first member, to say whether anybody is online
ONCE_MORE = 2.0  # seconds for the members to fetch the last version of a file that never rests
MEET_WAIT = 5.0  # seconds for a member that nobody has heard of to turn up: it may just have joined elsewhere
EVENT_PAUSE = 0.25  # seconds between two looks for whoever listens to events: four times a second is plenty
ROLES = {"write": Role.WRITE, "read": Role.READ, "blind": Role.BLIND, "owner": Role.OWNER}
NO_SERVICE = "Nothing starts Swarm again after a reboot; swarm service install does."


P = ParamSpec("P")


def _in_turn(
    method: Callable[Concatenate[Requests, P], Awaitable[Done]],
) -> Callable[Concatenate[Requests, P], Coroutine[Any, Any, Done]]:
    """A folder is taken apart by one request at a time."""

    @wraps(method)
    async def waits(self: Requests, /, *arguments: P.args, **named: P.kwargs) -> Done:
        async with self.turn:
            return await method(self, *arguments, **named)

    return waits


class Requests:
    """Implements `swarm.control.daemon.Daemon` over a node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.past = HistoryRequests(node.folders.known, node.changed)
        configured = frozenset(relay.public for relay in node.config.relay)
        self.relaying = RelayRequests(node.relay_list, node.relays, configured)
        self._hurried = -ONCE_MORE  # when files that never rest were last hurried, in the loop's time
        self.turn = asyncio.Lock()  # of those who take a folder apart

    async def stop(self) -> None:
        self._node.stopping.set()

    async def share(self, path: str, name: str | None) -> Shared:
        self._refuse_overlap(await asyncio.to_thread(os.path.realpath, path))  # before it is made
        root = await asyncio.to_thread(make_root, path)
        for folder in self._node.folders.known.values():
            if folder.real == root:
                return self._shared(folder)
        self._refuse_overlap(root)
        keys = FolderKeys.create(os.urandom(32))
        label = directory_name(name or os.path.basename(root)) or "swarm"
        printed = format_invitation(keys.printed(Role.OWNER), Hints(name=label))
        return self._shared(await self._add(keys, root, printed, created=True))

    async def join(self, invitation: str, path: str | None, merge: bool) -> Shared:
        printed, hints = parse_joinable(invitation)
        keys = FolderKeys.from_printed(printed)
        known = self._node.folders.known.get(keys.folder_id)
        if known is not None:
            if not known.keys.role.holds(keys.role):
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
        self._node.finder.hurry()
        self._node.finder.know(folder.hints.addresses)
        self._node.learn_relays(folder.hints)
        if online := await self._first_member(folder):
            return self._shared(folder, f"{online} is online.")
        return self._shared(folder, "Nobody else is online yet; it goes on by itself when somebody is.")

    async def preview(self, invitation: str, path: str) -> Preview:
        printed, hints = parse_joinable(invitation)
        keys = FolderKeys.from_printed(printed)
        root = await asyncio.to_thread(checked_root, path)
        self._refuse_overlap(root)
        await self._refuse_other(root, keys)
        if keys.folder_id in self._node.folders.known:
            raise UserError(
                f"this folder is on this device already, at {self._node.folders.known[keys.folder_id].root}"
            )
        if keys.folder_id in self._node.folders.previews:
            raise UserError("somebody is asking for this very preview", "try again in a moment")
        preview = self._node.folders.start_preview(keys, hints, root)
        try:
            self._node.finder.hurry()
            self._node.finder.know(hints.addresses)
            self._node.learn_relays(hints)
            return await asyncio.wrap_future(preview.answer)
        except OSError as error:
            raise UserError(f"{root} cannot be looked through: {error.strerror}", "see to its permissions") from error
        finally:
            await self._node.folders.end_preview(keys.folder_id)

    async def _add(self, keys: FolderKeys, root: str, printed: str, created: bool) -> SharedFolder:
        await self._refuse_other(root, keys)
        await asyncio.to_thread(marker.lay_out, root, keys.folder_id)
        home = await asyncio.to_thread(self._node.home.add_folder, keys.folder_id, printed, root)
        folder = self._node.folders.open(home, created)
        if folder is None:
            raise UserError("the folder cannot be opened", "the log has the details", EXIT_FAILED)
        return folder

    async def _refuse_other(self, root: str, keys: FolderKeys) -> None:
        found = await asyncio.to_thread(marker_of, root)
        if found == keys.folder_id:  # perhaps another daemon's: then it is told who that is
            (await asyncio.to_thread(marker.claim, root, str(self._node.home.path))).release()
        elif found is not None:
            raise UserError(
                f"{root} is shared already, as another folder",
                f"if it is not any more, remove {root}/.swarm/{marker.MARKER} and try again",
            )

    def _refuse_overlap(self, root: str, apart_from: SharedFolder | None = None) -> None:
        for folder in self._node.folders.known.values():
            if folder is apart_from:
                continue
            other = folder.real
            if root.startswith(other.rstrip("/") + "/"):
                raise UserError(f"{root} is inside the shared folder {other}", "share a directory outside of it")
            if other.startswith(root.rstrip("/") + "/"):
                raise UserError(f"{root} contains the shared folder {other}", "share a directory without one")

    async def _first_member(self, folder: SharedFolder) -> str:
        """The name of a member that is connected, as soon as there is one; "" when nobody comes."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GREET_WAIT), self._node.changed:
                while True:
                    for peer in self._node.peers.values():
                        if folder.keys.folder_id in peer.folders and peer.ready is not None:
                            return peer.ready.name
                    await self._node.changed.wait()
        return ""

    def _shared(self, folder: SharedFolder, *notes: str) -> Shared:
        addresses = self._node.finder.addresses()
        where = ", ".join(f"{host}:{port}" for host, port in addresses)
        gateway = self._node.finder.gateway
        if gateway is not None and gateway.addresses():
            outside = "from anywhere, since the router forwards that port"
        elif self._node.relays.is_reachable():
            outside = "from anywhere through a relay"
        else:
            outside = "from outside if that port is open"
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
                f"This device listens at {where}: within reach of its network, and {outside}.",
                *(() if _is_started_by_itself(self._node.home.path) else (NO_SERVICE,)),
            ),
        )

    def _printed(self, folder: SharedFolder, role: Role) -> str:
        named = [(node.host, node.port) for node in self._node.config.bootstrap]
        nodes = tuple(dict.fromkeys([*named, *folder.hints.nodes]))
        hints = Hints(self._node.finder.addresses(), self._node.relays.hints(), folder.name, nodes)
        return format_invitation(folder.keys.printed(role), hints)

    @_in_turn
    async def leave(self, path: str) -> Done:
        folder = self._find_root(path)
        await self._node.folders.halt(folder)
        try:
            marked = await asyncio.to_thread(marker.remove, folder.root)
        except OSError as error:
            await self._go_on(folder)
            raise UserError(
                f"{folder.root} cannot be left: {error.strerror}", "see to its permissions, and try again"
            ) from error
        owned = folder.keys.role is Role.OWNER
        kept = await asyncio.to_thread(self._node.home.remove_folder, folder.keys.folder_id, keep_key=owned)
        self._node.folders.forget(folder)
        notes = [f"{folder.name} is not shared here any more. Files and history stay in {folder.root}."]
        if kept is not None:
            notes.append(f"Its owner key, which only this device had, is kept in {kept}.")
        if not marked:
            notes.append(
                f"Its disk is away: before {folder.root} is shared anew, remove .swarm/{marker.MARKER} from it."
            )
        return Done(folder.name, folder.root, tuple(notes))

    @_in_turn
    async def move(self, old: str, new: str) -> Done:
        folder = self._find_root(old)
        self._refuse_overlap(await asyncio.to_thread(os.path.realpath, new), apart_from=folder)
        await self._node.folders.halt(folder)
        try:
            root = await asyncio.to_thread(move_root, folder.root, new, folder.keys.folder_id)
            await asyncio.to_thread(self._node.home.move_folder, folder.keys.folder_id, root)
            folder.root = folder.real = root
        finally:
            await self._go_on(folder)
        return Done(folder.name, root, (f"{folder.name} is in {root} now.",))

    @_in_turn
    async def pause(self, path: str, seconds: float | None) -> Done:
        folder = self._find(path)
        until = math.inf if seconds is None else time.time() + seconds
        await asyncio.to_thread(folder.home.set_paused, until)
        folder.paused_until = until
        await self._node.folders.halt(folder)
        self._node.folders.end_pause_later(folder)
        return Done(folder.name, folder.root, (f"{folder.name} is paused: nothing of it is read, sent or written.",))

    @_in_turn
    async def resume(self, path: str) -> Done:
        folder = self._find(path)
        if folder.paused_until is None:
            return Done(folder.name, folder.root, (f"{folder.name} was not paused.",))
        await asyncio.to_thread(folder.home.set_paused, None)
        folder.paused_until = None
        await self._go_on(folder)
        return Done(folder.name, folder.root, (f"{folder.name} goes on.",))

    async def _go_on(self, folder: SharedFolder) -> None:
        """A folder that was halted starts again, unless it is paused."""
        if folder.thread is None and folder.paused_until is None:
            self._node.folders.start(folder)

    async def scan(self, path: str) -> Done:
        folder = self._find(path)
        if folder.thread is None:
            raise UserError(f"{folder.name} is paused", "swarm resume goes on", EXIT_HELD)
        folder.thread.post(ScanWanted())
        return Done(folder.name, folder.root, (f"{folder.name} is looked through.",))

    async def events(self) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        node = self._node
        seen = node.changes
        status = await self.status()
        yield "status", status
        known = {folder["id"]: folder for folder in status["folders"]}
        while True:
            async with node.changed:
                while node.changes == seen:
                    await node.changed.wait()
            await asyncio.sleep(EVENT_PAUSE)  # what changes meanwhile is in the same event; nothing is queued
            seen = node.changes
            now = {folder["id"]: folder for folder in (await self.status())["folders"]}
            for gone in known.keys() - now.keys():
                yield "gone", {"id": gone}
            for folder in now.values():
                if known.get(folder["id"]) != folder:
                    yield "folder", folder
            known = now

    async def doctor(self) -> dict[str, Any]:
        return checkup(self._node)

    async def config(self) -> dict[str, Any]:
        return described(self._node.config, str(self._node.home.path), self._node.name)

    async def status(self) -> dict[str, Any]:
        return {
            "device": {
                "id": self._node.device.id.hex(),
                "name": self._node.name,
                "version": swarm.__version__,
                "listen": [
                    f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
                    for host, port in self._node.finder.addresses()
                ],
                "dht": self._node.finder.dht(),
            },
            "relays": self._node.relays.report(),
            "folders": [folder_object(self._report(folder)) for folder in self._node.folders.known.values()],
        }

    def _report(self, folder: SharedFolder) -> FolderReport:
        thread = folder.thread
        return FolderReport(
            folder=folder.keys.folder_id.hex(),
            name=folder.name,
            path=folder.root,
            role=folder.keys.role.word,
            status=thread.status if thread else folder.last,
            failure=thread.failure if thread else None,
            watch=thread.watch_trouble if thread else "",
            members=self._node.book.members(folder.keys.folder_id),
            connections={
                device.hex(): Connection(
                    peer.link.route,
                    peer.link.address,
                    peer.link.round_trip(),
                    peer.bulk,
                    peer.link.via,
                    peer.link.relay,
                    self._node.finder.found.get(device),
                )
                for device, peer in self._node.peers.items()
            },
            at=thread.at if thread else "",
            paused_until=folder.paused_until,
            trouble=self._node.finder.trouble,
        )

    async def wait(self, path: str, device: str | None, peers: int, timeout: float | None) -> Waited:
        folder = self._find(path)
        if folder.thread is None:
            raise UserError(f"{folder.name} is paused", "swarm resume goes on", EXIT_HELD)
        if device is not None and (timeout is None or timeout > MEET_WAIT):
            await self._until_met(folder, device)
        missing = ["this device is still looking at its files"]
        try:
            async with asyncio.timeout(timeout):
                while self._node.folders.known.get(folder.keys.folder_id) is folder:
                    thread = folder.thread  # after a pause or a move another, which knows no barrier; between, None
                    barrier = await asyncio.to_thread(thread.flush) if thread is not None else 0
                    async with self._node.changed:
                        while folder.thread is thread and self._node.folders.known.get(folder.keys.folder_id) is folder:
                            missing = missing_for(self._report(folder), device=device, peers=peers, barrier=barrier)
                            if thread is not None and not missing:
                                return Waited(True, tuple(differing(self._report(folder))))
                            await self._changed_or_hurried(thread)
        except TimeoutError:
            return Waited(False, tuple(missing))
        raise UserError(f"{folder.name} is not shared here any more", "swarm status lists the folders", EXIT_NOT_FOUND)

    async def _until_met(self, folder: SharedFolder, device: str) -> None:
        """A name that nobody has is a slip. Raises UserError, unless somebody turns up who has it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(MEET_WAIT), self._node.changed:
                while not has_member(self._report(folder), device):
                    await self._node.changed.wait()
                return
        raise UserError(f"{folder.name} has no member {device!r}", "swarm peers lists them", EXIT_NOT_FOUND)

    async def _changed_or_hurried(self, thread: FolderThread | None) -> None:
        """Of a file that is written to all the time, what a member was told of may be gone before it was fetched: who
        waits gets a newer version soon, not when its turn comes. With the lock of `changed`, as its `wait`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ONCE_MORE):
                await self._node.changed.wait()
        now = asyncio.get_running_loop().time()
        if thread and thread.status and thread.status.put_off and now >= self._hurried + ONCE_MORE:
            self._hurried = now
            thread.post(Barrier(thread.next_barrier()))

    async def key(self, path: str, kind: str) -> str:
        return self._printed(self._find(path), ROLES[kind])

    def _find(self, path: str) -> SharedFolder:
        """The folder that holds an absolute path."""
        real = os.path.realpath(path)
        for folder in self._node.folders.known.values():
            if real == folder.real or real.startswith(folder.real.rstrip("/") + "/"):
                return folder
        why = f"{path} is in no shared folder" if os.path.lexists(path) else f"there is no {path}"
        raise UserError(why, "swarm status lists the shared folders", EXIT_NOT_FOUND)

    def _find_root(self, path: str) -> SharedFolder:
        """The folder whose directory an absolute path is: one inside of it is a slip, and would take all along."""
        folder = self._find(path)
        if os.path.realpath(path) != folder.real and path != folder.root:
            raise UserError(f"{path} is inside the shared folder {folder.root}", "name that one", EXIT_USAGE)
        return folder


def _is_started_by_itself(home: Path) -> bool:
    """By a service, or as the one process of a container, whose runtime sees to that."""
    return service.installed(home) or os.getpid() == 1
