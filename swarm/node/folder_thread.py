"""A folder's thread: drains its inbox, steps its engine, and passes on what comes back.

The engine decides, the hands work on the disk, the node's loop speaks to the network. Only this thread touches the
folder's database. When the folder or its database is not to be had (a disk that is away, a disk that is full), it is
closed and opened again until it is: what was not committed is read from the disk and asked of the members anew.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from swarm.disk import marker
from swarm.disk.database import CorruptDatabase, SqliteStore, fingerprint, set_aside
from swarm.disk.device_rules import device_rules
from swarm.disk.watcher import Watcher
from swarm.errors import SwarmError, Unavailable, UserError
from swarm.node.hands import DiskEffect, Hands
from swarm.sync.events import (
    Accuse,
    Ask,
    Barrier,
    Effect,
    Event,
    MemberDown,
    MemberUp,
    Note,
    Received,
    Scanned,
    ScanWanted,
    Send,
    Serve,
    WakeAt,
)
from swarm.sync.folder import Folder, FolderStatus, Identity
from swarm.wire.messages import Delta, Registers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from swarm.disk.home import FolderHome
    from swarm.disk.lock import FileLock
    from swarm.disk.safefs import SafeFileSystem
    from swarm.ids import DeviceId

log = logging.getLogger("swarm.folder")

MAX_BATCH = 512  # events, or names and records in them, in one step: one commit for a burst, and an end to each step
HEALTH_INTERVAL = 2.0  # seconds between two looks at a folder whose disk is away
IDLE_CHECKPOINT = 5.0  # seconds without an event before the database's log is written back, and the disk looked at

NetworkEffect = Send | Ask | Serve | Accuse


class Outlet(Protocol):
    """Where effects for the network go; called from the folder's thread."""

    def __call__(self, thread: FolderThread, effects: list[NetworkEffect], /) -> None: ...


@dataclass(frozen=True, slots=True)
class Stop:
    """Ends the thread once the events before it were taken."""


