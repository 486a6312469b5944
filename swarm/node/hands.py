"""A folder's hands: carries out what its engine decided, in pools of threads, and reports each deed as an event.

Nothing in here decides. What blocks on the disk runs in a pool that has a name; temps have one thread and installs
one, so that two jobs on one temp never meet.
"""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from swarm.disk import assembler, hasher, installer, scanner
from swarm.disk.debt import Debt
from swarm.disk.late import LateWatch
from swarm.disk.presence import Presence
from swarm.disk.refusal import sentence
from swarm.disk.retention import NEWEST
from swarm.disk.safefs import SafeFileSystem
from swarm.disk.tidy import tidy, tidy_path
from swarm.errors import Unavailable
from swarm.ids import parent_of
from swarm.index.record_codec import verify_record
from swarm.sync.dirty import Dirty
from swarm.sync.events import (
    ChunksStored,
    DatabaseRead,
    DropTemp,
    Effect,
    Event,
    FilesStored,
    Hash,
    HashFailed,
    Health,
    HistoryDropped,
    OperationsDone,
    PrepareTemp,
    ReadDatabase,
    Run,
    Scan,
    ScanFailed,
    Scanned,
    StoreChunks,
    StoreFiles,
    SweepTemps,
    TempPrepared,
)
from swarm.sync.operation import Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from swarm.disk.placement import Late
    from swarm.ids import DeviceId
    from swarm.sync.folder import Identity

log = logging.getLogger("swarm.folder")

POOLS = {"scan": 1, "hash": 2, "temps": 1, "install": 1, "verify": 2, "tidy": 1}  # threads
FIRST_TIDY = 60.0  # seconds after the folder was opened: there is more urgent work then
TIDY_INTERVAL = 3600.0  # seconds; the shortest time that retention knows
HASH_BATCH = 16  # files that one job reads: handing over each by itself costs more than reading a small one
HEALTH_SECONDS = 0.25  # between two looks at the folder while pieces of content are written
LATE_PAUSE = 1.0  # seconds in which a look for late writes, due by now, may be done
LOOKED_SECONDS = 0.005  # for which the look after a listing counts as the one before the next
VERIFY_PIECE = 64  # signatures that one thread checks in one go

DiskEffect = Scan | Hash | ReadDatabase | Run | PrepareTemp | StoreChunks | StoreFiles | DropTemp | SweepTemps


