"""The disk below the file system in memory: inodes, what of them is durable, and what a crash may leave.

The page cache is what every call sees: `Node.entries`, `Node.data`. Beside it stands the durable image. A change of
names waits in `pending` until its directory is synced; a change of content waits until its file is. A crash keeps
any legal rest of what waits, following Pillai et al., "All File Systems Are Not Created Equal" (OSDI 2014):

- every change of names survives whole or not at all, a rename and an exchange included;
- a change survives only if the changes that it builds on do: those of the same name or of the same inode, and, for a
  move, those of the directories on its way. Others may survive in any order;
- of a file, each block of 4096 bytes is old, new or zero, its size, mode and mtime each old or new;
- a durable name in a directory whose own name is lost is lost with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from swarm.ids import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

BLOCK = 4096  # bytes; what a disk writes in one piece
MAX_PENDING = 4096  # changes of names; the oldest half is written back beyond it, as every kernel does in time


class Random(Protocol):
    """What a crash draws from; `random.Random` is one."""

    def random(self) -> float:
        """In [0, 1)."""
        ...


class Image(NamedTuple):
    """What of a file is durable."""

    data: bytes = b""
    mode: int = 0o600
    mtime_ns: int = 0


NOTHING = Image()


class Entry(NamedTuple):
    """A name in a directory. Kept under its key, which is the name folded as the file system folds."""

    name: str
    node: Node


@dataclass(slots=True, eq=False)
class Node:
    """An inode. Compared by identity."""

    kind: Kind | None  # None: a FIFO or the like
    inode: int
    mode: int
    mtime_ns: int
    ctime_ns: int
    device: int = 1
    data: bytearray = field(default_factory=bytearray)
    target: str = ""  # of a symlink
    attributes: dict[str, bytes] = field(default_factory=dict)  # what copy_traits copies
    entries: dict[str, Entry] = field(default_factory=dict)  # of a directory
    parent: Node | None = None  # of a directory
    links: int = 0
    image: Image = NOTHING
    durable_entries: dict[str, Entry] = field(default_factory=dict)
    forgotten: bool = False  # a sync failed, and what it should have written counts as written since

    def sync(self) -> None:
        if not self.forgotten:
            self.image = Image(bytes(self.data), self.mode, self.mtime_ns)


class Setting(NamedTuple):
    """What one name is after a change; None: nothing."""

    directory: Node
    key: str
    entry: Entry | None


@dataclass(frozen=True, slots=True)
class Change:
    """One system call that changed names."""

    settings: tuple[Setting, ...]
    touched: frozenset[object]  # the names (directory, key) and the inodes that it is about
    needs: frozenset[object]  # what it builds on, of what earlier changes touched


class Disk:
    """The inodes below one root."""

    def __init__(self, now_ns: int, device: int = 1) -> None:
        self._inodes = 1
        self.device = device
        self.used = 0  # bytes in files that have a name
        self.root = Node(Kind.DIRECTORY, 2, 0o755, now_ns, now_ns, device, links=1)
        self.pending: list[Change] = []

    def make(self, kind: Kind | None, mode: int, now_ns: int, target: str = "") -> Node:
        """A new inode without a name. Its number has never been used before."""
        self._inodes += 1
        node = Node(kind, self._inodes + 1, mode, now_ns, now_ns, self.device, target=target)
        node.sync()
        return node

    def apply(self, *settings: Setting) -> None:
        """Changes names in the page cache, all at once; durable later."""
        touched: set[object] = set()
        before = [setting.directory.entries.get(setting.key) for setting in settings]
        for directory, key, entry in settings:
            touched.add((directory, key))
            if entry is None:
                directory.entries.pop(key, None)
                continue
            directory.entries[key] = entry
            touched.add(entry.node)
            entry.node.links += 1
            if entry.node.links == 1:
                self.used += len(entry.node.data)
            if entry.node.kind is Kind.DIRECTORY:
                entry.node.parent = directory
        for old in before:
            if old is not None:
                touched.add(old.node)
                old.node.links -= 1
                if old.node.links == 0:
                    self.used -= len(old.node.data)
        needs = touched.union(*(self._emptied(old.node) for old in before if old is not None and not old.node.links))
        if len(settings) > 1:
            needs = needs.union(*(_way(setting.directory) for setting in settings))
        self.pending.append(Change(settings, frozenset(touched), frozenset(needs)))
        if len(self.pending) > MAX_PENDING:
            self._settle(self.pending[: MAX_PENDING // 2])
            del self.pending[: MAX_PENDING // 2]

    def _emptied(self, directory: Node) -> set[object]:
        """The names that left a directory which goes: no disk lets it go before them."""
        return {
            (place, key)
            for change in self.pending
            for place, key, entry in change.settings
            if place is directory and entry is None
        }

    def sync_directory(self, directory: Node) -> None:
        """The names in `directory` become durable, and with them only what they build on."""
        wanted: set[object] = set()
        chosen: list[Change] = []
        rest: list[Change] = []
        for change in reversed(self.pending):
            here = any(setting.directory is directory for setting in change.settings)
            if here or not wanted.isdisjoint(change.touched):
                wanted |= change.needs
                chosen.append(change)
            else:
                rest.append(change)
        self._settle(reversed(chosen))
        self.pending = rest[::-1]
        directory.sync()

    def sync_all(self) -> None:
        self._settle(self.pending)
        self.pending = []
        for node in _below(self.root):
            node.sync()

    def renumber(self, inodes: int = 0, device: int = 0, now_ns: int = 0) -> None:
        """As after a copy of everything, which makes new inodes at `now_ns`, and as after a mount under another number.
        All must be durable, else what was in a directory before is not among what is renumbered."""
        self.device = device or self.device
        self._inodes += inodes
        for node in dict.fromkeys(_below(self.root)):  # each once, by whatever names
            node.device = self.device
            node.inode += inodes
            node.ctime_ns = now_ns or node.ctime_ns

    def crash(self, rng: Random) -> None:
        """The power fails and comes back: what was durable stays, of the rest any legal part."""
        lost: set[object] = set()
        for change in self.pending:
            if lost.isdisjoint(change.needs) and rng.random() < 0.5:
                self._settle((change,))
            else:
                lost |= change.touched
        self.pending = []
        self._reload(rng)

    def _settle(self, changes: Iterable[Change]) -> None:
        for change in changes:
            for directory, key, entry in change.settings:
                if entry is None:
                    directory.durable_entries.pop(key, None)
                else:
                    directory.durable_entries[key] = entry

    def _reload(self, rng: Random) -> None:
        self.used = 0
        seen: set[Node] = set()
        waiting = [self.root]
        while waiting:
            directory = waiting.pop()
            directory.entries = dict(directory.durable_entries)
            for _, node in directory.entries.values():
                if node not in seen:
                    seen.add(node)
                    node.links = 0
                    _tear(node, rng)
                    self.used += len(node.data)
                    if node.kind is Kind.DIRECTORY:
                        node.parent = directory
                        waiting.append(node)
                node.links += 1


def _way(directory: Node | None) -> set[object]:
    """A directory and all above it: moving something there builds on where they are. Else a lost move of a directory
    and a surviving one into it could make a ring that nothing leads to."""
    way: set[object] = set()
    while directory is not None:
        way.add(directory)
        directory = directory.parent
    return way


def _below(root: Node) -> list[Node]:
    found = [root]
    for node in found:  # grows while it is walked
        found.extend(entry.node for entry in node.entries.values())
    return found


def _tear(node: Node, rng: Random) -> None:
    """What a crash leaves of a file that may not have been synced."""
    old, new = node.image, Image(bytes(node.data), node.mode, node.mtime_ns)
    if old == new:
        return
    data = bytearray()
    for start in range(0, max(len(old.data), len(new.data)), BLOCK):
        before, after = old.data[start : start + BLOCK], new.data[start : start + BLOCK]
        if before == after:
            data += after
            continue
        drawn = rng.random()
        piece = after if drawn < 0.5 else before if drawn < 0.8 else b""
        data += piece.ljust(max(len(before), len(after)), b"\0")
    size = len(new.data if rng.random() < 0.5 else old.data)
    node.data = data[:size]
    node.mode = (new if rng.random() < 0.5 else old).mode
    node.mtime_ns = (new if rng.random() < 0.5 else old).mtime_ns
    node.sync()