class FolderThread:
    """One shared folder at work. Made, started and stopped by the node; `post` may be called from any thread."""

    def __init__(
        self,
        home: FolderHome,
        root: str,
        identity: Identity,
        *,
        outlet: Outlet,
        on_status: Callable[[FolderThread], None],
    ) -> None:
        self.home = home
        self.root = root
        self.identity = identity
        self.status: FolderStatus | None = None  # replaced as a whole after each step
        self.failure: SwarmError | None = None  # why it does not run
        self.chunk_key = identity.keys.chunk_key()
        self._outlet = outlet
        self._on_status = on_status
        self._inbox: queue.SimpleQueue[Event | Stop] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._main, name=f"folder {os.path.basename(root)}", daemon=True)
        self._members: dict[DeviceId, MemberUp] = {}
        self._claim: FileLock | None = None
        self._hands: Hands | None = None
        self._watcher: Watcher | None = None
        self._stopping = False
        self._barrier = 0
        self._look_at = 0.0  # when to look again for a disk that is away

    # -- from any thread

    def start(self) -> None:
        self._thread.start()

    def post(self, event: Event) -> None:
        self._inbox.put(event)

    @property
    def backlog(self) -> int:
        """See Mailbox."""
        return self._inbox.qsize()

    def stop(self, timeout: float) -> bool:
        """Ends after the current step. `timeout`: seconds to wait for it. Whether it has ended."""
        self._inbox.put(Stop())
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def flush(self) -> int:
        """Makes sure that every change on the disk until now is in the inbox; the token of the barrier behind it.

        Blocks for as long as the watcher takes: call it in a pool.
        """
        watcher = self._watcher
        if watcher is not None and watcher.mode == "inotify":
            try:
                watcher.flush(5.0)
            except SwarmError:
                self.post(ScanWanted())
        else:
            self.post(ScanWanted())
        barrier = self.next_barrier()
        self.post(Barrier(barrier))
        return barrier

    def next_barrier(self) -> int:
        self._barrier += 1
        return self._barrier

    @property
    def watch_trouble(self) -> str:
        """Why changes here are noticed late, or the empty string."""
        watcher = self._watcher
        return watcher.why if watcher is not None else ""

    @property
    def at(self) -> str:
        """The file that was last begun to be read, for people who watch."""
        hands = self._hands
        return hands.reading if hands is not None else ""

    def reading(self) -> SafeFileSystem:
        """The folder's files, for reading, from any thread. Raises Unavailable while they are away."""
        hands = self._hands
        if hands is None:
            raise Unavailable(f"{self.root} is not open")
        return hands.files

    # -- the thread

    def _main(self) -> None:
        while not self._stopping:
            try:
                self._live()
            except Unavailable as error:
                log.warning("%s: %s", self.root, error.message)
                self.failure = error
            except CorruptDatabase as error:
                self._set_aside(error)
                self.failure = Unavailable("the index is damaged and is made anew")
            except SwarmError as error:
                if self.failure is None or self.failure.message != error.message:
                    log.error("%s: %s", self.root, error.message)
                self.failure = error
            except Exception:
                log.exception("%s: the folder's thread failed", self.root)
                why = "an internal error stopped this folder"
                self.failure = SwarmError(why, "the log has the details; restart swarm")
            self._on_status(self)
            again = isinstance(self.failure, Unavailable | UserError)  # another daemon that has it may end
            self._rest(HEALTH_INTERVAL if again else None)

    def _live(self) -> None:
        """From opening the folder to closing it. Raises Unavailable when it is to be tried again."""
        root, folder_id = self.root, self.identity.keys.folder_id
        marker.check(root, folder_id)  # nothing is made anew in the place of a missing disk
        self._claim_it()
        try:
            self._hands = hands = Hands(root, self.identity, self.post)
            try:
                store = self._open_store()
                try:
                    self._watcher = watcher = Watcher(root, self.post)
                    watcher.start()
                    try:
                        self._work(self._open_folder(store, hands), hands, store)
                    finally:
                        watcher.stop()
                finally:
                    store.close()
            finally:
                self._hands = None
                hands.close()
        finally:
            self._let_go()

    def _claim_it(self) -> None:
        """The folder that is at our root now is ours alone. Raises UserError where another daemon has it."""
        self._let_go()
        self._claim = marker.claim(self.root, str(self.home.directory.parent.parent))

    def _let_go(self) -> None:
        if self._claim is not None:
            self._claim.release()
            self._claim = None

    def _open_store(self) -> SqliteStore:
        path = str(self.home.database)
        try:
            return SqliteStore(path)
        except CorruptDatabase as error:
            self._set_aside(error)
            return SqliteStore(path)

    def _set_aside(self, error: CorruptDatabase) -> None:
        aside = set_aside(str(self.home.database))
        log.error("%s: %s It was set aside as %s, and the folder is indexed anew.", self.root, error.message, aside)

    def _open_folder(self, store: SqliteStore, hands: Hands) -> Folder:
        mark = fingerprint(str(self.home.database))
        cloned = store.get("fingerprint") not in (None, mark)
        store.put("fingerprint", mark)
        folder = Folder(
            replace(self.identity, cloned=cloned),
            store,
            traits=hands.files.traits,
            device_rules=device_rules(self.root),
            verify=hands.verify,
        )
        folder.start()
        self.identity = replace(self.identity, created=False)  # a database made anew later has members to hear first
        return folder

    def _work(self, folder: Folder, hands: Hands, store: SqliteStore) -> None:
        wake: float | None = None
        # Who waits for a barrier waits still: the one that an engine before this one was told went with it.
        events: list[Event] = [*self._members.values(), *([Barrier(self._barrier)] if self._barrier else [])]
        while not self._stopping:
            effects = folder.step(events, time.monotonic(), time.time_ns() // 1_000_000)
            wake = self._pass_on(effects, hands)
            self.status = folder.status()
            self.failure = None  # now: until here the status was that of the engine before
            self._on_status(self)
            events = self._drain(wake, hands, store)

    def _pass_on(self, effects: Sequence[Effect], hands: Hands) -> float | None:
        """To the disk and the network; when to step again at the latest."""
        wake = hands.late_due()
        network: list[NetworkEffect] = []
        disk: list[DiskEffect] = []
        for effect in effects:
            match effect:
                case Send() | Ask() | Serve() | Accuse():
                    network.append(effect)
                case WakeAt(when):
                    wake = when if wake is None else min(wake, when)
                case Note(text):
                    log.info("%s: %s", self.root, text)
                case _:
                    disk.append(effect)
        hands.carry_out(disk)
        if network:
            self._outlet(self, network)
        return wake

    # -- the inbox

    def _drain(self, wake: float | None, hands: Hands, store: SqliteStore) -> list[Event]:
        """The events of the next step: at least one, or none when it is time to wake."""
        events: list[Event] = []
        idle = False
        hands.tidy_now_and_then()
        self._look_again(hands)
        while not events and not self._stopping:
            timeout = HEALTH_INTERVAL if hands.away else IDLE_CHECKPOINT
            if wake is not None:
                timeout = min(timeout, max(0.0, wake - time.monotonic()))
            try:
                self._take(self._inbox.get(timeout=timeout), events)
            except queue.Empty:
                if wake is not None and time.monotonic() >= wake:
                    return events
                self._look_again(hands)
                if not hands.away:
                    hands.healthy()  # what is mounted over a folder, or put in its place, makes no event
                    if not idle:
                        idle = True
                        store.checkpoint()
        work = sum(map(_work_in, events))
        while work < MAX_BATCH and not self._stopping:
            try:
                self._take(event := self._inbox.get_nowait(), events)
            except queue.Empty:
                break
            work += _work_in(event)
        return events

    def _look_again(self, hands: Hands) -> None:
        """Is a disk that was away back? Looked at now and then, however much comes in meanwhile."""
        if hands.away and time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + HEALTH_INTERVAL
            hands.look_again()
            if not hands.away:
                self._claim_it()  # it may be back as another disk, which somebody else has by now

    def _take(self, event: Event | Stop, events: list[Event]) -> None:
        match event:
            case Stop():
                self._stopping = True
                return
            case MemberUp():
                self._members[event.peer] = event
            case MemberDown():
                self._members.pop(event.peer, None)
        events.append(event)

    def _rest(self, seconds: float | None) -> None:
        """Without an engine: what comes is let go, but who is there is remembered. None: until the end."""
        until = None if seconds is None else time.monotonic() + seconds
        while not self._stopping:
            try:
                self._take(self._inbox.get(timeout=None if until is None else max(0.0, until - time.monotonic())), [])
            except queue.Empty:
                return


def _work_in(event: Event | Stop) -> int:
    """How much of a step an event is. Members wait for what a listing of thousands of names comes to, and they begin
    with the first half of it while we are at the second."""
    match event:
        case Scanned(entries=entries):
            return 1 + len(entries)
        case Received(message=Delta(records=records) | Registers(records=records)):
            return 1 + len(records)
        case _:
            return 1