class Hands:
    """One folder's disk at work. Raises Unavailable from the constructor where the folder is not there."""

    def __init__(self, root: str, identity: Identity, post: Callable[[Event], None]) -> None:
        self.root = root
        self.reading = ""  # the file that was last begun to be hashed, for people who watch
        self.chunk_key = identity.keys.chunk_key()
        self._identity = identity
        self._post = post
        self._presence = Presence(root, identity.keys.folder_id, lambda why: post(Health(why)))
        self.files = _opened(root)
        name = os.path.basename(root)
        self._pools = {pool: ThreadPoolExecutor(threads, f"{pool} {name}") for pool, threads in POOLS.items()}
        self._late = LateWatch()
        self._replaced: Counter[str] = Counter()  # paths, how often since their history was thinned out
        self._debt = Debt()
        self._looking: Future[None] | None = None
        self._tidy_at = time.monotonic() + FIRST_TIDY
        self._looked_at = -HEALTH_SECONDS  # by the temps' thread, in the clock of time.monotonic
        self._listed_at = -LOOKED_SECONDS  # by the scan's thread: when it looked last

    @property
    def away(self) -> str:
        """Why the folder is not safely there now, or ""."""
        return self._presence.away

    def close(self) -> None:
        """Waits for the jobs that have begun; the others are dropped."""
        for pool in self._pools.values():
            pool.shutdown(wait=True, cancel_futures=True)
        self.files.close()

    # -- in the folder's thread

    def carry_out(self, effects: Sequence[DiskEffect]) -> None:
        hashes: list[Effect] = []
        scans: list[Effect] = []
        for effect in effects:
            match effect:
                case Scan():
                    scans.append(effect)
                case Hash() | ReadDatabase():
                    hashes.append(effect)
                case Run():
                    self._submit("install", self._install, [effect])
                case PrepareTemp() | StoreChunks() | StoreFiles() | DropTemp() | SweepTemps():
                    self._submit("temps", self._temp_work, [effect])
        if scans:
            self._submit("scan", self._scan, scans)
        for start in range(0, len(hashes), HASH_BATCH):
            self._submit("hash", self._hash, hashes[start : start + HASH_BATCH])

    def verify(self, signed: Sequence[tuple[bytes, DeviceId]]) -> Sequence[bool]:
        """Whether each record was signed by that device; many of them side by side."""
        if len(signed) <= VERIFY_PIECE:
            return _verify(signed)
        pieces = [signed[start : start + VERIFY_PIECE] for start in range(0, len(signed), VERIFY_PIECE)]
        return [good for piece in self._pools["verify"].map(_verify, pieces) for good in piece]

    def late_due(self) -> float | None:
        """Looks for late writes when it is time. When to ask again, in the clock of time.monotonic."""
        due, now = self._late.next_due(), time.monotonic()
        if due is None or due > now:
            return due
        if self.away:
            return None  # that it is back is an event
        if self._looking is None or self._looking.done():
            self._looking = self._pools["install"].submit(self._look_for_late_writes)
        return now + LATE_PAUSE  # never at once: the look may wait behind a group of the installer's for long

    def tidy_now_and_then(self) -> None:
        """Lets go of what history need not keep, when it is time."""
        if time.monotonic() >= self._tidy_at:
            self._tidy_at = time.monotonic() + TIDY_INTERVAL
            self._replaced.clear()
            self._pools["tidy"].submit(self._tidy)

    def look_again(self) -> None:
        """The disk was away: is it back?"""
        self._presence.come_back(self._open_anew)

    def _open_anew(self) -> None:
        old, self.files = self.files, _opened(self.root)
        old.close_when_unused()  # a job that was begun on it may not be over

    # -- in the pools

    def healthy(self) -> str:
        """The empty string, or why the folder is not safely there."""
        return self._presence.healthy()

    def _submit(self, pool: str, work: Callable[[Effect], Event | None], effects: Sequence[Effect]) -> None:
        def job() -> None:
            for effect in effects:
                try:
                    event = work(effect)
                except Exception as error:
                    log.exception("%s: %s failed", self.root, type(effect).__name__)
                    event = failed(effect, f"an internal error: {type(error).__name__}")
                if event is not None:
                    self._post(event)

        self._pools[pool].submit(job)

    def _scan(self, effect: Effect) -> Event:
        assert isinstance(effect, Scan)
        looked = not self.away and time.monotonic() < self._listed_at + LOOKED_SECONDS
        event = scanner.scan(self.files, effect.directory, self.healthy, self._debt, looked)
        if isinstance(event, Scanned):
            self._listed_at = time.monotonic()
        return event

    def _hash(self, effect: Effect) -> Event:
        if isinstance(effect, ReadDatabase):
            self.reading = effect.database
            return hasher.read_database(self.files, effect, self.chunk_key, self.healthy)
        assert isinstance(effect, Hash)
        self.reading = effect.path
        return hasher.read(self.files, effect, self.chunk_key)

    def _install(self, effect: Effect) -> Event:
        assert isinstance(effect, Run)
        if why := self.healthy():
            return failed(effect, why) or OperationsDone(())
        displaced: list[Late] = []
        done = installer.run(self.files, effect, self.chunk_key, time.time_ns, displaced, self._debt)
        self._late.add(displaced, time.monotonic())
        self._thin_out(displaced)
        return done

    def _thin_out(self, displaced: Sequence[Late]) -> None:
        """A path that is replaced all day must not fill history before the next hour is over."""
        for path, _, _ in displaced:
            self._replaced[path] += 1
            if self._replaced[path] >= 2 * NEWEST:
                self._replaced.pop(path, None)
                self._pools["tidy"].submit(self._tidy, path)

    def _look_for_late_writes(self) -> None:
        if self.healthy():
            return  # they stay due
        copies = self._late.look(self.files, self._identity.name, time.monotonic())
        for path in copies:
            log.warning("%s: a program wrote to a file after it was replaced; its words are in %s", self.root, path)
        if copies:
            self._post(Dirty(frozenset(parent_of(path) for path in copies), frozenset(copies)))

    def _tidy(self, path: str = "") -> None:
        """All of history, or that of one path."""
        if self.healthy():
            return
        now_ms = time.time_ns() // 1_000_000
        try:
            if path:
                dropped = tidy_path(self.files, path, now_ms)
            else:
                disk = os.statvfs(self.root)
                dropped = tidy(self.files, now_ms, disk.f_blocks * disk.f_frsize)
        except OSError as error:
            log.warning("%s: history cannot be tidied: %s", self.root, error)
            return
        if dropped:
            log.info("%s: %d versions were removed from history", self.root, len(dropped))
            self._post(HistoryDropped(dropped))

    def _healthy_for(self, effect: Effect) -> str:
        """Pieces come by the hundred in a second. They go into temps that are open or found beneath our root, so a disk
        that went a moment ago takes no harm from them."""
        if isinstance(effect, DropTemp | SweepTemps):
            return ""
        if isinstance(effect, StoreChunks | StoreFiles) and time.monotonic() < self._looked_at + HEALTH_SECONDS:
            return self.away
        why = self.healthy()
        self._looked_at = time.monotonic()
        return why

    def _temp_work(self, effect: Effect) -> Event | None:
        if why := self._healthy_for(effect):
            return failed(effect, why)
        match effect:
            case PrepareTemp():
                return assembler.prepare(self.files, effect, self.chunk_key)
            case StoreChunks():
                return assembler.store_chunks(self.files, effect, self.chunk_key)
            case StoreFiles():
                return assembler.store_files(self.files, effect, self.chunk_key)
            case DropTemp(temp):
                assembler.drop(self.files, temp)
            case SweepTemps():
                assembler.sweep(self.files)
        return None


def _opened(root: str) -> SafeFileSystem:
    """Raises Unavailable: it was there a moment ago, and may have gone since."""
    try:
        return SafeFileSystem(root)
    except OSError as error:
        raise Unavailable(f"{root} cannot be opened: {sentence(error)}") from error


def failed(effect: Effect, why: str) -> Event | None:
    """What an effect comes back as when it could not even be tried."""
    match effect:
        case Scan(directory):
            return ScanFailed(directory, False, why)
        case Hash(path):
            return HashFailed(path, False, False, why)
        case ReadDatabase(database):
            return DatabaseRead(database, failure=HashFailed(database, False, False, why))
        case Run(operations):
            return OperationsDone(tuple(Result(operation, Outcome.FAILED, why=why) for operation in operations))
        case PrepareTemp(content):
            return TempPrepared(content, (), why)
        case StoreChunks(peer, request):
            return ChunksStored(peer, request, (), (), why)
        case StoreFiles(peer, request):
            return FilesStored(peer, request, (), (), why)
    return None


def _verify(signed: Sequence[tuple[bytes, DeviceId]]) -> list[bool]:
    return [verify_record(raw, device) for raw, device in signed]
