"""One simulated machine: a disk, a database, an engine, and the shell between them.

The shell does what the node's folder thread does, in one thread of virtual time: it looks at the folder's health before
each piece of disk work, gives the engine events, lets effects out only after the commit, and does the work of each pool
in the order in which it was asked for. Before any system call a user may act, the disk may fail, another pool may get
its turn, the engine may take a step, or the power may go.
"""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

from swarm.disk import assembler, hasher, installer, scanner, sender
from swarm.ids import DeviceId, Kind, parent_of
from swarm.index.record_codec import verify_record
from swarm.keys.device import DeviceKey
from swarm.node.hands import failed
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
    Health,
    Note,
    OperationsDone,
    PrepareTemp,
    ReadDatabase,
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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from swarm.keys.chain import FolderKeys
    from swarm.sync.files import Traits
    from swarm.sync.memory_files import Away, Tree
    from tests.simulation.liar import Liar
    from tests.simulation.world import World

DISK_SECONDS = 0.001  # what a piece of disk work takes
WATCH_SECONDS = 0.02  # until the watcher tells
TICK_MS = 4  # of a kernel with HZ=250: two writes within it have the same mtime
HEALTH_SECONDS = 2.0  # between two looks at a folder whose disk is away
IDLE_SECONDS = 5.0  # without an event before the folder's disk is looked at all the same
MARKER = ".swarm/folder-id"
POOLS = ("scan", "hash", "temps", "install", "serve")


class PowerCut(BaseException):
    """The process ends here, in the middle of a system call's approach. Nothing of ours may catch it."""


