"""The folder engine: one shared folder's mind.

`step(events, now, wall)` takes what happened, decides, commits once, and returns what shall be done; only then is
anybody told. It runs in one thread, over a Store and what its shells tell it of the disk and the network. It knows no
clock, no file and no socket. The parts, in the order in which data goes through them:

    Observer   the disk -> records                         (one-way: never writes the disk)
    Exchange   members <-> records
    Ledger     records -> registers, tries, totals         (the only one that changes the index)
    Planner    view against local tree -> operations
    Fetcher    wanted content -> requests and temps
    Server     members' requests -> where the bytes are
    Archive    history -> where the bytes are, when the database does not know
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from swarm.errors import BadPeer
from swarm.ids import Origin, short
from swarm.index.trie import folder_root
from swarm.keys.role import Role
from swarm.sync.archive import Archive
from swarm.sync.changes import Changes
from swarm.sync.dirty import Dirty
from swarm.sync.events import (
    Accuse,
    Barrier,
    ChunksStored,
    DataArrived,
    DatabaseRead,
    Effect,
    Event,
    FetchAsked,
    FetchLost,
    FilesStored,
    Hashed,
    HashFailed,
    Health,
    HistoryDropped,
    MemberDown,
    MemberUp,
    Note,
    OperationsDone,
    Received,
    RevertWanted,
    Run,
    ScanFailed,
    Scanned,
    ScanWanted,
    SweepTemps,
    TempPrepared,
    WakeAt,
)
from swarm.sync.exchange import Exchange, Progress
from swarm.sync.fetcher import Fetcher
from swarm.sync.intents import Intents
from swarm.sync.last_heard import LastHeard
from swarm.sync.ledger import Ledger
from swarm.sync.life import Life
from swarm.sync.observer import Observer
from swarm.sync.planner import Planner
from swarm.sync.server import Server
from swarm.wire.messages import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swarm.ids import DeviceId
    from swarm.keys.chain import FolderKeys
    from swarm.keys.device import DeviceKey
    from swarm.sync.exchange import Verify
    from swarm.sync.files import Traits
    from swarm.sync.ignore import IgnoreRules
    from swarm.sync.store import Store


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a folder's engine is."""

    keys: FolderKeys
    device: DeviceKey
    name: str  # of the device, for people
    incarnation: int  # to begin with, should this life be a new one: milliseconds since 1970, and chance
    cloned: bool  # the database is not the one that this device last used: a new life
    created: bool  # the folder was made here, so there is nobody to hear before its first records


@dataclass(frozen=True, slots=True)
class MemberStatus:
    """One connected member, as the engine sees it."""

    peer: DeviceId
    name: str
    role: Role
    identical: bool
    need_files: int
    need_bytes: int
    local_changes: int = 0  # that its user made, and that a reader cannot share


@dataclass(frozen=True, slots=True)
class FolderStatus:
    """A snapshot for people and for `wait`."""

    root: bytes
    files: int
    bytes: int
    conflicts: int
    need_files: int
    need_bytes: int
    cannot: tuple[tuple[str, str], ...]  # path, why; the first few
    cannot_count: int
    troubles: tuple[tuple[str, str], ...]
    local_changes: int  # paths that the user of a reader changed, which no other device gets
    changed_paths: tuple[str, ...]  # the first few of them
    settled: bool  # nothing on the disk waits to be looked at, but what is put off
    put_off: str  # a file that is written to all the time, and waits for its next version
    scanning: bool  # the first walk is not done
    holding: bool  # waits for a member before it says what is here
    health: str  # "" or why the folder is not there
    outdated: bool
    barrier: int  # the last barrier that was reached
    fetched_bytes: int
    members: tuple[MemberStatus, ...]
    behind: dict[DeviceId, int]  # of each member that was ever heard, here or away: how many changes it lacked


MAX_LISTED = 20  # of what cannot be synced, in a status


@dataclass(slots=True)
class _Member:
    name: str
    role: Role


