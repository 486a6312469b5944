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

from collections import Counter, defaultdict
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from swarm.ids import ContentId, Kind
from swarm.index.paths import below_git
from swarm.sync.operation import InstallFile, InstallLink, MakeDirectory, MoveFile, Outcome, Remove, SetMetadata
from tests.simulation.claims import Claims
from tests.simulation.due import Due
from tests.simulation.judgement import Judgement
from tests.simulation.setback import TWICE, Setback
from tests.simulation.signatures import Signatures
from tests.simulation.watched import Watched
from tests.simulation.witness import (
    HISTORY,
    TEMPS,
    all_of,
    changed_paths,
    content_of,
    durable_node,
    local_at,
    named,
    node_at,
    ours_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swarm.sync.events import OperationsDone
    from swarm.sync.memory_files import MemoryFileSystem, Tree
    from swarm.sync.memory_store import MemoryStore
    from swarm.sync.operation import Operation
    from tests.simulation.device import Device
    from tests.simulation.world import World

CHANGING = frozenset(
    ("rename", "rename_noreplace", "exchange", "unlink", "rmdir", "link", "symlink", "mkdir", "create", "set_mtime")
)


class Conviction(AssertionError):
    """A promise was broken."""


@dataclass
class Oracle:
    """One world's judge."""

    world: World
    lies: bool = False  # somebody lies: accusations and repaired indexes are as they should be, overwriting is history
    doubles: bool = False  # an index was brought back from an old copy: a dot may have been used twice
    lossy: bool = False  # power, or whoever wrote late, took what somebody may wait for
    overtaken: bool = False  # messages of one session came in another order
    lost: bool = False  # somebody waits for what nobody has any more, because an index was lost
    written: set[bytes] = field(default_factory=set)  # every content that a user ever had at a path
    targets: set[str] = field(default_factory=set)  # of symlinks
    due: dict[bytes, Due] = field(default_factory=dict)
    origin_of: dict[bytes, str] = field(default_factory=dict)  # content -> who wrote it where
    ended: set[tuple[str, bytes]] = field(default_factory=set)  # (path, content) that a user took away
    produced: Counter[tuple[str, bytes]] = field(default_factory=Counter)
    twins: bool = False  # one machine was copied, and both run
    changing: int = 0  # system calls of ours that change something
    claims: Claims = field(init=False)
    _takers: defaultdict[tuple[str, bytes], set[str]] = field(default_factory=lambda: defaultdict(set))  # who ended it
    _watched: dict[str, Watched] = field(default_factory=dict)
    _names: dict[bytes, ContentId] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.claims = Claims(self)
        self._watched = {device.name: Watched() for device in self.world.devices}

    def watched(self, device: Device) -> Watched:
        return self._watched[device.name]

    def cloned(self, device: Device, twin: Device, noticed: bool = False) -> None:
        """`twin` is a copy of the machine: what a user did there and nobody has told yet, both may tell."""
        self.look(device)
        self.twins = True
        self._watched[twin.name] = replace(deepcopy(self._watched[device.name]), acted=set(), took=set(), taken={})
        if not noticed:
            self.may_double(twin.store, twin)
        Setback(self, twin).tells_anew(noticed)

    def convict(self, why: str) -> None:
        raise Conviction(f"at {self.world.now - 1000:.3f}: {why}")

    # -- users

    @contextmanager
    def user(self, device: Device) -> Iterator[None]:
        """What is done within it, a user does (or a crash, or whatever else is not ours)."""
        self.look(device)
        before, metadata, inodes = self.tree(device), self.metadata(device), self._inodes(device)
        try:
            yield
        finally:
            after = self.tree(device)
            moved = self._inodes(device) - inodes  # be it the same bytes in another file
            self._watched[device.name].users |= {inode for _, inode in moved}
            for path, _ in moved:
                if isinstance(data := after[path][1], bytes):
                    self._watched[device.name].made(path, data)
            self._acted(device, before, after)
            for path, _ in moved:
                self._renamed_over_its_like(device, path, before.get(path), after[path])
            self.touched(device, before, after, metadata)
            self.remember(device)

    def _acted(self, device: Device, before: Tree, after: Tree) -> None:
        watched = self._watched[device.name]
        now = self.world.now
        # Where a user put it and none took it away: a conflict copy of a version goes when that is written over.
        present = {
            data
            for path, (_, data) in after.items()
            if isinstance(data, bytes) and self.produced[path, data] and (path, data) not in self.ended
        }
        changed = changed_paths(before, after)
        watched.acted.update(changed)
        for path in changed:  # what went first: of a rename it comes again
            if (old := before.get(path)) is None:
                continue
            kind, data = old
            if kind is Kind.FILE and isinstance(data, bytes):
                self.ended.add((path, data))
                watched.taken[path, data] = now
                self._takers[path, data].add(device.name)
                watched.took.add((path, data))
                if device.folder is None and path in watched.doubted:
                    # The run that ended had this path, and the next one cannot tell its deed from the user's: what has
                    # gone is put there again, and what was written over is beside the new version, be it only in need.
                    self.produced[path, data] += TWICE
                    self.lossy |= data not in self.everywhere()
                if data not in present:
                    self.due.pop(data, None)
                elif "(conflict " in path and data in self.due:
                    self.due[data] = Due.SOMEWHERE  # its copy was refused, while the register's own name had it
                elif data in self.due and all(self._may_go(at) for at, (_, held) in after.items() if held == data):
                    self.due[data] = Due.SOMEWHERE
            if (new := after.get(path)) is None or new[0] is not kind:
                watched.removed[path] = now
                watched.reappeared.pop(path, None)
        for path in changed:
            if (new := after.get(path)) is None:
                continue
            kind, data = new
            watched.users.add(node_at(device.files, path).inode)
            if kind is Kind.FILE and isinstance(data, bytes):
                over = self._is_back_in_vain(device, path, data)
                self.wrote(device, path, data)
                if over:
                    self.due.pop(data, None)
            elif isinstance(data, str):
                self.targets.add(data)

    def _may_go(self, path: str) -> bool:
        """Whether what is there goes with what loses or is written over elsewhere: below .git a loser is hidden, and
        that somebody touched a conflict copy may not have been seen when it goes."""
        return below_git(path) or "(conflict " in path

    def _is_back_in_vain(self, device: Device, path: str, data: bytes) -> bool:
        """Whether a file has gone and come back, untouched and before its device took it for gone, and somebody else
        has written over it or deleted it meanwhile: who renames there and back has changed nothing."""
        if not self._takers[path, data] - {device.name}:
            return False
        local, node = local_at(device.store, path), node_at(device.files, path)
        return local is not None and (local.inode, local.mtime_ns, local.mode) == (node.inode, node.mtime_ns, node.mode)

    def _renamed_over_its_like(self, device: Device, path: str, before: object, after: tuple[object, object]) -> None:
        """Another file with the same bytes is there: its user wants them here, whoever took away those before."""
        if before == after and isinstance(after[1], bytes):
            self._stated_anew(path, after[1])

    def _stated_anew(self, path: str, data: bytes) -> None:
        """It was there already, and if nobody had written it there, it is a conflict copy: now there are two of it."""
        self.produced[path, data] = max(1, self.produced[path, data])
        self._again(path, data)

    def _again(self, path: str, data: bytes) -> None:
        self.ended.discard((path, data))
        self._takers.pop((path, data), None)
        self.produced[path, data] += 1

    def wrote(self, device: Device, path: str, data: bytes) -> None:
        self.written.add(data)
        self._watched[device.name].made(path, data)
        self._again(path, data)
        if data:
            somewhere = below_git(path) or self.lies or (self.twins and self.claims.is_doubled(device))
            self.due[data] = Due.SOMEWHERE if somewhere else Due.CURRENT
            self.origin_of.setdefault(data, f"{device.name} at {path}, {self.world.now - 1000:.3f}")

    def wrote_late(self, device: Device, before: bytes, data: bytes, inode: int) -> None:
        """Through a handle that was opened before its file was displaced: it may land in history, and where late writes
        are looked for, it comes back. What a user had put into that file before is written over, wherever it is."""
        self.written.add(data)
        if before != data and before not in self.everywhere():
            self.due.pop(before, None)
            self.lossy = True  # somebody may wait for that version, and nobody has it any more
        if data and self.due.get(data) is not Due.CURRENT:
            comes_back = device.looks_late and device.folder is not None and not self._is_below_git(device, inode)
            self.due[data] = Due.CURRENT if comes_back else Due.SOMEWHERE
            self.origin_of.setdefault(data, f"{device.name} through a handle, {self.world.now - 1000:.3f}")

    def _is_below_git(self, device: Device, inode: int) -> bool:
        """Where a file more would break a repository, late writes stay in history."""
        return any(
            below_git(path.removeprefix(f"{HISTORY}/")) and node_at(device.files, path).inode == inode
            for path in all_of(device.files, HISTORY)
        )

    def forgot(self, device: Device) -> None:
        Setback(self, device).forgot()

    @contextmanager
    def crash(self, device: Device) -> Iterator[None]:
        with Setback(self, device).crash():
            yield

    def touched(self, device: Device, before: Tree, after: Tree, metadata: dict[str, tuple[int, int]]) -> None:
        """Other permissions or another mtime, be it a user's or of a crash: a version with the same bytes."""
        for path, values in self.metadata(device).items():
            data = after[path][1]
            if isinstance(data, bytes) and before.get(path) == after[path] and metadata.get(path) != values:
                self._watched[device.name].made(path, data)
                self._stated_anew(path, data)

    # -- devices

    def called(self, device: Device, operation: str, path: str) -> None:
        """A system call of ours is about to happen, so the one before has."""
        self.look(device)
        if path.startswith("/") or ".." in path.split("/"):
            self.convict(f"{device.name}: {operation} outside of the folder: {path!r}")
        if operation in CHANGING:
            self.changing += 1
            if path.startswith(".swarm") and not path.startswith((TEMPS, HISTORY)):
                self.convict(f"{device.name}: {operation} of {path}")
            self._watched[device.name].pending = f"{operation} {path}"
        elif operation in ("write_at", "truncate") and not path.startswith(TEMPS):
            self.convict(f"{device.name}: {operation} at {path}, which is no temp")
        elif operation in ("write_at", "truncate") and not _is_only_name(device.files, path):
            self._watched[device.name].pending = f"{operation} {path}"  # through a handle, to what may be seen by now

    def look(self, device: Device) -> None:
        """What our last system call has done."""
        watched = self._watched[device.name]
        if watched.seen and not watched.pending:
            return
        pending, watched.pending = watched.pending, ""
        old_tree, old_kept, old_ours, seen = watched.tree, watched.kept, watched.ours, watched.seen
        self.remember(device)
        watched.displaced = watched.kept - old_kept
        if not seen:
            return
        if ours_of(device.files) != old_ours:
            self.convict(f"{device.name}: {pending} changed what is none of ours to change below .swarm")
        contents = self.contents(watched.tree)
        for path, entry in watched.tree.items():
            if old_tree.get(path) == entry:
                continue
            kind, data = entry
            if path in watched.removed:
                watched.reappeared.setdefault(path, self.world.now)
            if kind is Kind.FILE and data not in self.written and not self.is_from_a_liar(data):
                self.convict(f"{device.name}: {pending} put bytes at {path} that no user wrote: {named(data)}")
            if isinstance(data, bytes) and data and (path, data) in watched.taken and self._ended(path, data):
                self.convict(
                    f"{device.name}: {pending} brought {path} back with {named(data)}, which its user took away"
                )
            if kind is Kind.SYMLINK and data not in self.targets and not self.lies:
                self.convict(f"{device.name}: {pending} made a link at {path} that no user made")
        lost = (set(self.contents(old_tree)) | old_kept) - set(contents) - watched.kept
        if pending.startswith(f"rename_noreplace {HISTORY}"):  # what was never visible becomes a temp again
            lost -= {data for _, data in all_of(device.files, TEMPS).values() if isinstance(data, bytes)}
        for data in lost:
            if data in self.written and data in watched.visible:  # else it was a temp in its future place
                self.convict(f"{device.name}: {pending} lost {named(data)}")

    def _ended(self, path: str, data: bytes) -> bool:
        """Whether nobody wrote that again, since a user took it away."""
        return (path, data) in self.ended and self.produced[path, data] == 1 and not self.lies

    def is_from_a_liar(self, data: object) -> bool:
        return self.lies and isinstance(data, bytes) and data.startswith(b"lie")

    def installing(self, device: Device) -> None:
        self._watched[device.name].acted.clear()
        self._watched[device.name].took.clear()

    def installed(self, device: Device, done: OperationsDone) -> None:
        """Results of the installer, before the engine hears of them."""
        self.look(device)
        acted = self._watched[device.name].acted
        for result in done.results:
            path = result.operation.path
            if isinstance(result.operation, MoveFile):  # with what a user did to it a moment ago
                for at, data in list(self._watched[device.name].versions):
                    if at == result.operation.source:
                        self._watched[device.name].made(path, data)
            if result.outcome is Outcome.RACED:
                self._excuse_shown(device, result.operation)
            elif result.history and isinstance(result.operation, InstallFile):
                self._excuse_respelled(device, path, result.history)
            if result.history and result.outcome is not Outcome.DONE:
                self._excuse(device, result.history)
                shown = self.tree(device).get(path, (None, None))[1]
                if isinstance(shown, bytes):  # whoever finds it there cannot tell who put it there
                    self._watched[device.name].made(path, shown)
                self._watched[device.name].removed[path] = self.world.now  # it had to stay there: the path is empty
            if result.outcome is not Outcome.DONE or any(_leads_through(device.files, path, one) for one in acted):
                continue
            node = durable_node(device.files, path)
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
            if result.history and durable_node(device.files, result.history) is None:
                self.convict(f"{device.name}: {result.history} was reported as done and is not durable")

    def _excuse(self, device: Device, history: str) -> None:
        """A user was quicker: what had to stay in history counts there."""
        try:
            kept = {bytes(node_at(device.files, history).data)}
        except OSError:
            return
        kept |= {
            data for _, data in all_of(device.files, history).values() if isinstance(data, bytes)
        }  # of a directory
        for data in kept & self.due.keys():
            self.due[data] = Due.SOMEWHERE

    def _excuse_shown(self, device: Device, operation: Operation) -> None:
        """A user was quicker twice: wrote to what was there before, and took away or wrote over what was to be seen
        between two exchanges, the new file. What stays visible is a version beside the new one: who can say which was
        meant?"""
        if isinstance(operation, InstallFile) and device.files.traits.exchange:
            for path, data in self._watched[device.name].took:
                if path == operation.path and self.name_of(data) == operation.content:
                    self.produced[path, data] += TWICE

    def _excuse_respelled(self, device: Device, path: str, history: str) -> None:
        """A user respelled the name between our look and our exchange. A disk that folds names takes both for one: the
        new version has the new spelling now, as if they had been a moment later, which nobody can tell apart."""
        watched = self._watched[device.name]
        for at in watched.acted - {path}:
            is_one = at.count("/") == path.count("/") and _leads_through(device.files, path, at)
            shown = watched.tree.get(at, (None, None))[1]
            if is_one and isinstance(shown, bytes) and any(path == one for one, _ in watched.took):
                watched.made(at, shown)
                self._excuse(device, history)

    def stepped(self, device: Device) -> None:
        """The engine committed: are the records that it signed just?"""
        assert device.folder is not None
        planner = device.folder.planner
        self._watched[device.name].given = {*planner.busy, *planner._sources, *planner._unsettled}
        Signatures(self, device).judge()

    # -- what is said

    def may_double(self, store: MemoryStore, device: Device) -> None:
        """A database that was copied, or brought back, without a trace: its life is led twice."""
        self.doubles = True
        self.claims.may_double(store, device)

    def sent(self, device: Device, message: object) -> None:
        """A message left that device."""
        self.claims.sent(device, message)

    def served(self, device: Device, event: object) -> None:
        """Content left that device."""
        self.claims.served(device, event)

    # -- the end

    def lack_only_what_is_lost(self) -> bool:
        return Judgement(self).lack_only_what_is_lost()

    def agree(self) -> bool:
        return Judgement(self).agree()

    def judge(self) -> None:
        Judgement(self).judge()

    # -- looking

    def name_of(self, data: bytes) -> ContentId:
        """The content id of these bytes."""
        known = self._names.get(data)
        if known is None:
            known = self._names[data] = content_of(self.world.keys.chunk_key(), data)
        return known

    def is_known(self, content: ContentId) -> bool:
        """Whether a user wrote that, or a liar may have."""
        if content not in self._names.values():
            for data in self.written:
                self.name_of(data)
        return content in self._names.values() or self.lies

    def remember(self, device: Device) -> None:
        watched = self._watched[device.name]
        watched.tree = self.tree(device)
        watched.kept = frozenset(self.history(device))
        watched.ours = ours_of(device.files)
        watched.visible.update(self.contents(watched.tree))
        watched.seen = True
        watched.pending = ""

    def tree(self, device: Device) -> Tree:
        return all_of(device.files)

    def metadata(self, device: Device) -> dict[str, tuple[int, int]]:
        nodes = {path: node_at(device.files, path) for path in self.tree(device)}
        return {path: (node.mode, node.mtime_ns) for path, node in nodes.items()}

    def _inodes(self, device: Device) -> set[tuple[str, int]]:
        return {(path, node_at(device.files, path).inode) for path in self.tree(device)}

    def contents(self, tree: Tree) -> list[bytes]:
        return [data for kind, data in tree.values() if kind is Kind.FILE and isinstance(data, bytes)]

    def history(self, device: Device) -> set[bytes]:
        return {data for _, data in all_of(device.files, HISTORY).values() if isinstance(data, bytes)}

    def everywhere(self, but: Device | None = None) -> set[bytes]:
        found: set[bytes] = set()
        for device in self.world.devices:
            if device is not but:
                found |= set(self.contents(self.tree(device))) | self.history(device)
        return found


def _leads_through(files: MemoryFileSystem, path: str, other: str) -> bool:
    """Whether `other` is that path or one above it, on a disk that may take different names for one."""
    there, others = path.split("/"), other.split("/")
    return [files._key(name) for name in there[: len(others)]] == [files._key(name) for name in others]


def _is_only_name(files: MemoryFileSystem, path: str) -> bool:
    """Whether the file at `path` has that name and no other."""
    try:
        with files.as_user():
            return files.node(path).links == 1
    except OSError:
        return False
