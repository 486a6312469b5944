"""The oracle: looks on while users and devices act, and convicts.

It knows what users did, because it compares each disk before and after them, and from that what is owed:

- a byte string that a user committed is current in the end, unless a user who saw it wrote over it or deleted it; where
  a user was quicker than an installation, or power took what nobody had made durable, history counts as well;
- a system call of ours never takes a user's bytes out of the folder and its history, nor puts bytes at a user's path
  that no user wrote, nor names anything outside of the folder;
- what was reported as done is durable, and is what its name says;
- nobody signs a deletion of what no user of that disk deleted, nor two records with one dot;
- after healing, all trees and roots are equal and stay so, in silence, and nothing that was deleted is back.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from swarm.content.chunk import MIN_CHUNK, size_class_for
from swarm.content.chunker import Chunker
from swarm.content.manifest import EMPTY_CONTENT, build, single_chunk_content
from swarm.ids import ContentId, DeviceId, Kind, Origin, PathKey
from swarm.index import record_codec
from swarm.index.paths import below_git, fold
from swarm.keys.certificate import parse_introduction
from swarm.sync.operation import InstallFile, InstallLink, MakeDirectory, MoveFile, Outcome, Remove, SetMetadata
from swarm.wire.messages import Delta, Introduce, Registers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from swarm.sync.events import OperationsDone
    from swarm.sync.memory_disk import Entry, Node
    from swarm.sync.memory_files import MemoryFileSystem, Tree
    from tests.simulation.device import Device
    from tests.simulation.world import World

HISTORY = ".swarm/history"
TEMPS = ".swarm/tmp"
CHANGING = frozenset(
    ("rename", "rename_noreplace", "exchange", "unlink", "rmdir", "link", "symlink", "mkdir", "create", "set_mtime")
)
REAPPEARED_SECONDS = 8.0  # a deletion that was seen may be signed that much after the name is there again
QUIET_SECONDS = 150.0  # of silence at the end: three times the interval of the clock checks
SPOKEN = frozenset(("State",))  # what may be said in that silence


class Conviction(AssertionError):
    """A promise was broken."""


class Due(Enum):
    """Where a content must be in the end."""

    CURRENT = "current"  # in the folder itself
    SOMEWHERE = "in the folder or in a history"


@dataclass(slots=True)
class Watched:
    """What the oracle remembers of one device."""

    tree: Tree = field(default_factory=dict)  # of the user, as last looked at
    kept: frozenset[bytes] = frozenset()  # contents in history
    seen: bool = False
    pending: str = ""  # a system call of ours that was let go, and not yet looked at
    removed: dict[str, float] = field(default_factory=dict)  # path -> when a user took it away
    reappeared: dict[str, float] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)  # paths of which this device signed a deletion
    signed: dict[Origin, int] = field(default_factory=dict)  # up to where its records were looked at
    acted: set[str] = field(default_factory=set)  # paths that a user changed since the installer began
    visible: set[bytes] = field(default_factory=set)  # contents that were ever at a user's path
    users: set[int] = field(default_factory=set)  # inodes that a user made or wrote to


@dataclass
class Oracle:
    """One world's judge."""

    world: World
    lies: bool = False  # somebody lies: accusations and repaired indexes are as they should be, overwriting is history
    doubles: bool = False  # an index was brought back from an old copy: a dot may have been used twice
    overtaken: bool = False  # messages of one session came in another order
    lost: bool = False  # somebody waits for what nobody has any more, because an index was lost
    written: set[bytes] = field(default_factory=set)  # every content that a user ever had at a path
    targets: set[str] = field(default_factory=set)  # of symlinks
    due: dict[bytes, Due] = field(default_factory=dict)
    origin_of: dict[bytes, str] = field(default_factory=dict)  # content -> who wrote it where
    ended: set[tuple[str, bytes]] = field(default_factory=set)  # (path, content) that a user took away
    produced: Counter[tuple[str, bytes]] = field(default_factory=Counter)
    dots: dict[tuple[bytes, int], bytes] = field(default_factory=dict)  # sent: dot -> record's hash
    owners: dict[Origin, DeviceId] = field(default_factory=dict)
    _watched: dict[str, Watched] = field(default_factory=dict)
    _names: dict[bytes, ContentId] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._watched = {device.name: Watched() for device in self.world.devices}

    def convict(self, why: str) -> None:
        raise Conviction(f"at {self.world.now - 1000:.3f}: {why}")

    # -- users

    @contextmanager
    def user(self, device: Device) -> Iterator[None]:
        """What is done within it, a user does (or a crash, or whatever else is not ours)."""
        self.look(device)
        before, metadata = self._tree(device), self._metadata(device)
        try:
            yield
        finally:
            after = self._tree(device)
            self._acted(device, before, after)
            self._touched(device, before, after, metadata)
            self._remember(device)

    def _acted(self, device: Device, before: Tree, after: Tree) -> None:
        watched = self._watched[device.name]
        now = self.world.now
        # Where a user put it and none took it away: a conflict copy of a version goes when that is written over.
        present = {
            data
            for path, (_, data) in after.items()
            if isinstance(data, bytes) and self.produced[path, data] and (path, data) not in self.ended
        }
        changed = _changed(before, after)
        watched.acted.update(changed)
        for path in changed:  # what went first: of a rename it comes again
            if (old := before.get(path)) is None:
                continue
            kind, data = old
            if kind is Kind.FILE and isinstance(data, bytes):
                self.ended.add((path, data))
                if data not in present:
                    self.due.pop(data, None)
                elif "(conflict " in path and data in self.due:
                    self.due[data] = Due.SOMEWHERE  # its copy was refused, while the register's own name had it
            if (new := after.get(path)) is None or new[0] is not kind:
                watched.removed[path] = now
                watched.reappeared.pop(path, None)
        for path in changed:
            if (new := after.get(path)) is None:
                continue
            kind, data = new
            watched.users.add(device.files.node(path).inode)
            if kind is Kind.FILE and isinstance(data, bytes):
                self._wrote(device, path, data)
            elif isinstance(data, str):
                self.targets.add(data)

    def _wrote(self, device: Device, path: str, data: bytes) -> None:
        self.written.add(data)
        self.ended.discard((path, data))
        self.produced[path, data] += 1
        if data:
            self.due[data] = Due.SOMEWHERE if below_git(path) or self.lies else Due.CURRENT
            self.origin_of.setdefault(data, f"{device.name} at {path}, {self.world.now - 1000:.3f}")

    def wrote_late(self, device: Device, before: bytes, data: bytes, inode: int) -> None:
        """Through a handle that was opened before its file was displaced: it may land in history. What a user had put
        into that file before is written over, wherever the file is by then."""
        self.written.add(data)
        self._watched[device.name].users.add(inode)
        if before != data and before not in self._everywhere():
            self.due.pop(before, None)
        if data and self.due.get(data) is not Due.CURRENT:
            self.due[data] = Due.SOMEWHERE
            self.origin_of.setdefault(data, f"{device.name} through a handle, {self.world.now - 1000:.3f}")

    def forgot(self, device: Device) -> None:
        """Its database was lost, or is an old copy: everything on its disk is as if written now."""
        self._remember(device)
        for path, (kind, data) in self._tree(device).items():
            if kind is Kind.FILE and isinstance(data, bytes):
                self.produced[path, data] += 1
                self.ended.discard((path, data))
        for data in self._history(device) - set(self._contents(self._tree(device))):
            if data in self.due:  # it may have given way to a version whose record only that database had
                self.due[data] = Due.SOMEWHERE
        watched = self._watched[device.name]
        for path, _ in device.store.locals_below(""):  # what has gone since, it cannot tell from what a user deleted
            if path not in watched.tree:
                watched.removed[path] = self.world.now
                watched.reappeared.pop(path, None)

    @contextmanager
    def crash(self, device: Device) -> Iterator[None]:
        """The power of its disk fails within it."""
        self.look(device)
        durable = _durable_contents(device.files)
        before, metadata = self._tree(device), self._metadata(device)
        held = set(self._contents(before)) | self._history(device)
        watched = self._watched[device.name]
        installed = {path for path in before if device.files.node(path).inode not in watched.users}
        yield
        after = self._tree(device)
        left = set(self._contents(after)) | self._history(device)
        for gone in (held & durable & self.written) - left:
            self.convict(f"{device.name}: a crash lost {_name(gone)}, which was durable")
        for path, (kind, data) in after.items():
            torn = kind is Kind.FILE and data not in self.written and not self._from_a_liar(data)
            if torn and device.files.node(path).inode not in watched.users:
                self.convict(f"{device.name}: a crash left a torn file at {path}, which no user had written to")
        elsewhere = self._everywhere(but=device)
        for gone in held - left:
            if gone in elsewhere and gone in self.due:
                self.due[gone] = Due.SOMEWHERE
            elif gone not in elsewhere:
                self.due.pop(gone, None)  # nobody had made it durable, and nobody else has it
        changed = _changed(before, after)
        lasting = {data for path, (_, data) in after.items() if before.get(path) == after[path]}
        for path in changed:
            if (old := before.get(path)) is None:
                continue
            if isinstance(old[1], bytes):
                self.produced[path, old[1]] += 1
                if old[1] in self.due and old[1] not in lasting:
                    self.due[old[1]] = Due.SOMEWHERE  # nobody had made durable that it is here
            if (new := after.get(path)) is None or new[0] is not old[0]:
                watched.removed[path] = self.world.now
                watched.reappeared.pop(path, None)
        for path in changed:
            new, old = after.get(path), before.get(path)
            if new is None or new[0] is not Kind.FILE or not isinstance(new[1], bytes):
                continue
            owed = self.due.get(new[1])
            self._wrote(device, path, new[1])
            if path in installed or (old is None and path not in watched.removed) or self._is_known_at(device, path):
                self._owe(new[1], owed)  # as if what did not last had never been done: it is wanted as before
            if new[1] not in held and new[1] in self.due:
                self.due[new[1]] = Due.SOMEWHERE  # torn, or old: a user has nothing of it
                device.files.node(path).ctime_ns += 1  # else nobody could see it
        self._touched(device, before, after, metadata)
        self._remember(device)

    def _is_known_at(self, device: Device, path: str) -> bool:
        """Whether its database says of `path` what is there, so that a crash is nothing that it could see."""
        local, node = device.store.local(path), device.files.node(path)
        return local is not None and local.inode == node.inode and local.content == self.name_of(bytes(node.data))

    def _owe(self, data: bytes, due: Due | None) -> None:
        if due is None:
            self.due.pop(data, None)
        else:
            self.due[data] = due

    def _touched(self, device: Device, before: Tree, after: Tree, metadata: dict[str, tuple[int, int]]) -> None:
        """Other permissions or another mtime, be it a user's or of a crash: a version with the same bytes."""
        for path, values in self._metadata(device).items():
            data = after[path][1]
            if isinstance(data, bytes) and before.get(path) == after[path] and metadata.get(path) != values:
                self.produced[path, data] += 1
                self.ended.discard((path, data))

    # -- devices

    def called(self, device: Device, operation: str, path: str) -> None:
        """A system call of ours is about to happen, so the one before has."""
        self.look(device)
        if path.startswith("/") or ".." in path.split("/"):
            self.convict(f"{device.name}: {operation} outside of the folder: {path!r}")
        if operation in CHANGING:
            if path.startswith(".swarm") and not path.startswith((TEMPS, HISTORY)):
                self.convict(f"{device.name}: {operation} of {path}")
            self._watched[device.name].pending = f"{operation} {path}"
        elif operation in ("write_at", "truncate") and not path.startswith(TEMPS):
            self.convict(f"{device.name}: {operation} at {path}, which is no temp")

    def look(self, device: Device) -> None:
        """What our last system call has done."""
        watched = self._watched[device.name]
        if watched.seen and not watched.pending:
            return
        pending, watched.pending = watched.pending, ""
        old_tree, old_kept, seen = watched.tree, watched.kept, watched.seen
        self._remember(device)
        if not seen:
            return
        contents = self._contents(watched.tree)
        for path, entry in watched.tree.items():
            if old_tree.get(path) == entry:
                continue
            kind, data = entry
            if path in watched.removed:
                watched.reappeared.setdefault(path, self.world.now)
            if kind is Kind.FILE and data not in self.written and not self._from_a_liar(data):
                self.convict(f"{device.name}: {pending} put bytes at {path} that no user wrote: {_name(data)}")
            if kind is Kind.SYMLINK and data not in self.targets and not self.lies:
                self.convict(f"{device.name}: {pending} made a link at {path} that no user made")
        lost = (set(self._contents(old_tree)) | old_kept) - set(contents) - watched.kept
        if pending.startswith(f"rename_noreplace {HISTORY}"):  # what was never visible becomes a temp again
            lost -= {data for _, data in _all_of(device.files, TEMPS).values() if isinstance(data, bytes)}
        for data in lost:
            if data in self.written and data in watched.visible:  # else it was a temp in its future place
                self.convict(f"{device.name}: {pending} lost {_name(data)}")

    def _from_a_liar(self, data: object) -> bool:
        return self.lies and isinstance(data, bytes) and data.startswith(b"lie")

    def installing(self, device: Device) -> None:
        self._watched[device.name].acted.clear()

    def installed(self, device: Device, done: OperationsDone) -> None:
        """Results of the installer, before the engine hears of them."""
        self.look(device)
        acted = self._watched[device.name].acted
        for result in done.results:
            path = result.operation.path
            if result.history and result.outcome is not Outcome.DONE:
                self._excuse(device, result.history)
                self._watched[device.name].removed[path] = self.world.now  # it had to stay there: the path is empty
            if result.outcome is not Outcome.DONE or any(path == a or path.startswith(a + "/") for a in acted):
                continue
            node = _durable(device.files, path)
            match result.operation:
                case InstallFile(content=content) | MoveFile(content=content):
                    # A user's own file may be moved: its bytes are durable when its user or the kernel made them so.
                    users = node is not None and node.inode in self._watched[device.name].users
                    if node is None or (self.name_of(node.image.data) != content and not users):
                        self.convict(f"{device.name}: {path} was reported as done and is not durable")
                case InstallLink() | MakeDirectory():
                    if node is None:
                        self.convict(f"{device.name}: {path} was reported as done and is not durable")
                case SetMetadata(expected=expected):
                    if expected.kind is Kind.FILE and (node is None or node.image.mode != node.mode):
                        self.convict(f"{device.name}: the mode of {path} was reported as set and is not durable")
                case Remove():
                    if node is not None:
                        self.convict(f"{device.name}: {path} was reported as removed and may come back")
            if result.history and _durable(device.files, result.history) is None:
                self.convict(f"{device.name}: {result.history} was reported as done and is not durable")

    def _excuse(self, device: Device, history: str) -> None:
        """A user was quicker: what had to stay in history counts there."""
        try:
            data = bytes(device.files.node(history).data)
        except OSError:
            return
        if data in self.due:
            self.due[data] = Due.SOMEWHERE

    def stepped(self, device: Device) -> None:
        """The engine committed: are the records that it signed just?"""
        assert device.folder is not None
        ledger = device.folder.ledger
        watched = self._watched[device.name]
        after = watched.signed.get(ledger.origin, 0)
        if ledger.seq <= after:
            return
        self.look(device)
        for record in device.store.records_after(ledger.origin, after, 1 << 20):
            if record.tombstone:
                self._check_deletion(device, watched, record.path)
            elif record.kind is Kind.FILE and not self._is_known(record.content):
                self.convict(f"{device.name} signed a version of {record.path} that no user wrote")
        watched.signed[ledger.origin] = ledger.seq

    def _check_deletion(self, device: Device, watched: Watched, path: str) -> None:
        if path in watched.dead:
            return
        when = watched.removed.get(path)
        if when is None:
            self.convict(f"{device.name} signed the deletion of {path}, which nobody there deleted")
        elif self.world.now - watched.reappeared.get(path, self.world.now) > REAPPEARED_SECONDS:
            self.convict(f"{device.name} signed the deletion of {path}, which has been there again")
        watched.dead.add(path)

    def _is_known(self, content: ContentId) -> bool:
        if content not in self._names.values():
            for data in self.written:
                self.name_of(data)
        return content in self._names.values() or self.lies

    def sent(self, device: Device, message: object) -> None:
        """A message left that device."""
        if isinstance(message, Introduce):
            for raw in message.introductions:
                introduction = parse_introduction(raw, self.world.keys)
                self.owners[introduction.origin] = introduction.device
        if self.doubles or not isinstance(message, Delta | Registers):
            return
        for raw in message.records:
            head = record_codec.peek(raw)
            if self.lies and self.owners.get(head.origin) not in {d.id for d in self.world.devices}:
                continue
            known = self.dots.setdefault((head.origin, head.seq), raw)
            if known != raw:
                self.convict(f"{device.name} sent a second record with dot {head.origin.hex()[:8]}:{head.seq}")

    # -- the end

    def lack_only_what_is_lost(self) -> bool:
        """Where a database was lost: a version that it had told of, and that its user wrote over before anybody had the
        bytes, is one that nobody can give, and that its author no longer knows to be his."""
        held = {self.name_of(data) for data in self._everywhere()}
        for device in self.world.devices:
            if device.folder is None:
                continue
            for path in device.folder.planner.needed_paths(1000):
                entry = device.folder.ledger.visible(path)
                if entry is None or entry.record is None or entry.record.content in held:
                    return False
        self.lost = self.agree()
        return self.lost

    def agree(self) -> bool:
        """Where somebody lied: whether all have the same index, and nothing more can be done on the disks."""
        statuses = [device.folder.status() for device in self.world.devices if device.folder is not None]
        return len({status.root for status in statuses}) == 1 and all(
            status.settled and not status.scanning and not status.holding and not status.health for status in statuses
        )

    def judge(self) -> None:
        """All faults are healed and the world has settled."""
        self._judge_trees()
        self._judge_contents()
        for device in self.world.devices:
            self._judge_index(device)
        if self.world.accusations and not self.lies:
            self.convict(f"an honest device was accused: {self.world.accusations[0]}")
        self._judge_silence()

    def _judge_trees(self) -> None:
        trees = {device.name: self._visible(device) for device in self.world.devices}
        [first, *others] = trees.items()
        for name, tree in others:
            if tree != first[1]:
                different = sorted(
                    path for path in tree.keys() | first[1].keys() if tree.get(path) != first[1].get(path)
                )
                path = different[0]
                self.convict(
                    f"{first[0]} and {name} say that they are identical and differ at {different}: "
                    f"{_shown(first[1].get(path))} and {_shown(tree.get(path))}"
                )
        for path, (_, data, _) in first[1].items():
            if isinstance(data, bytes) and data and (path, data) in self.ended and self.produced[path, data] == 1:
                self.convict(f"{path} is back with {_name(data)}, which a user took away")

    def _visible(self, device: Device) -> dict[str, tuple[Kind | None, bytes | str | None, int]]:
        """What all devices must agree on: names, contents, permissions of files."""
        assert device.folder is not None
        status = device.folder.status()
        cannot = {path for path, _ in status.cannot}
        traits = device.files.traits
        if cannot and traits.symlinks and not (traits.folds_case or traits.folds_unicode or self.lies):
            self.convict(f"{device.name} cannot have {status.cannot[0]}")
        rivals = any(d.files.traits.folds_case or d.files.traits.folds_unicode for d in self.world.devices)
        plain = any(not d.files.traits.symlinks for d in self.world.devices)
        found = {}
        tree = self._tree(device)
        unmet = self._unmet() if self.lies or self.lost else set()
        for path, (kind, data) in tree.items():
            if path in unmet:
                continue
            if rivals and self._has_rival(path):
                continue
            if plain and kind is Kind.SYMLINK:
                continue
            found[path] = (kind, data, device.files.node(path).mode if kind is Kind.FILE else 0)
        return found

    def _unmet(self) -> set[str]:
        """Paths for which somebody waits for what only a liar has."""
        return {
            path
            for device in self.world.devices
            if device.folder is not None
            for path in device.folder.planner.needed_paths(1000)
        }

    def _has_rival(self, path: str) -> bool:
        """Whether some device has a name that a folding disk takes for one on this path."""
        parts = path.split("/")
        for device in self.world.devices:
            assert device.folder is not None
            for register in device.store.registers():
                other = register[0].path
                others = other.split("/")
                for depth in range(1, min(len(parts), len(others)) + 1):
                    one, two = "/".join(parts[:depth]), "/".join(others[:depth])
                    if one != two and fold(one) == fold(two):
                        return True
        return False

    def _judge_contents(self) -> None:
        current = {data for device in self.world.devices for data in self._contents(self._tree(device))}
        histories = {data for device in self.world.devices for data in self._history(device)}
        for data, due in self.due.items():
            if data in current or (due is Due.SOMEWHERE and data in histories):
                continue
            where = "only in a history" if data in histories else "nowhere"
            self.convict(f"{_name(data)}, written by {self.origin_of[data]}, is {where}, and is due {due.value}")

    def _judge_index(self, device: Device) -> None:
        """What its index says of its disk is true."""
        assert device.folder is not None
        unmet = self._unmet() if self.lost else set()  # where what was deleted waits for what comes in its place
        for path, (kind, data) in self._tree(device).items():
            local = device.store.local(path)
            if local is None or local.kind is not kind:
                if device.folder.status().cannot_count:
                    continue
                self.convict(f"{device.name} does not know of {path}")
            elif isinstance(data, bytes) and local.content != self.name_of(data):
                self.convict(f"{device.name} takes {path} for another content than it has")
            elif local.copy_of == "" and kind is not Kind.DIRECTORY and not self.lies and path not in unmet:
                register = device.store.register(PathKey(device.folder.ledger.key_of(path)))
                if not any(record.content == local.content for record in register if not record.tombstone):
                    self.convict(f"{device.name} has {path} and no record of it")
        for peer, faults in device.folder.exchange.faults.items():
            # A State or Delta that was overtaken may look like that; on real streams none is.
            if faults and not (self.lies or self.doubles or self.overtaken):
                self.convict(f"{device.name} had the clock of {peer.hex()[:8]} and other roots")

    def _judge_silence(self) -> None:
        roots = [device.folder.status().root for device in self.world.devices if device.folder is not None]
        if len(set(roots)) != 1:
            self.convict("the roots differ")
        trees = [self._tree(device) for device in self.world.devices]
        said = dict(self.world.network.messages)
        noted = len(self.world.trace)
        self.world.run(QUIET_SECONDS)
        for kind, count in self.world.network.messages.items():
            if kind not in SPOKEN and count > said.get(kind, 0) and not self.lies:
                self.convict(f"no silence: {count - said.get(kind, 0)} times {kind}: {self.world.trace[noted:][:3]}")
        devices = len(self.world.devices)
        states = self.world.network.messages.get("State", 0) - said.get("State", 0)
        if states > devices * (devices - 1) * 8 and not self.lies:
            self.convict(f"no silence: {states} States")
        if any(device.folder.status().root != roots[0] for device in self.world.devices if device.folder is not None):
            self.convict("the roots changed although nobody did anything")
        if trees != [self._tree(device) for device in self.world.devices]:
            self.convict(f"files changed although nobody did anything: {self.world.trace[noted:][:3]}")

    # -- looking

    def name_of(self, data: bytes) -> ContentId:
        """The content id of these bytes."""
        known = self._names.get(data)
        if known is None:
            known = self._names[data] = content_of(self.world.keys.chunk_key(), data)
        return known

    def _remember(self, device: Device) -> None:
        watched = self._watched[device.name]
        watched.tree = self._tree(device)
        watched.kept = frozenset(self._history(device))
        watched.visible.update(self._contents(watched.tree))
        watched.seen = True
        watched.pending = ""

    def _tree(self, device: Device) -> Tree:
        return _all_of(device.files)

    def _metadata(self, device: Device) -> dict[str, tuple[int, int]]:
        nodes = {path: device.files.node(path) for path in device.tree()} if device.files._away is None else {}
        return {path: (node.mode, node.mtime_ns) for path, node in nodes.items()}

    def _contents(self, tree: Tree) -> list[bytes]:
        return [data for kind, data in tree.values() if kind is Kind.FILE and isinstance(data, bytes)]

    def _history(self, device: Device) -> set[bytes]:
        return {data for _, data in _all_of(device.files, HISTORY).values() if isinstance(data, bytes)}

    def _everywhere(self, but: Device | None = None) -> set[bytes]:
        found: set[bytes] = set()
        for device in self.world.devices:
            if device is not but:
                found |= set(self._contents(self._tree(device))) | self._history(device)
        return found


