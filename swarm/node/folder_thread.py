"""A folder's thread: drains its inbox, steps its engine, and carries out what comes back.

The engine decides, this does. Everything in here that blocks runs in a pool of this folder with a name of its own, and
comes back as an event; what goes to the network is handed to the loop. Only this thread touches the folder's database.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from swarm.disk import assembler, hasher, installer, marker, scanner
from swarm.disk.database import CorruptDatabase, SqliteStore, fingerprint, set_aside
from swarm.disk.late import LateWatch
from swarm.disk.safefs import SafeFileSystem
from swarm.disk.watcher import Watcher
from swarm.errors import SwarmError, Unavailable
from swarm.ids import parent_of
from swarm.index.record_codec import verify_record
from swarm.sync.dirty import Dirty
from swarm.sync.events import (
    Accuse,
    Ask,
    Barrier,
    ChunksStored,
    DropTemp,
    Effect,
    Event,
    FilesStored,
    Hash,
    HashFailed,
    Health,
    Note,
    OperationsDone,
    PrepareTemp,
    Run,
    Scan,
    ScanFailed,
    ScanWanted,
    Send,
    Serve,
    StoreChunks,
    StoreFiles,
    TempPrepared,
    WakeAt,
)
from swarm.sync.folder import Folder, FolderStatus, Identity
from swarm.sync.operation import Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from swarm.disk.home import FolderHome
    from swarm.disk.lock import FileLock
    from swarm.disk.placement import Late
    from swarm.ids import DeviceId

log = logging.getLogger("swarm.folder")

MAX_BATCH = 512  # events in one step: one commit for a burst, and an end to each step
HEALTH_INTERVAL = 2.0  # seconds between two looks at a folder whose disk is away
IDLE_CHECKPOINT = 5.0  # seconds without an event before the database's log is written back
STORE_RETRY = 5.0  # seconds before a step that the database refused is tried again
HASH_BATCH = 16  # files that one job reads: handing over each by itself costs more than reading a small one
VERIFY_PIECE = 64  # signatures that one thread checks in one go
DEVICE_RULES = "ignore"  # below .swarm
MAX_RULES = 64 << 10  # bytes of it that are read

NetworkEffect = Send | Ask | Serve | Accuse


class Outlet(Protocol):
    """Where effects for the network go; called from the folder's thread."""

    def __call__(self, thread: FolderThread, effects: list[NetworkEffect]) -> None: ...


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
        self.files: SafeFileSystem | None = None
        self._outlet = outlet
        self._on_status = on_status
        self._inbox: queue.SimpleQueue[Event | Stop] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._main, name=f"folder {os.path.basename(root)}", daemon=True)
        self._pools: dict[str, ThreadPoolExecutor] = {}
        self._folder: Folder | None = None
        self._store: SqliteStore | None = None
        self._watcher: Watcher | None = None
        self._claim: FileLock | None = None
        self._device = 0
        self._unhealthy = ""
        self._stopping = False
        self._barrier = 0
        self._late = LateWatch()
        self._looking: Future[None] | None = None

    # -- from any thread

    def start(self) -> None:
        self._thread.start()

    def post(self, event: Event) -> None:
        self._inbox.put(event)

    def stop(self, timeout: float) -> None:
        """Ends after the current step. `timeout`: seconds to wait for it."""
        self._inbox.put(Stop())
        self._thread.join(timeout)

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
        self._barrier += 1
        self.post(Barrier(self._barrier))
        return self._barrier

    @property
    def watch_trouble(self) -> str:
        """ "" or why changes here are noticed late."""
        watcher = self._watcher
        return watcher.why if watcher is not None else ""

    def reading(self) -> SafeFileSystem:
        """The folder's files, for reading, from any thread."""
        return self._files()

    # -- the thread

    def _main(self) -> None:
        try:
            self._open()
            self._loop()
        except SwarmError as error:
            log.error("%s: %s", self.root, error.message)
            self.failure = error
        except Exception:
            log.exception("%s: the folder's thread failed", self.root)
            self.failure = SwarmError("an internal error stopped this folder", "the log has the details; restart swarm")
        finally:
            self._close()
            self._on_status(self)

    def _open(self) -> None:
        while True:  # the disk may be away; nothing is made anew in its place
            try:
                self._device = marker.device_of(self.root)
                marker.check(self.root, self.identity.keys.folder_id, self._device)
                break
            except Unavailable as error:
                self.failure = error
                self._on_status(self)
                if self._wait_for_stop(HEALTH_INTERVAL):
                    return
        self.failure = None
        self._claim = marker.claim(self.root, str(self.home.directory.parent.parent))
        self.files = SafeFileSystem(self.root)
        self._store = self._open_store()
        mark = fingerprint(str(self.home.database))
        cloned = self._store.get("fingerprint") not in (None, mark)
        self._store.put("fingerprint", mark)
        for name, threads in (("scan", 1), ("hash", 2), ("temps", 1), ("install", 1), ("verify", 2)):
            self._pools[name] = ThreadPoolExecutor(threads, f"{name} {os.path.basename(self.root)}")
        identity = self.identity
        if cloned:
            identity = replace(identity, cloned=True)
        self._folder = Folder(
            identity,
            self._store,
            traits=self.files.traits,
            device_rules=self._device_rules(),
            verify=self._verify,
        )
        self._watcher = Watcher(self.root, self.post)
        self._watcher.start()
        self._folder.start()

    def _open_store(self) -> SqliteStore:
        path = str(self.home.database)
        try:
            return SqliteStore(path)
        except CorruptDatabase as error:
            aside = set_aside(path)
            log.error("%s: %s It was set aside as %s, and the folder is indexed anew.", self.root, error.message, aside)
            return SqliteStore(path)

    def _wait_for_stop(self, timeout: float) -> bool:
        try:
            while True:
                if isinstance(self._inbox.get(timeout=timeout), Stop):
                    self._stopping = True
                    return True
        except queue.Empty:
            return False

    def _loop(self) -> None:
        folder = self._folder
        if folder is None or self._stopping:
            return
        wake: float | None = None
        events: list[Event] = []
        while not self._stopping:
            events += self._drain(wake)
            try:
                effects = folder.step(events, time.monotonic(), time.time_ns() // 1_000_000)
            except Unavailable as error:
                # The database refused (a full disk, mostly). Memory is ahead of it now, so begin again from it.
                raise Unavailable(f"the folder's index cannot be written: {error.message}", error.hint) from error
            events = []
            wake = self._carry_out(effects)
            if (late := self._late_due()) is not None:
                wake = late if wake is None else min(wake, late)
            self.status = folder.status()
            self._on_status(self)

    def _drain(self, wake: float | None) -> list[Event]:
        events: list[Event] = []
        idle = False
        while not events:
            now = time.monotonic()
            timeout = HEALTH_INTERVAL if self._unhealthy else IDLE_CHECKPOINT
            if wake is not None:
                timeout = min(timeout, max(0.0, wake - now))
            try:
                first = self._inbox.get(timeout=timeout)
            except queue.Empty:
                if wake is not None and time.monotonic() >= wake:
                    return events
                if self._unhealthy:
                    self._look_again()
                elif not idle and self._store is not None:
                    idle = True
                    self._store.checkpoint()
                continue
            if isinstance(first, Stop):
                self._stopping = True
                return events
            events.append(first)
        while len(events) < MAX_BATCH:
            try:
                event = self._inbox.get_nowait()
            except queue.Empty:
                break
            if isinstance(event, Stop):
                self._stopping = True
                break
            events.append(event)
        return events

    def _carry_out(self, effects: Sequence[Effect]) -> float | None:
        wake: float | None = None
        network: list[NetworkEffect] = []
        hashes: list[Effect] = []
        for effect in effects:
            match effect:
                case Send() | Ask() | Serve() | Accuse():
                    network.append(effect)
                case WakeAt(when):
                    wake = when
                case Note(text):
                    log.info("%s: %s", self.root, text)
                case Scan():
                    self._submit("scan", self._scan, [effect])
                case Hash():
                    hashes.append(effect)
                case Run():
                    self._submit("install", self._install, [effect])
                case PrepareTemp() | StoreChunks() | StoreFiles() | DropTemp():
                    self._submit("temps", self._temp_work, [effect])
        for start in range(0, len(hashes), HASH_BATCH):
            self._submit("hash", self._hash, hashes[start : start + HASH_BATCH])
        if network:
            self._outlet(self, network)
        return wake

    def _late_due(self) -> float | None:
        """Looks for late writes when it is time; when that will be."""
        due = self._late.next_due()
        if due is not None and due <= time.monotonic() and (self._looking is None or self._looking.done()):
            self._looking = self._pools["install"].submit(self._look_for_late_writes)
            return None
        return due

    def _submit(self, pool: str, work: Callable[[Effect], Event | None], effects: Sequence[Effect]) -> None:
        def job() -> None:
            for effect in effects:
                try:
                    event = work(effect)
                except Exception as error:
                    log.exception("%s: %s failed", self.root, type(effect).__name__)
                    event = _failed(effect, f"an internal error: {type(error).__name__}")
                if event is not None:
                    self.post(event)

        self._pools[pool].submit(job)

    # -- work, in the pools

    def healthy(self) -> str:
        """ "" or why the folder is not safely there. May be called from any thread."""
        try:
            marker.check(self.root, self.identity.keys.folder_id, self._device)
        except Unavailable as error:
            if not self._unhealthy:
                self._unhealthy = error.message
                self.post(Health(error.message))
            return error.message
        return ""

    def _look_again(self) -> None:
        """The disk was away: is it back?"""
        try:
            device = marker.device_of(self.root)
            marker.check(self.root, self.identity.keys.folder_id, device)
        except Unavailable:
            return
        old = self.files
        self.files = SafeFileSystem(self.root)
        self._device = device
        self._unhealthy = ""
        if old is not None:
            old.close()
        self.post(Health(""))

    def _scan(self, effect: Effect) -> Event:
        assert isinstance(effect, Scan)
        return scanner.scan(self._files(), effect.directory, self.healthy)

    def _hash(self, effect: Effect) -> Event:
        assert isinstance(effect, Hash)
        return hasher.read(self._files(), effect, self.chunk_key)

    def _install(self, effect: Effect) -> Event:
        assert isinstance(effect, Run)
        if why := self.healthy():
            return _failed(effect, why) or OperationsDone(())
        displaced: list[Late] = []
        done = installer.run(self._files(), effect, self.chunk_key, time.time_ns, displaced)
        self._late.add(displaced, time.monotonic())
        return done

    def _look_for_late_writes(self) -> None:
        copies = self._late.look(self._files(), self.identity.name, time.monotonic())
        for path in copies:
            log.warning("%s: a program wrote to a file after it was replaced; its words are in %s", self.root, path)
        if copies:
            self.post(Dirty(frozenset(parent_of(path) for path in copies), frozenset(copies)))

    def _temp_work(self, effect: Effect) -> Event | None:
        if why := "" if isinstance(effect, DropTemp) else self.healthy():
            return _failed(effect, why)
        match effect:
            case PrepareTemp():
                return assembler.prepare(self._files(), effect, self.chunk_key)
            case StoreChunks():
                return assembler.store_chunks(self._files(), effect, self.chunk_key)
            case StoreFiles():
                return assembler.store_files(self._files(), effect, self.chunk_key)
            case DropTemp(temp):
                assembler.drop(self._files(), temp)
        return None

    def _files(self) -> SafeFileSystem:
        assert self.files is not None
        return self.files

    def _verify(self, signed: Sequence[tuple[bytes, DeviceId]]) -> Sequence[bool]:
        if len(signed) <= VERIFY_PIECE:
            return [verify_record(raw, device) for raw, device in signed]
        pieces = [signed[start : start + VERIFY_PIECE] for start in range(0, len(signed), VERIFY_PIECE)]
        checked = self._pools["verify"].map(lambda piece: [verify_record(raw, device) for raw, device in piece], pieces)
        return [good for piece in checked for good in piece]

    def _device_rules(self) -> str:
        try:
            with open(os.path.join(self.root, ".swarm", DEVICE_RULES), encoding="utf-8", errors="replace") as file:
                return file.read(MAX_RULES)
        except OSError:
            return ""

    def _close(self) -> None:
        if self._watcher is not None:
            self._watcher.stop()
        for pool in self._pools.values():
            pool.shutdown(wait=True, cancel_futures=True)
        if self._store is not None:
            self._store.close()
        if self.files is not None:
            self.files.close()
        if self._claim is not None:
            self._claim.release()


def _failed(effect: Effect, why: str) -> Event | None:
    """What an effect comes back as when it could not even be tried."""
    match effect:
        case Scan(directory):
            return ScanFailed(directory, False, why)
        case Hash(path):
            return HashFailed(path, False, False, why)
        case Run(operations):
            return OperationsDone(tuple(Result(operation, Outcome.FAILED, why=why) for operation in operations))
        case PrepareTemp(content):
            return TempPrepared(content, (), why)
        case StoreChunks(peer, request):
            return ChunksStored(peer, request, (), (), why)
        case StoreFiles(peer, request):
            return FilesStored(peer, request, (), (), why)
    return None
