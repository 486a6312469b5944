"""One simulated machine: a disk, a database, an engine, and the shell between them.

The shell does what the node's folder thread does, in one thread of virtual time: it looks at the folder's health before
each piece of disk work, gives the engine events, lets effects out only after the commit, and does the work of each pool
in the order in which it was asked for. Before any system call a user may act, the disk may fail, another pool may get
its turn, the engine may take a step, or the power may go.
"""

from __future__ import annotations

import errno
from contextlib import contextmanager
from copy import deepcopy
from typing import TYPE_CHECKING

from swarm.disk.marker import MARKER_LIMIT, Sight, Unhealthy, marker_text
from swarm.disk.presence import Presence
from swarm.errors import Unavailable
from swarm.ids import Kind
from swarm.index.record_codec import verify_record
from swarm.keys.device import DeviceKey
from swarm.keys.role import Role
from swarm.sync.dirty import Dirty
from swarm.sync.events import (
    Accuse,
    Ask,
    Effect,
    Event,
    FetchAsked,
    Health,
    MemberUp,
    Note,
    Send,
    WakeAt,
)
from swarm.sync.folder import Folder, Identity
from swarm.sync.memory_files import MemoryFileSystem
from swarm.sync.memory_store import MemoryStore
from tests.simulation.pools import Pools
from tests.simulation.refusals import Refusals
from tests.simulation.setback import Setback
from tests.simulation.watch import Watch
from tests.simulation.witness import all_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from swarm.ids import DeviceId
    from swarm.keys.chain import FolderKeys
    from swarm.sync.files import Traits
    from swarm.sync.memory_files import Away, Tree
    from tests.simulation.liar import Liar
    from tests.simulation.world import World

TICK_MS = 4  # of a kernel with HZ=250: two writes within it have the same mtime
HEALTH_SECONDS = 2.0  # between two looks at a folder whose disk is away
IDLE_SECONDS = 5.0  # without an event before the folder's disk is looked at all the same
MARKER = ".swarm/folder-id"


