"""The folders that this device has a part in: each with a thread while it is not paused, and the previews.

What takes a folder out of the conversations comes before its thread ends, and what offers it to them after it began:
nothing that a peer says reaches a thread that is not there. The node says what both mean to the network.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from typing import TYPE_CHECKING

from swarm.errors import SwarmError, UserError
from swarm.node.folder_thread import FolderThread
from swarm.node.preview import PreviewThread
from swarm.node.shared_folder import SharedFolder
from swarm.sync.events import ScanWanted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from swarm.disk.home import FolderHome, Home
    from swarm.ids import FolderId
    from swarm.keys.chain import FolderKeys
    from swarm.keys.hints import Hints
    from swarm.node.folder_thread import NetworkEffect
    from swarm.node.mailbox import Mailbox
    from swarm.sync.folder import Identity

log = logging.getLogger("swarm.node")

STOP_LOOK = 1.0  # seconds between two looks at one that takes longer
STOP_SECONDS = 20.0  # for a folder's thread to end where it is closed and the node lives on
LAST_SECONDS = 4.0  # the same, where the node ends too: service managers do not wait for long
PAUSE_LOOK = 30.0  # seconds between two looks at the clock while a pause lasts


class Folders:
    """Opens, starts, pauses, halts and forgets them. All on the loop's thread."""

    def __init__(
        self,
        home: Home,
        *,
        identify: Callable[[FolderKeys, bool], Identity],
        outlet: Callable[[Mailbox, Sequence[NetworkEffect]], None],
        on_status: Callable[[FolderThread], None],
        on_offered: Callable[[FolderKeys], None],
        on_withdrawn: Callable[[FolderId], None],
        on_preview_over: Callable[[], None],
        on_change: Callable[[], None],
    ) -> None:
        """`identify(keys, created)`: who this device is there. `outlet` and `on_status` are called from threads."""
        self.known: dict[FolderId, SharedFolder] = {}
        self.previews: dict[FolderId, PreviewThread] = {}  # of folders that somebody thinks of joining
        self._home = home
        self._identify = identify
        self._outlet = outlet
        self._on_status = on_status
        self._on_offered = on_offered
        self._on_withdrawn = on_withdrawn
        self._on_preview_over = on_preview_over
        self._on_change = on_change
        self._group: asyncio.TaskGroup | None = None

    # -- life

    def begin(self, group: asyncio.TaskGroup) -> None:
        """Opens all that the home knows of."""
        self._group = group
        for home in self._home.folders():
            self.open(home, created=False)

    async def end(self) -> None:
        """Of all threads, at the same time; of those that take too long nobody waits for the end."""
        threads = [folder.thread for folder in self.known.values() if folder.thread is not None]
        await asyncio.gather(*(asyncio.to_thread(thread.stop, LAST_SECONDS) for thread in threads))

    # -- one folder

    def open(self, home: FolderHome, created: bool) -> SharedFolder | None:
        """From its home; None where that is damaged, which is in the log then."""
        try:
            folder = SharedFolder(home)
        except SwarmError as error:
            log.error("a folder cannot be opened: %s", error.message)
            return None
        self.known[folder.keys.folder_id] = folder
        folder.paused_until = home.paused_until()
        if folder.paused_until is None:
            self.start(folder, created)
        else:
            self.end_pause_later(folder)
        return folder

    def start(self, folder: SharedFolder, created: bool = False) -> None:
        """Its thread, and its part in each session."""
        identity = self._identify(folder.keys, created)
        folder.thread = FolderThread(folder.home, folder.root, identity, outlet=self._outlet, on_status=self._on_status)
        folder.thread.start()
        self._on_offered(folder.keys)
        self._on_change()

    async def halt(self, folder: SharedFolder) -> None:
        """Takes it out of each session and ends its thread. Raises UserError where that takes too long."""
        thread = folder.thread
        if thread is None:
            return
        self._on_withdrawn(folder.keys.folder_id)
        if not await asyncio.to_thread(thread.stop, STOP_SECONDS):
            assert self._group is not None
            self._group.create_task(self._replace(folder, thread))
            raise UserError(f"{folder.name} is busy and does not stop", "try again in a while; the log may say why")
        folder.thread, folder.last = None, thread.status
        self._on_change()

    async def _replace(self, folder: SharedFolder, thread: FolderThread) -> None:
        """It was told to end, and will, though whoever wanted that has given up: without another one the folder would
        stand still."""
        while not await asyncio.to_thread(thread.stop, STOP_LOOK):
            pass
        if folder.thread is thread:
            folder.thread, folder.last = None, thread.status
            if folder.paused_until is None:
                self.start(folder)
            self._on_change()

    def forget(self, folder: SharedFolder) -> None:
        """It was halted, and is not of this device any more."""
        del self.known[folder.keys.folder_id]
        self._on_change()

    # -- pauses

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
        known = self.known.get(folder.keys.folder_id) is folder
        if not known or folder.paused_until != until or folder.thread is not None:
            return
        folder.paused_until = None
        await asyncio.to_thread(folder.home.set_paused, None)
        self.start(folder)

    # -- previews

    def start_preview(self, keys: FolderKeys, hints: Hints, root: str) -> PreviewThread:
        """Takes part in the folder's conversation until `end_preview`, and touches nothing of `root`."""
        preview = PreviewThread(self._home, root, self._identify(keys, False), hints, self._outlet)
        self.previews[keys.folder_id] = preview
        preview.start()
        self._on_offered(keys)
        return preview

    async def end_preview(self, folder: FolderId) -> None:
        self._on_withdrawn(folder)
        preview = self.previews.pop(folder)
        self._on_preview_over()
        await asyncio.to_thread(preview.stop)

    # -- all of them

    def offered(self) -> list[FolderKeys]:
        """Of all that this device has a part in."""
        previews = [preview.identity.keys for preview in self.previews.values()]
        return [*(folder.keys for folder in self._active()), *previews]

    def hints(self) -> list[Hints]:
        """Of the keys of all that this device has a part in."""
        return [folder.hints for folder in self._active()] + [preview.hints for preview in self.previews.values()]

    def inbox(self, folder: FolderId) -> Mailbox | None:
        """Who takes what a peer says in that folder."""
        return self.thread(folder) or self.previews.get(folder)

    def thread(self, folder: FolderId) -> FolderThread | None:
        known = self.known.get(folder)
        return known.thread if known is not None else None

    def scan(self) -> None:
        """Looks through each of them."""
        for folder in self._active():
            if folder.thread is not None:
                folder.thread.post(ScanWanted())

    def _active(self) -> list[SharedFolder]:
        """Those that are not paused."""
        return [folder for folder in self.known.values() if folder.thread is not None]