class Folder:
    """One shared folder."""

    def __init__(
        self,
        identity: Identity,
        store: Store,
        *,
        traits: Traits,
        device_rules: str,
        verify: Verify,
    ) -> None:
        """Takes up the store where the last run left it. Raises UserError where its content cannot be used."""
        self.identity = identity
        self.store = store
        self.health = ""
        self._effects: list[Effect] = []
        self._members: dict[DeviceId, _Member] = {}
        self._barrier = 0
        self._pending_barrier = 0
        self._swept = False
        self._may_write = identity.keys.role.holds(Role.WRITE)
        fresh = store.get("incarnation") is None
        if fresh and not identity.created:
            store.put("holding", b"1")
        self.life = Life(store, identity.keys, identity.device, identity.incarnation)
        introduction = self.life.introduction(new=fresh or identity.cloned)
        self.ledger = Ledger(
            store,
            identity.keys,
            identity.device,
            identity.name,
            introduction.origin if introduction is not None else Origin(bytes(16)),
        )
        self.life.open(self.ledger)
        self.exchange = Exchange(store, self.ledger, identity.keys, verify=verify, out=self._emit)
        if introduction is not None:
            self.exchange.introduce(introduction)
        self.last_heard = LastHeard(store)
        self.changes = Changes(store)
        self.fetcher = Fetcher(store, out=self._emit, ready=self._content_ready, failed=self._content_failed)
        self.planner = Planner(
            store,
            self.ledger,
            self.fetcher,
            traits=traits,
            rules=self._rules,
            look_at=self._look_at,
            removed=self._removed,
            missing=self._missing,
            covered=self._covered,
            changes=self.changes,
        )
        self.intents = Intents(store)
        self.observer = Observer(
            store,
            self.ledger,
            self.intents,
            traits=traits,
            holding=store.get("holding") is not None,
            may_write=self._may_write,
            changes=self.changes,
            device_rules=device_rules,
            busy=lambda: self.planner.busy,
            out=self._emit,
            touched=self.planner.touch,
        )
        self.server = Server(store, out=self._emit)
        self.archive = Archive(store, out=self._emit)
        if fresh or identity.cloned:
            self.archive.distrust()
        self.archive.doubt(self.intents.doubted)
        self.ledger.count_all()
        for path, _ in store.locals_below(""):
            self.planner.touch(path)
        for path in self.changes:
            self.planner.touch(path)
        store.commit()

    # -- one step

    def step(self, events: Iterable[Event], now: float, wall: int) -> list[Effect]:
        """Takes events in order and returns effects in order.

        now: seconds of a clock that never jumps; wall: milliseconds since 1970. What is returned was committed first.
        Raises Unavailable or CorruptDatabase from the store, with nothing committed.
        """
        for event in events:
            self._handle(event, now, wall)
        self.observer.tick(now)
        self._release_if_heard(now, wall)
        if self.observer.first_walk_done and not self.health:
            self.archive.tick()
        for path in sorted(self.ledger.changed):  # a set: unsorted, no run could be repeated
            self.planner.touch(path)
        self.ledger.changed.clear()
        if self._may_plan():
            self.planner.plan(now)
            self.fetcher.pump(now)
            while operations := self.planner.take():
                self.intents.begin(operations)
                self._emit(Run(operations))
            self._sweep()
        self.ledger.seal()
        if self.exchange.hears_anybody():
            self.life.tell(self.ledger)
        self.intents.note()
        self.store.commit()
        if self._pending_barrier and self.observer.caught_up():
            self._barrier, self._pending_barrier = self._pending_barrier, 0
        self.exchange.compare(now)
        self.exchange.speak(self._progress(), now)
        if (when := self._next_due(now)) is not None:
            self._emit(WakeAt(when))
        effects, self._effects = self._effects, []
        return effects

    def start(self) -> None:
        """Asks for the first walk; the next step returns it."""
        self.observer.rescan()

    def status(self) -> FolderStatus:
        cannot = {**self.observer.cannot, **self.planner.cannot}
        live_root, tombstone_root = self.ledger.roots
        return FolderStatus(
            root=folder_root(live_root, tombstone_root),
            files=self.ledger.totals.files,
            bytes=self.ledger.totals.bytes,
            conflicts=self.ledger.totals.conflicts,
            need_files=self.planner.need_files,
            need_bytes=self._need_bytes(),
            cannot=tuple(list(cannot.items())[:MAX_LISTED]),
            cannot_count=len(cannot),
            troubles=tuple(list(self.planner.troubles.items())[:MAX_LISTED]),
            local_changes=len(self.changes),
            changed_paths=tuple(islice(self.changes, MAX_LISTED)),
            settled=self.observer.settled,
            put_off=self.observer.put_off,
            scanning=not self.observer.first_walk_done,
            holding=self.observer.holding,
            health=self.health,
            outdated=self.exchange.outdated,
            barrier=self._barrier,
            fetched_bytes=self.fetcher.fetched_bytes,
            members=tuple(self._member_status(peer, member) for peer, member in self._members.items()),
            behind=self.last_heard.behind(self.ledger.clock),
        )

    # -- dispatch

    def _handle(self, event: Event, now: float, wall: int) -> None:
        match event:
            case Dirty():
                self.observer.dirty(event)
            case Scanned(directory) if Archive.has(directory):
                self.archive.scanned(event)
            case Hashed(path) if Archive.has(path):
                self.archive.hashed(event)
            case ScanFailed(path) | HashFailed(path) if Archive.has(path):
                self.archive.failed()
            case Scanned():
                self.observer.scanned(event, now, wall)
                if not event.entries:
                    self.planner.emptied(event.directory)
            case ScanFailed():
                self.observer.scan_failed(event, now)
            case Hashed():
                self.observer.hashed(event, now, wall)
            case HashFailed():
                self.observer.hash_failed(event, now)
            case DatabaseRead():
                self.observer.database_read(event, now, wall)
            case OperationsDone():
                self.intents.end(event.results)
                self.planner.done(event.results, now)
            case TempPrepared():
                self.fetcher.prepared(event)
            case ChunksStored():
                self.fetcher.chunks_stored(event)
            case FilesStored():
                self.fetcher.files_stored(event)
            case DataArrived():
                self.fetcher.data(event, now)
            case FetchLost():
                self.fetcher.lost(event.request)
            case FetchAsked():
                self._serve(event)
            case Received():
                self._receive(event, now, wall)
            case MemberUp():
                self._members[event.peer] = _Member(event.name, event.role)
                self.exchange.up(event.peer, now)
                if event.role.holds(Role.READ):
                    self.fetcher.member_up(event.peer)
            case MemberDown():
                self._members.pop(event.peer, None)
                self.exchange.down(event.peer)
                self.fetcher.member_down(event.peer)
            case Health():
                if self.health and not event.why:
                    self.fetcher.distrust()
                    self.intents.doubt()
                    self.observer.rescan()
                self.health = event.why
                if event.why:
                    self.archive.interrupt()
            case ScanWanted():
                self.observer.rescan()
            case RevertWanted():
                for path in self.changes.drop_from(event.path):
                    self.planner.touch(path)
            case HistoryDropped():
                for place in event.places:
                    self.store.drop_chunks(place)
            case Barrier():
                self._pending_barrier = event.token
                self.observer.hurry(now)

    def _receive(self, event: Received, now: float, wall: int) -> None:
        if event.peer not in self._members:
            return
        try:
            self.exchange.receive(event.peer, event.message, now, wall)
        except BadPeer as error:
            self._emit(Accuse(event.peer, error.message))
            return
        if isinstance(event.message, State):
            self.last_heard.heard(event.peer, event.message)
            self.fetcher.member_said(event.peer, event.message)
            if why := self.life.check(self.ledger, dict(event.message.clock), wall):
                self._begin_life(why, wall)
        if self.exchange.doubles and self._may_write:
            self._begin_life(f"another device signs as this one (life {short(self.ledger.origin)})", wall)

    def _serve(self, event: FetchAsked) -> None:
        member = self._members.get(event.peer)
        if member is None or not member.role.holds(Role.READ):
            self._emit(Accuse(event.peer, "it asked for content that its role may not read"))
            return
        self.server.serve(event)

    # -- who we are

    def _begin_life(self, why: str, wall: int) -> None:
        introduction = self.life.begin(wall)
        self.archive.distrust()
        self._emit(Note(why))
        self.ledger.begin_life(introduction.origin, wall, self.exchange.doubles)
        self.exchange.begin_life(introduction)

    # -- small decisions

    def _sweep(self) -> None:
        """Temps are kept while anything may still want them, over a restart as well; once in step, none is wanted."""
        if self.planner.need_files or not self.fetcher.idle:
            self._swept = False
        elif not self._swept and any(self.exchange.covers(peer) for peer in self._members):
            self._swept = True
            self._emit(SweepTemps())

    def _release_if_heard(self, now: float, wall: int) -> None:
        """The hold ends when everything that some member has was taken in, and our own disk was seen once."""
        if not self.observer.holding or not self.observer.first_walk_done:
            return
        if any(self.exchange.covers(peer) for peer in self._members):
            self.store.put("holding", None)
            self.observer.release(now, wall)

    def _may_plan(self) -> bool:
        """Not while the disk is away, nor before it was seen; an empty newcomer need not wait for the whole index."""
        if self.health or not self.observer.first_walk_done or self.exchange.outdated:
            return False
        return not self.observer.holding or not self.observer.held

    def _progress(self) -> Progress:
        settled = self.observer.settled and self.observer.first_walk_done and not self.observer.holding
        return Progress(self.planner.need_files, self._need_bytes(), settled and not self.health, len(self.changes))

    def _need_bytes(self) -> int:
        """Of all that is wanted, less what is in temps already."""
        return max(0, self.planner.need_bytes - self.fetcher.stored_bytes)

    def _member_status(self, peer: DeviceId, member: _Member) -> MemberStatus:
        told = self.exchange.gossip.peers[peer]
        identical = self.exchange.is_identical(peer)
        needs = told.need_files, told.need_bytes
        return MemberStatus(peer, member.name, member.role, identical, *needs, told.local_changes)

    def _next_due(self, now: float) -> float | None:
        times = [self.observer.next_due(), self.exchange.next_due(now)]
        if self._may_plan():  # else what is due there cannot be done, and asking for it would make the engine spin
            times += [self.planner.next_due(), self.fetcher.next_due()]
        return min((when for when in times if when is not None), default=None)

    def _emit(self, effect: Effect) -> None:
        self._effects.append(effect)

    def _content_ready(self, path: str) -> None:
        self.planner.content_ready(path)

    def _content_failed(self, path: str, why: str) -> None:
        self.planner.content_failed(path, why)

    def _rules(self) -> IgnoreRules:
        return self.observer.rules

    def _look_at(self, directory: str) -> None:
        self.observer.look_at(directory)

    def _removed(self, path: str) -> None:
        self.observer.removed(path)

    def _missing(self, path: str) -> str:
        return self.observer.missing.above(path)

    def _covered(self, path: str) -> bool:
        return path in self.observer.covered