class Device:
    """One machine."""

    def __init__(self, world: World, name: str, keys: FolderKeys, owner: bool, traits: Traits | None) -> None:
        self.world = world
        self.name = name
        self.owner = owner
        self.keys = keys
        self.key = DeviceKey.create(world.rng.randbytes(32))
        self.skew_ms = 0  # of the wall clock
        self.files = MemoryFileSystem(self.wall_ns, traits)
        self.store = MemoryStore()
        self.folder: Folder | None = None
        self.links: dict[DeviceId, Device | Liar] = {}
        self.lives = 0
        self.created = False
        self.sweeps = False  # whether temps that nobody wants are swept; older schedules do without
        self.looks_late = False  # whether late writes are looked for; older schedules do without
        self.roots = 0  # how often another directory, or another mount, took the place of the root
        self._opened = 0  # which of them is open
        self.wants_to_run = False  # it was started, or will be by itself
        self.calls = 0  # system calls of ours so far
        self.armed: list[tuple[int, Callable[[], None]]] = []  # (at which call, what happens before it)
        self.aimed: list[tuple[str, int, Callable[[str], None]]] = []  # (system call, which one from now, what happens)
        self._looked_at = ""  # the user's path that our last stat was of
        self._inbox: list[Event] = []
        self._heard = 0.0  # when the last event came
        self._due = False
        self.at_work = False  # its engine is
        self.pools = Pools(self)
        self.watch = Watch(self)
        self.refusals = Refusals(self)
        with self.files.as_user():
            for directory in (".swarm", ".swarm/tmp", ".swarm/history"):
                self.files.mkdir(directory, 0o700)
        self.files.write_file(MARKER, marker_text(keys.folder_id))
        self.write_back()
        self.files.before = self._before

    @property
    def id(self) -> DeviceId:
        return self.key.id

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
        self.wants_to_run = True
        try:  # nothing is begun while the disk is away
            self.presence = Presence("the folder", self.keys.folder_id, self._presence_changed, self._sight)
        except Unhealthy:
            return
        self._open_anew()
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
        self.refusals.watch()
        self.at_work = True
        try:
            self.folder = Folder(
                identity,
                self.store,
                traits=self.files.traits,
                device_rules="",
                verify=lambda signed: [verify_record(raw, device) for raw, device in signed],
            )
        except Unavailable as error:
            self._open_later(str(error), created, cloned)
            return
        finally:
            self.at_work = False
        self.created = self.created or created
        self.folder.start()
        for member in self.links.values():
            self.post(MemberUp(member.id, member.name, min(member.keys.role, Role.WRITE)))
        self._wake()
        self._heard = self.world.now
        self._look_when_idle(self.lives)

    def _open_later(self, why: str, created: bool = False, cloned: bool = False) -> None:
        """As the folder's thread does when the database refuses: everything is closed, and opened again until it can
        be. What was not committed is forgotten, sessions stay."""
        self.world.note(self.name, f"closes its folder: {why}")
        if self.folder is not None and self.world.oracle is not None:
            Setback(self.world.oracle, self).ended(self.folder)
        self.folder = None
        self.refusals.closed()
        self.store.rollback()
        self._inbox.clear()
        self.pools.drop()
        self.lives += 1
        life = self.lives

        def again() -> None:
            if self.folder is None and self.lives == life and self.wants_to_run:
                self.start(created, cloned)

        self.world.after(HEALTH_SECONDS, again)

    def stop(self) -> None:
        """The process is killed. The disk stays as it is, the database as it was committed."""
        if self.folder is not None and self.world.oracle is not None:
            Setback(self.world.oracle, self).killed(self.folder)
        self.folder = None
        self.refusals.closed()
        self.wants_to_run = False
        self.store.rollback()
        self._forget()
        self.world.network.cut_all_of(self)

    def _forget(self) -> None:
        self._inbox.clear()
        self.armed.clear()
        self.aimed.clear()
        self.pools.forget()

    def become(self, other: Device) -> None:
        """This machine is a copy of the other one, made while that runs."""
        self.key, self.created, self.skew_ms = other.key, other.created, other.skew_ms
        self.files.traits, self.files._disk = other.files.traits, deepcopy(other.files._disk)
        self.store = other.store.snapshot()

    def write_back(self) -> None:
        """The kernel writes what it has to the disk, as it does every few seconds."""
        with self.files.as_user():
            self.files.sync_all()

    # -- the disk's health, as the node looks at it

    def healthy(self) -> str:
        return self.presence.healthy() if self.presence is not None else "not opened yet"

    def _presence_changed(self, why: str) -> None:
        self.post(Health(why))
        if why:
            self.world.note(self.name, why)
            self.world.after(HEALTH_SECONDS, self._look_again(self.lives))

    def _look_again(self, life: int) -> Callable[[], None]:
        def look() -> None:
            presence = self.presence
            if self.folder is None or self.lives != life or presence is None or not presence.away:
                return
            if not presence.come_back(self._open_anew):
                self.world.after(HEALTH_SECONDS, look)

        return look

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

    def _sight(self) -> Sight:
        """What somebody sees who opens the root anew."""
        files = self.files
        with files.as_user(), files.opened_anew():
            root = files.stat("")
            files.list("")
            text: bytes | None = None
            try:
                text = files.read_file(MARKER)[:MARKER_LIMIT]
            except (FileNotFoundError, NotADirectoryError):
                text = None
            return Sight((root.device, root.inode), text)

    def _open_anew(self) -> None:
        self._opened = self.roots

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
        if self.folder is None or self.at_work:
            return
        events, self._inbox = self._inbox, []
        life = self.lives
        self.at_work = True
        try:
            effects = self.folder.step(events, self.world.now, self.wall_ms())
        except Unavailable as error:
            self._open_later(str(error))
            return
        finally:
            self.at_work = False
        if self.world.oracle is not None:
            self.world.oracle.stepped(self)
        for effect in effects:
            if self.folder is None or self.lives != life:
                return  # killed between the commit and its effects
            self._do(effect, life)

    def step_now(self) -> None:
        """The engine's thread gets its turn in the middle of a piece of disk work."""
        self._step()

    def power_cut(self, then: Callable[[], None]) -> None:
        self.pools.power_cut(then)

    def _do(self, effect: Effect, life: int) -> None:
        network = self.world.network
        match effect:
            case Send(peer, message):
                if other := self.links.get(peer):
                    network.send(self, other, message)
            case Ask():
                if other := self.links.get(effect.peer):
                    network.count("Fetch")
                    asked = FetchAsked(self.id, 1, effect.request, effect.what, effect.identifiers)
                    network.carry(self, other, lambda: asked)
            case Accuse(peer, why):
                accused = self.links.get(peer)
                name = next((device.name for device in self.world.devices if device.id == peer), "liar")
                self.world.accusations.append(f"{self.name} of {name}: {why}")
                self.world.note(self.name, f"accuses {name}: {why}")
                if accused is not None:
                    network.cut(self, accused)
            case WakeAt(when):
                self.world.at(when, self._wake)
            case Note(text):
                self.world.note(self.name, text)
            case _:
                self.pools.carry_out(effect, life)

    def _before(self, operation: str, path: str) -> None:
        """Before every system call of ours."""
        if self._opened != self.roots:  # what is open is of a disk that has gone, or of a directory that was put aside
            raise OSError(errno.EIO, "the root is not what was opened", path)
        self.calls += 1
        if self.world.oracle is not None:
            self.world.oracle.called(self, operation, path)
        if operation == "stat" and path and not path.startswith(".swarm"):
            self._looked_at = path
        happened = len(self.armed) + len(self.aimed)
        if self.aimed and self.pools.working:
            self._aim(operation)
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
        if self.world.oracle is not None and len(self.armed) + len(self.aimed) != happened:
            # Whatever happened just now was looked at, and this call comes after it.
            self.world.oracle.called(self, operation, path)

    def _aim(self, operation: str) -> None:
        aimed, self.aimed = self.aimed, []
        for number, (call, count, action_at) in enumerate(aimed):
            left = count - (call == operation)
            if left:
                self.aimed.append((call, left, action_at))
                continue
            try:
                action_at(self._looked_at)
            except OSError:
                self.aimed += aimed[number + 1 :]
                raise

    # -- the user

    @contextmanager
    def user(self) -> Iterator[MemoryFileSystem]:
        """Within it somebody works at this machine."""
        oracle = self.world.oracle
        before = self._directories() if self.sweeps else set()
        with self.files.as_user():
            if oracle is None:
                yield self.files
            else:
                with oracle.user(self):
                    yield self.files
        if self.sweeps:  # older schedules did without this hint
            for made in sorted(self._directories() - before):
                self.tell(made)

    def _directories(self) -> set[str]:
        return {path for path, (kind, _) in all_of(self.files).items() if kind is Kind.DIRECTORY}

    def write(self, path: str, data: bytes) -> None:
        self.world.note(self.name, f"user writes {path} ({len(data)} B)")
        with self.user() as files:
            files.write_file(path, data)
        self.tell(path, closed=True)

    def mkdir(self, path: str) -> None:
        with self.user() as files:
            files.mkdir(path, 0o755)
        self.tell(path)
        self.watch.dirty.add(path)

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
        self.watch.tell(path, closed)

    def overflow(self) -> None:
        """The watcher lost count."""
        self.post(Dirty(frozenset(), overflow=True))

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
            and not self.watch.dirty
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
