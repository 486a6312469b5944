"""A world in one thread and in virtual time: devices with the real engine, scanner, assembler and installer.

Everything random comes from one seed, so a run can be repeated. Disks and databases are in memory; messages are packed
and unpacked as on the wire, arrive in order for as long as a session lasts, and take the time that the seed says.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from swarm.disk import assembler, hasher, installer, scanner, sender
from swarm.ids import DeviceId, Kind, parent_of
from swarm.index.record_codec import verify_record
from swarm.keys.chain import FolderKeys
from swarm.keys.device import DeviceKey
from swarm.keys.role import Role
from swarm.sync.dirty import Dirty
from swarm.sync.events import (
    Accuse,
    Ask,
    DataArrived,
    DropTemp,
    Effect,
    Event,
    FetchAsked,
    Hash,
    MemberDown,
    MemberUp,
    Note,
    PrepareTemp,
    Received,
    Run,
    Scan,
    Send,
    Serve,
    StoreChunks,
    StoreFiles,
    WakeAt,
)
from swarm.sync.folder import Folder, Identity
from swarm.sync.memory_files import MemoryFileSystem
from swarm.sync.memory_store import MemoryStore
from swarm.wire.messages import FOLDER_MESSAGES

if TYPE_CHECKING:
    from swarm.sync.files import Traits

EPOCH_MS = 1_700_000_000_000  # the wall clock at virtual time 0
DISK_SECONDS = 0.001  # what a piece of disk work takes
WATCH_SECONDS = 0.02  # until the watcher tells


@dataclass(order=True)
class _Happening:
    when: float
    number: int
    action: Callable[[], None] = field(compare=False)


class World:
    """All devices of one folder, their network and their time."""

    def __init__(self, seed: int, devices: int = 2, traits: Traits | None = None, latency: float = 0.01) -> None:
        self.rng = random.Random(seed)
        self.now = 1000.0
        self.latency = latency
        self.trace: list[str] = []
        self.accusations: list[str] = []
        self._queue: list[_Happening] = []
        self._count = 0
        keys = FolderKeys.create(self.rng.randbytes(32))
        self.devices = [Device(self, f"dev{number}", keys, number == 0, traits) for number in range(devices)]
        self._sessions: dict[frozenset[str], int] = {}

    # -- time

    def at(self, when: float, action: Callable[[], None]) -> None:
        self._count += 1
        heappush(self._queue, _Happening(max(when, self.now), self._count, action))

    def wall(self) -> int:
        return EPOCH_MS + int(self.now * 1000)

    def wall_ns(self) -> int:
        return EPOCH_MS * 1_000_000 + int(self.now * 1e9)

    def run(self, seconds: float) -> None:
        """Lets that much virtual time pass."""
        end = self.now + seconds
        while self._queue and self._queue[0].when <= end:
            happening = heappop(self._queue)
            self.now = max(self.now, happening.when)
            happening.action()
        self.now = end

    def settle(self, limit: float = 300.0) -> None:
        """Until every device is identical with every device that it is connected to; fails after `limit` seconds."""
        end = self.now + limit
        while self.now < end:
            self.run(0.5)
            if all(device.in_sync() for device in self.devices if device.folder is not None):
                return
        states = "; ".join(device.describe() for device in self.devices)
        raise AssertionError(f"did not settle: {states}\n" + "\n".join(self.trace[-30:]))

    # -- network

    def connect_all(self) -> None:
        for one in self.devices:
            for other in self.devices:
                if one.name < other.name:
                    self.connect(one, other)

    def connect(self, one: Device, other: Device) -> None:
        pair = frozenset((one.name, other.name))
        self._sessions[pair] = self._sessions.get(pair, 0) + 1
        for here, there in ((one, other), (other, one)):
            here.links[there.id] = there
            here.post(MemberUp(there.id, there.name, Role.OWNER if there.owner else Role.WRITE))

    def cut(self, one: Device, other: Device) -> None:
        pair = frozenset((one.name, other.name))
        self._sessions[pair] = self._sessions.get(pair, 0) + 1
        for here, there in ((one, other), (other, one)):
            if here.links.pop(there.id, None) is not None:
                here.post(MemberDown(there.id))

    def send(self, source: Device, target: Device, event: Callable[[], Event]) -> None:
        """Delivers in order, unless the session ends first."""
        pair = frozenset((source.name, target.name))
        session = self._sessions.get(pair, 0)
        when = max(source.clear_at.get(target.id, 0.0), self.now + self.latency * (0.5 + self.rng.random()))
        source.clear_at[target.id] = when

        def arrive() -> None:
            if self._sessions.get(pair, 0) == session and target.id in source.links:
                target.post(event())

        self.at(when, arrive)


class Device:
    """One machine: a disk, a database, an engine."""

    def __init__(self, world: World, name: str, keys: FolderKeys, owner: bool, traits: Traits | None) -> None:
        self.world = world
        self.name = name
        self.owner = owner
        self.keys = keys
        self.key = DeviceKey.create(world.rng.randbytes(32))
        self.id: DeviceId = self.key.id
        self.files = MemoryFileSystem(world.wall_ns, traits)
        self.store = MemoryStore()
        self.folder: Folder | None = None
        self.links: dict[DeviceId, Device] = {}
        self.clear_at: dict[DeviceId, float] = {}
        self.away = ""
        self.lives = 0
        self._inbox: list[Event] = []
        self._due = False
        self._wakes: set[float] = set()
        self._dirty: set[str] = set()
        self._closed: set[str] = set()
        with self.files.as_user():
            self.files.mkdir(".swarm", 0o700)
            self.files.mkdir(".swarm/tmp", 0o700)
            self.files.mkdir(".swarm/history", 0o700)

    # -- life

    def start(self, created: bool = False) -> None:
        self.lives += 1
        identity = Identity(
            self.keys,
            self.key,
            self.name,
            incarnation=self.world.wall() << 20 | self.world.rng.getrandbits(16),
            cloned=False,
            created=created,
        )
        self._inbox.clear()
        self.folder = Folder(
            identity,
            self.store,
            traits=self.files.traits,
            device_rules="",
            verify=lambda signed: [verify_record(raw, device) for raw, device in signed],
        )
        self.folder.start()
        self._wake()

    def stop(self) -> None:
        """The process is killed; disk and database stay as they are."""
        for other in list(self.links.values()):
            self.world.cut(self, other)
        self.folder = None
        self.store.rollback()
        self._inbox.clear()

    # -- the engine

    def post(self, event: Event) -> None:
        if self.folder is not None:
            self._inbox.append(event)
            self._wake()

    def _wake(self) -> None:
        if not self._due:
            self._due = True
            self.world.at(self.world.now, self._step)

    def _step(self) -> None:
        self._due = False
        if self.folder is None:
            return
        events, self._inbox = self._inbox, []
        life = self.lives
        for effect in self.folder.step(events, self.world.now, self.world.wall()):
            self._do(effect, life)

    def _later(self, life: int, work: Callable[[], Event | None]) -> None:
        def happen() -> None:
            if self.folder is not None and self.lives == life:
                event = work()
                if event is not None:
                    self.post(event)

        self.world.at(self.world.now + DISK_SECONDS * (0.5 + self.world.rng.random()), happen)

    def _do(self, effect: Effect, life: int) -> None:
        chunk_key = self.keys.chunk_key()
        match effect:
            case Scan(directory):
                self._later(life, lambda: scanner.scan(self.files, directory, lambda: self.away))
            case Hash():
                self._later(life, lambda: hasher.read(self.files, effect, chunk_key))
            case Run():
                self._later(life, lambda: self._install(effect))
            case PrepareTemp():
                self._later(life, lambda: assembler.prepare(self.files, effect, chunk_key))
            case StoreChunks():
                self._later(life, lambda: assembler.store_chunks(self.files, effect, chunk_key))
            case StoreFiles():
                self._later(life, lambda: assembler.store_files(self.files, effect, chunk_key))
            case DropTemp(temp):
                self._later(life, lambda: assembler.drop(self.files, temp))
            case Send(peer, message):
                if other := self.links.get(peer):
                    raw = FOLDER_MESSAGES.pack(message)
                    self.world.send(self, other, lambda: Received(self.id, FOLDER_MESSAGES.unpack(raw)))
            case Ask():
                if other := self.links.get(effect.peer):
                    asked = FetchAsked(self.id, 1, effect.request, effect.what, effect.identifiers)
                    self.world.send(self, other, lambda: asked)
            case Serve():
                if other := self.links.get(effect.peer):
                    answer = list(sender.serve(self.files, chunk_key, effect.items))
                    items = tuple((name, data) for name, data in answer if data is not None)
                    missing = tuple(name for name, data in answer if data is None)
                    arrived = DataArrived(self.id, effect.request, items, missing, last=True)
                    self.world.send(self, other, lambda: arrived)
            case Accuse(peer, why):
                self.world.accusations.append(f"{self.name} of {self.links[peer].name if peer in self.links else '?'}: {why}")
                if other := self.links.get(peer):
                    self.world.cut(self, other)
            case WakeAt(when):
                self.world.at(when, self._wake)
            case Note(text):
                self.world.trace.append(f"{self.world.now:.3f} {self.name}: {text}")

    def _install(self, effect: Run) -> Event:
        done = installer.run(self.files, effect, self.keys.chunk_key(), self.world.wall_ns)
        for result in done.results:
            self.world.trace.append(
                f"{self.world.now:.3f} {self.name}: {type(result.operation).__name__} {result.operation.path} "
                f"{result.outcome.value} {result.why}"
            )
            self._tell(result.operation.path)
        return done

    # -- the user

    def write(self, path: str, data: bytes) -> None:
        self.world.trace.append(f"{self.world.now:.3f} {self.name}: user writes {path} ({len(data)} B)")
        with self.files.as_user():
            self.files.write_file(path, data)
        self._closed.add(path)
        self._tell(path)

    def mkdir(self, path: str) -> None:
        with self.files.as_user():
            self.files.mkdir(path, 0o755)
        self._tell(path)
        self._dirty.add(path)

    def remove(self, path: str) -> None:
        self.world.trace.append(f"{self.world.now:.3f} {self.name}: user removes {path}")
        with self.files.as_user():
            self.files.remove(path)
        self._tell(path)

    def rename(self, old: str, new: str) -> None:
        self.world.trace.append(f"{self.world.now:.3f} {self.name}: user renames {old} to {new}")
        with self.files.as_user():
            self.files.rename(old, new)
        self._tell(old)
        self._tell(new)

    def read(self, path: str) -> bytes:
        with self.files.as_user():
            return self.files.read_file(path)

    def tree(self) -> dict[str, tuple[Kind | None, bytes | str | None]]:
        with self.files.as_user():
            return self.files.tree()

    def contents(self) -> list[bytes]:
        """What the user's files hold, sorted."""
        return sorted(data for _, data in self.tree().values() if isinstance(data, bytes))

    def _tell(self, path: str) -> None:
        """The watcher's hint."""
        if not self._dirty:
            self.world.at(self.world.now + WATCH_SECONDS, self._tell_now)
        self._dirty.add(parent_of(path))

    def _tell_now(self) -> None:
        dirty, self._dirty = frozenset(self._dirty), set()
        closed, self._closed = frozenset(self._closed), set()
        self.post(Dirty(dirty, closed))

    # -- the observer of the experiment

    def in_sync(self) -> bool:
        assert self.folder is not None
        status = self.folder.status()
        return (
            status.settled
            and not status.scanning
            and not status.holding
            and not status.need_files
            and not self._dirty
            and all(member.identical for member in status.members)
        )

    def describe(self) -> str:
        if self.folder is None:
            return f"{self.name} is off"
        status = self.folder.status()
        needed = self.folder.planner.needed_paths(5)
        members = {member.name: member.identical for member in status.members}
        return (
            f"{self.name}: root {status.root.hex()[:8]} need {status.need_files} {needed} settled {status.settled} "
            f"holding {status.holding} troubles {status.troubles} cannot {status.cannot} members {members}"
        )


def two_devices(seed: int = 1, latency: float = 0.01) -> tuple[World, Device, Device]:
    """A folder made on the first and joined, empty, by the second."""
    world = World(seed, 2, latency=latency)
    one, other = world.devices
    one.start(created=True)
    other.start()
    world.connect_all()
    return world, one, other