def content_of(chunk_key: bytes, data: bytes) -> ContentId:
    """The content id of a file with these bytes."""
    if not data:
        return EMPTY_CONTENT
    if len(data) <= MIN_CHUNK:
        return single_chunk_content(chunk_key, data)[0]
    size_class = size_class_for(len(data))
    chunks = tuple(Chunker(size_class).chunks(lambda at, n: data[at : at + n], len(data), chunk_key))
    return build(chunks, size_class).root


def _changed(before: Tree, after: Tree) -> list[str]:
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def _all_of(files: MemoryFileSystem, below: str = "") -> Tree:
    """What is on the disk, be it mounted or not."""
    disk = files._disk
    node: Node = disk.root
    for name in below.split("/") if below else ():
        if name not in node.entries:
            return {}
        node = node.entries[name].node
    away, files._away = files._away, None
    try:
        return files.tree(below, ours=bool(below))
    finally:
        files._away = away


def _durable(files: MemoryFileSystem, path: str) -> Node | None:
    """What would be at `path` after a power cut, whatever else."""
    node = files._disk.root
    for name in path.split("/"):
        entry = node.durable_entries.get(files._key(name))
        if entry is None:
            return None
        node = entry.node
    return node


def _durable_contents(files: MemoryFileSystem) -> set[bytes]:
    """Contents of files that somebody can see now, and that a power cut would leave whole under some name. Not those
    whose bytes happen to be in another file that last, and that a user has just removed."""
    seen = {node.inode for node in _files_below(files._disk.root, lambda node: node.entries)}
    durable = _files_below(files._disk.root, lambda node: node.durable_entries)
    return {node.image.data for node in durable if node.inode in seen and node.image.data == bytes(node.data)}


def _files_below(root: Node, entries: Callable[[Node], dict[str, Entry]]) -> Iterator[Node]:
    waiting = [root]
    while waiting:
        for _, node in entries(waiting.pop()).values():
            if node.kind is Kind.DIRECTORY:
                waiting.append(node)
            elif node.kind is Kind.FILE:
                yield node


def _name(data: object) -> str:
    if isinstance(data, bytes):
        return f"{data[:24]!r} ({len(data)} B)"
    return repr(data)


def _shown(entry: tuple[Kind | None, bytes | str | None, int] | None) -> str:
    return "nothing" if entry is None else f"{entry[0].name if entry[0] else '?'} {_name(entry[1])} {entry[2]:o}"