class Device:
    """One machine."""

    def __init__(self, world: World, name: str, keys: FolderKeys, owner: bool, traits: Traits | None) -> None:
        self.world = world
        self.name = name
        self.owner = owner
        self.keys = keys
        self.key = DeviceKey.create(world.rng.randbytes(32))
        self.id: DeviceId = self.key.id
        self.skew_ms = 0  # of the wall clock
        self.files = MemoryFileSystem(self.wall_ns, traits)
        self.store = MemoryStore()
        self.folder: Folder | None = None
        self.links: dict[DeviceId, Device | Liar] = {}
        self.lives = 0
        self.created = False
        self.wants_to_run = False  # it was started, or will be by itself
        self.calls = 0  # system calls of ours so far
        self.armed: list[tuple[int, Callable[[], None]]] = []  # (at which call, what happens before it)
        self.aimed: list[tuple[str, int, Callable[[str], None]]] = []  # (system call, which one from now, what happens)
        self._looked_at = ""  # the user's path that our last stat was of
        self._inbox: list[Event] = []
        self._due = False
        self._stepping = False
        self._dirty: set[str] = set()
        self._closed: set[str] = set()
        self._unhealthy = ""
        self._heard = 0.0  # when the last event came
        self._cut_short: Callable[[], None] = self._forget  # what follows once a PowerCut has unwound
        self._jobs: dict[str, deque[Callable[[], Event | None]]] = {pool: deque() for pool in POOLS}
        self._working: set[str] = set()
        with self.files.as_user():
            for directory in (".swarm", ".swarm/tmp", ".swarm/history"):
                self.files.mkdir(directory, 0o700)
        self.files.write_file(MARKER, keys.folder_id.hex().encode())
        self.write_back()
        self.files.before = self._before

    # -- life

    @property
    def runs(self) -> bool:
        return self.folder is not None

    def wall_ms(self) -> int:
        return self.world.wall_ms() + self.skew_ms

    def wall_ns(self) -> int:
        """What stamps files: it moves in ticks, as a kernel's clock does."""
        return self.wall_ms() // TICK_MS * TICK_MS * 1_000_000

    def start(self, created: bool = False, cloned: bool = False) -> None:
        self.created = self.created or created
        self.wants_to_run = True
        if self.healthy():  # nothing is begun while the disk is away
            return
        self.lives += 1
        identity = Identity(
            self.keys,
            self.key,
            self.name,
            incarnation=self.wall_ms() << 20 | self.world.rng.getrandbits(16),
            cloned=cloned,
            created=created,
        )
        self._forget()
        self.folder = Folder(
            identity,
            self.store,
            traits=self.files.traits,
            device_rules="",
            verify=lambda signed: [verify_record(raw, device) for raw, device in signed],
        )
        self.folder.start()
        self._wake()
        self._heard = self.world.now
        self._look_when_idle(self.lives)

    def stop(self) -> None:
        """The process is killed. The disk stays as it is, the database as it was committed."""
        self.folder = None
        self.wants_to_run = False
        self.store.rollback()
        self._forget()
        self.world.network.cut_all_of(self)

    def _forget(self) -> None:
        self._inbox.clear()
        self._unhealthy = ""
        self._working.clear()
        self.armed.clear()
        self.aimed.clear()
        for jobs in self._jobs.values():
            jobs.clear()

    def write_back(self) -> None:
        """The kernel writes what it has to the disk, as it does every few seconds."""
        with self.files.as_user():
            self.files.sync_all()

    # -- the disk's health, as the node looks at it

    def healthy(self) -> str:
        try:
            with self.files.as_user():
                self.files.stat(MARKER)
        except OSError as error:
            if not self._unhealthy and self.folder is not None:
                self._unhealthy = str(error)
                self.post(Health(self._unhealthy))
                self.world.after(HEALTH_SECONDS, self._look_again)
            return str(error)
        return ""

    def _look_again(self) -> None:
        if self.folder is None or not self._unhealthy:
            return
        try:
            with self.files.as_user():
                self.files.stat(MARKER)
        except OSError:
            self.world.after(HEALTH_SECONDS, self._look_again)
            return
        self._unhealthy = ""
        self.post(Health(""))

    def _look_when_idle(self, life: int) -> None:
        """What is mounted over a folder, or put in its place, makes no event."""

        def look() -> None:
            if self.folder is None or self.lives != life:
                return
            if self.world.now >= self._heard + IDLE_SECONDS:
                self._heard = self.world.now
                self.healthy()
            self._look_when_idle(life)

        self.world.at(self._heard + IDLE_SECONDS, look)

    def unmount(self, how: Away) -> None:
        self.files.unmount(how)

    def mount(self) -> None:
        self.files.mount()

    # -- the engine

    def post(self, event: Event) -> None:
        if self.folder is not None:
            self._heard = self.world.now
            self._inbox.append(event)
            self._wake()

    def _wake(self) -> None:
        if not self._due:
            self._due = True
            self.world.at(self.world.now, self._step)

    def _step(self) -> None:
        self._due = False
        if self.folder is None or self._stepping:
            return
        events, self._inbox = self._inbox, []
        life = self.lives
        self._stepping = True
        effects = self.folder.step(events, self.world.now, self.wall_ms())
        self._stepping = False
        if self.world.oracle is not None:
            self.world.oracle.stepped(self)
        for effect in effects:
            if self.folder is None or self.lives != life:
                return  # killed between the commit and its effects
            self._do(effect, life)

    def step_now(self) -> None:
        """The engine's thread gets its turn in the middle of a piece of disk work."""
        self._step()

    def _later(self, pool: str, life: int, work: Callable[[], Event | None]) -> None:
        self._jobs[pool].append(work)
        self.world.after(DISK_SECONDS * (0.5 + self.world.rng.random()), lambda: self._work(pool, life))

    def work_elsewhere(self, pool: str) -> None:
        """Another pool's thread gets its turn in the middle of a piece of disk work."""
        self._work(pool, self.lives)

    def _work(self, pool: str, life: int) -> None:
        """The pool's next piece of work."""
        if self.folder is None or self.lives != life or not self._jobs[pool]:
            return
        if pool in self._working:  # we are in the middle of one
            self.world.after(DISK_SECONDS, lambda: self._work(pool, life))
            return
        work = self._jobs[pool].popleft()
        self._working.add(pool)
        try:
            event = work()
        except PowerCut:
            if len(self._working) > 1:
                raise  # the outermost piece of work ends the life
            self._cut_short()
            return
        finally:
            self._working.discard(pool)
        if self.world.oracle is not None:
            self.world.oracle.look(self)
        if event is not None and self.lives == life:
            self.post(event)

    def power_cut(self, then: Callable[[], None]) -> None:
        """Ends the life now, in whatever is being done, and calls `then`."""
        if self._working:
            self._cut_short = then
            raise PowerCut
        then()

    def _do(self, effect: Effect, life: int) -> None:
        network = self.world.network
        match effect:
            case Scan(directory):
                self._later("scan", life, lambda: scanner.scan(self.files, directory, self.healthy))
            case Hash():
                self._later("hash", life, lambda: hasher.read(self.files, effect, self.keys.chunk_key()))
            case ReadDatabase():
                key = self.keys.chunk_key()
                self._later("hash", life, lambda: hasher.read_database(self.files, effect, key, self.healthy))
            case Run():
                self._later("install", life, lambda: self._install(effect))
            case PrepareTemp() | StoreChunks() | StoreFiles() | DropTemp():
                self._later("temps", life, lambda: self._temp_work(effect))
            case Send(peer, message):
                if other := self.links.get(peer):
                    network.send(self, other, message)
            case Ask():
                if other := self.links.get(effect.peer):
                    network.count("Fetch")
                    asked = FetchAsked(self.id, 1, effect.request, effect.what, effect.identifiers)
                    network.carry(self, other, lambda: asked)
            case Serve():
                self._later("serve", life, lambda: self._serve(effect))
            case Accuse(peer, why):
                accused = self.links.get(peer)
                name = accused.name if accused is not None else "?"
                self.world.accusations.append(f"{self.name} of {name}: {why}")
                self.world.note(self.name, f"accuses {name}: {why}")
                if accused is not None:
                    network.cut(self, accused)
            case WakeAt(when):
                self.world.at(when, self._wake)
            case Note(text):
                self.world.note(self.name, text)

    # -- work, in the pools

    def _serve(self, effect: Serve) -> None:
        answer = list(sender.serve(self.files, self.keys.chunk_key(), effect.items))
        other = self.links.get(effect.peer)
        if other is None:
            return
        items = tuple((name, data) for name, data in answer if data is not None)
        missing = tuple(name for name, data in answer if data is None)
        self.world.network.count("Data")
        arrived = DataArrived(self.id, effect.request, items, missing, last=True)
        self.world.network.answer(self, other, arrived, effect.request)

    def _temp_work(self, effect: PrepareTemp | StoreChunks | StoreFiles | DropTemp) -> Event | None:
        chunk_key = self.keys.chunk_key()
        if why := "" if isinstance(effect, DropTemp) else self.healthy():
            return failed(effect, why)
        match effect:
            case PrepareTemp():
                return assembler.prepare(self.files, effect, chunk_key)
            case StoreChunks():
                return assembler.store_chunks(self.files, effect, chunk_key)
            case StoreFiles():
                return assembler.store_files(self.files, effect, chunk_key)
            case DropTemp(temp):
                assembler.drop(self.files, temp)
        return None

    def _install(self, effect: Run) -> Event:
        if why := self.healthy():
            return failed(effect, why) or OperationsDone(())
        oracle = self.world.oracle
        if oracle is not None:
            oracle.installing(self)
        done = installer.run(self.files, effect, self.keys.chunk_key(), self.wall_ns)
        for result in done.results:
            what = f"{type(result.operation).__name__} {result.operation.path} {result.outcome.value} {result.why}"
            self.world.note(self.name, what.rstrip())
            self.tell(result.operation.path)
        if oracle is not None:
            oracle.installed(self, done)
        return done

    def _before(self, operation: str, path: str) -> None:
        """Before every system call of ours."""
        self.calls += 1
        if self.world.oracle is not None:
            self.world.oracle.called(self, operation, path)
        if operation == "stat" and path and not path.startswith(".swarm"):
            self._looked_at = path
        if self.aimed and self._working:
            aimed, self.aimed = self.aimed, []
            for call, count, action_at in aimed:
                left = count - (call == operation)
                if left:
                    self.aimed.append((call, left, action_at))
                else:
                    action_at(self._looked_at)
        if self.armed:
            due = [entry for entry in self.armed if entry[0] <= self.calls]
            if due:
                self.armed = [entry for entry in self.armed if entry[0] > self.calls]
                for number, (_, action) in enumerate(due):
                    try:
                        action()
                    except OSError:
                        self.armed += due[number + 1 :]
                        raise

    # -- the user

    @contextmanager
    def user(self) -> Iterator[MemoryFileSystem]:
        """Within it somebody works at this machine."""
        oracle = self.world.oracle
        with self.files.as_user():
            if oracle is None:
                yield self.files
            else:
                with oracle.user(self):
                    yield self.files

    def write(self, path: str, data: bytes) -> None:
        self.world.note(self.name, f"user writes {path} ({len(data)} B)")
        with self.user() as files:
            files.write_file(path, data)
        self.tell(path, closed=True)

    def mkdir(self, path: str) -> None:
        with self.user() as files:
            files.mkdir(path, 0o755)
        self.tell(path)
        self._dirty.add(path)

    def remove(self, path: str) -> None:
        self.world.note(self.name, f"user removes {path}")
        with self.user() as files:
            files.remove(path)
        self.tell(path)

    def rename(self, old: str, new: str) -> None:
        self.world.note(self.name, f"user renames {old} to {new}")
        with self.user() as files:
            files.rename(old, new)
        self.tell(old)
        self.tell(new)

    def read(self, path: str) -> bytes:
        return self.files.read_file(path)

    def tree(self) -> Tree:
        return self.files.tree()

    def contents(self) -> list[bytes]:
        """What the user's files hold, sorted."""
        return sorted(data for _, data in self.tree().values() if isinstance(data, bytes))

    def tell(self, path: str, closed: bool = False) -> None:
        """The watcher's hint. A directory comes with every directory below it.

        It knows directories by their inodes, so it says a name as it is, however the user spelled it.
        """
        path = self._as_it_is(path)
        if not self._dirty:
            self.world.after(WATCH_SECONDS, self._tell_now)
        self._dirty.add(parent_of(path))
        if closed:
            self._closed.add(path)
        try:
            if self.files.node(path).kind is Kind.DIRECTORY:
                self._dirty.add(path)
                self._dirty |= {below for below, (kind, _) in self.files.tree(path).items() if kind is Kind.DIRECTORY}
        except OSError:
            return

    def _as_it_is(self, path: str) -> str:
        """The path as the disk has it: one that folds names takes others for it."""
        node, names = self.files._disk.root, path.split("/")
        for number, name in enumerate(names):
            entry = node.entries.get(self.files._key(name))
            if entry is None:
                break
            names[number], node = entry
        return "/".join(names)

    def overflow(self) -> None:
        """The watcher lost count."""
        self.post(Dirty(frozenset(), overflow=True))

    def _tell_now(self) -> None:
        dirty, self._dirty = frozenset(self._dirty), set()
        closed, self._closed = frozenset(self._closed), set()
        self.post(Dirty(dirty, closed))

    # -- for whoever looks on

    def in_sync(self) -> bool:
        assert self.folder is not None
        status = self.folder.status()
        return (
            status.settled
            and not status.scanning
            and not status.holding
            and not status.need_files
            and not status.health
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
            f"holding {status.holding} health {status.health!r} troubles {status.troubles} cannot {status.cannot} "
            f"members {members}"
        )
