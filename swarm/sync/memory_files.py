"""The FileSystem port in memory: the same answers as a disk, at the caller's time, with faults, crashes and quirks.

For tests and the simulator. Time comes from `now`, so that two runs agree to the last nanosecond. `traits` makes it a
FAT, an HFS+ or an old kernel. `before(operation, path)` is called ahead of every system call, named as the port's
method: it may raise OSError in its place, or do what a user might do at that very moment (inside `as_user`). What a
crash leaves is `swarm.sync.memory_disk`'s matter.

Unlike a disk it knows no umask, no owner, and of permissions only that what lacks 0o400 cannot be read.
"""

from __future__ import annotations

import errno
import unicodedata
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from swarm.ids import Kind
from swarm.index.paths import compose
from swarm.sync.files import OURS, Stat, Traits
from swarm.sync.memory_disk import Disk, Entry, Node, Random, Setting
from swarm.sync.memory_open_file import MemoryReader, MemoryWriter, fail, stat_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NO_MODES = 0o777  # of everything, where a file system has no permission bits
MAX_NAME = 255  # bytes, as everywhere on Linux

# The root is gone; its disk fails; its mount point lies bare; or it was put aside, and who has it open still has it.
Away = Literal["missing", "broken", "empty", "aside"]
Tree = dict[str, tuple[Kind | None, bytes | str | None]]  # path -> kind, and content, or target, or None


class MemoryFileSystem:
    """`now`: nanoseconds. `capacity`: bytes of content that fit."""

    def __init__(
        self,
        now: Callable[[], int],
        traits: Traits | None = None,
        capacity: int = 1 << 40,
        before: Callable[[str, str], None] | None = None,
    ) -> None:
        self.now = now
        self.traits = traits or Traits()
        self.capacity = capacity
        self.before = before
        self.crashes = 0
        self._disk = Disk(now())
        self._bare = Disk(now(), device=2)  # the mount point, when nothing is mounted on it
        self._away: Away | None = None

    # The world around: users, power, cables.

    @contextmanager
    def as_user(self) -> Iterator[None]:
        """Within it the port's methods are a user's: `before` is not called."""
        hook, self.before = self.before, None
        try:
            yield
        finally:
            self.before = hook

    def write_file(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """As `open(path, "wb")`: in place where the file is, with its directories where it is not."""
        with self.as_user():
            parent = ""
            for name in path.split("/")[:-1]:
                parent = f"{parent}/{name}" if parent else name
                if self._entry(parent) is None:
                    self.mkdir(parent, 0o755)
            file = self.create(path, mode) if self._entry(path) is None else self.reopen(path)
            file.truncate(0)
            file.write_at(0, data)

    def read_file(self, path: str) -> bytes:
        with self.as_user():
            return self.open(path).read_at(0, 1 << 62)

    def make_fifo(self, path: str) -> None:
        self._add(path, self._current.make(None, 0o644, self.now()))

    def remove(self, path: str) -> None:
        """As `rm -r`."""
        with self.as_user():
            if self.node(path).kind is not Kind.DIRECTORY:
                self.unlink(path)
                return
            for name in self.list(path):
                self.remove(f"{path}/{name}")
            self.rmdir(path)

    def tree(self, path: str = "", ours: bool = False) -> Tree:
        """Everything below `path`; what is below our own directory only if asked for."""
        found: Tree = {}
        for name, node in self._directory(path).entries.values():
            if name == OURS and not ours:
                continue
            below = f"{path}/{name}" if path else name
            match node.kind:
                case Kind.FILE:
                    found[below] = (node.kind, bytes(node.data))
                case Kind.SYMLINK:
                    found[below] = (node.kind, node.target)
                case Kind.DIRECTORY:
                    found[below] = (node.kind, None)
                    found.update(self.tree(below, ours))
                case None:
                    found[below] = (None, None)
        return found

    def crash(self, rng: Random) -> None:
        """The power fails and comes back. Every open file is lost with the process that had it."""
        self.crashes += 1
        self._disk.crash(rng)

    def unmount(self, how: Away = "missing") -> None:
        self._away = how

    def mount(self) -> None:
        self._away = None

    @contextmanager
    def opened_anew(self) -> Iterator[None]:
        """Within it the root is what its path leads to now, where it was put aside."""
        away = self._away
        if away == "aside":
            self._away = "empty"
        try:
            yield
        finally:
            self._away = away

    def tree_of_bare(self) -> Tree:
        """What lies where the folder's disk is not."""
        away, self._away = self._away, "empty"
        try:
            return self.tree("", ours=True)
        finally:
            self._away = away

    def mount_below(self, path: str) -> None:
        """Something else is mounted on the directory at `path` from now on."""
        self.node(path).device = 3

    # For open files of this module.

    def enter(self, operation: str, path: str) -> None:
        if self.before is not None:
            self.before(operation, path)
        if self._away == "missing":
            fail(errno.ENOENT, path)
        if self._away == "broken":
            fail(errno.EIO, path)

    def resize(self, node: Node, size: int, path: str) -> None:
        node.forgotten = False
        growth = size - len(node.data)
        if growth > 0 and self._current.used + growth > self.capacity:
            fail(errno.ENOSPC, path)
        if growth > 0:
            node.data += bytes(growth)
        else:
            del node.data[size:]
        if node.links:
            self._current.used += growth
        self.change(node, mtime_ns=self.now())

    def change(self, node: Node, mode: int | None = None, mtime_ns: int | None = None) -> None:
        node.ctime_ns = self.now()
        if mode is not None and self.traits.modes:
            node.mode = mode & 0o777
        if mtime_ns is not None:
            node.mtime_ns = mtime_ns - mtime_ns % self.traits.mtime_granularity_ns

    # Resolving.

    @property
    def _current(self) -> Disk:
        return self._bare if self._away == "empty" else self._disk

    def _mode(self, mode: int) -> int:
        return mode & 0o777 if self.traits.modes else NO_MODES

    def _key(self, name: str) -> str:
        if self.traits.trims:
            name = name.rstrip(". ")
        if self.traits.folds_case:
            name = name.casefold()
        return unicodedata.normalize("NFC", name) if self.traits.folds_unicode else name

    def _directory(self, path: str) -> Node:
        here = self._current.root
        if not path:
            return here
        for name in path.split("/"):
            if name in ("", ".", "..") or "\0" in name:
                fail(errno.EINVAL, path)
            if len(name.encode("utf-8", "surrogateescape")) > MAX_NAME:
                fail(errno.ENAMETOOLONG, path)
            entry = here.entries.get(self._key(name))
            if entry is None:
                fail(errno.ENOENT, path)
            if entry.node.kind is Kind.SYMLINK:
                fail(errno.ELOOP, path)
            if entry.node.kind is not Kind.DIRECTORY:
                fail(errno.ENOTDIR, path)
            here = entry.node
            if here.device != self._current.device:
                fail(errno.EXDEV, path)
        return here

    def _place(self, path: str) -> tuple[Node, str]:
        """(parent, name)"""
        parent, _, name = path.rpartition("/")
        if name in ("", ".", "..") or "\0" in name or path.startswith("/"):
            fail(errno.EINVAL, path)
        directory = self._directory(parent)
        if len(name.encode("utf-8", "surrogateescape")) > MAX_NAME:
            fail(errno.ENAMETOOLONG, path)
        if self.traits.decomposes:
            name = compose(name)
        return directory, name.rstrip(". ") if self.traits.trims else name

    def _entry(self, path: str) -> Entry | None:
        directory, name = self._place(path)
        return directory.entries.get(self._key(name))

    def node(self, path: str) -> Node:
        """What is at `path`, the root included."""
        return self._named(path) if path else self._current.root

    def _named(self, path: str) -> Node:
        entry = self._entry(path)
        if entry is None:
            fail(errno.ENOENT, path)
        return entry.node

    def _set(self, *settings: tuple[Node, str, Node | None]) -> None:
        """Changes names at once, and the times of the directories and inodes concerned."""
        for directory, _, node in settings:
            self.change(directory, mtime_ns=self.now())
            if node is not None:
                node.ctime_ns = self.now()
        self._current.apply(
            *(
                Setting(directory, self._key(name), None if node is None else Entry(name, node))
                for directory, name, node in settings
            )
        )

    def _add(self, path: str, node: Node) -> None:
        directory, name = self._place(path)
        _must_be_text(name)
        if self._key(name) in directory.entries:
            fail(errno.EEXIST, path)
        self._set((directory, name, node))

    # The port: looking.

    def stat(self, path: str) -> Stat:
        self.enter("stat", path)
        node = self.node(path)
        if node.device != self._current.device:
            fail(errno.EXDEV, path)
        return stat_of(node)

    def list(self, path: str) -> list[str]:
        self.enter("list", path)
        return [name for name, _ in self._readable(path).entries.values()]

    def scan(self, path: str) -> dict[str, Stat]:
        self.enter("scan", path)
        found = {}
        for name, node in self._readable(path).entries.values():
            seen = stat_of(node)
            if node.device != self._current.device:
                seen = Stat(None, 0, seen.mode, seen.mtime_ns, seen.ctime_ns, seen.inode, seen.device)
            found[name] = seen
        return found

    def _readable(self, path: str) -> Node:
        directory = self._directory(path)
        if not directory.mode & 0o400:
            fail(errno.EACCES, path)
        return directory

    def read_link(self, path: str) -> str:
        self.enter("read_link", path)
        node = self._named(path)
        if node.kind is not Kind.SYMLINK:
            fail(errno.EINVAL, path)
        return node.target

    def free_bytes(self) -> int:
        self.enter("free_bytes", "")
        return max(0, self.capacity - self._current.used)

    # The port: opening.

    def open(self, path: str) -> MemoryReader:
        self.enter("open", path)
        return MemoryReader(self, self._regular(path), path)

    def reopen(self, path: str) -> MemoryWriter:
        self.enter("reopen", path)
        return MemoryWriter(self, self._regular(path), path)

    def _regular(self, path: str) -> Node:
        node = self._named(path)
        if node.kind is not Kind.FILE:
            fail(errno.EINVAL, path)
        if not node.mode & 0o400:
            fail(errno.EACCES, path)
        return node

    def create(self, path: str, mode: int = 0o600) -> MemoryWriter:
        self.enter("create", path)
        node = self._current.make(Kind.FILE, self._mode(mode), self.now())
        self._add(path, node)
        return MemoryWriter(self, node, path)

    # The port: changing what a name has.

    def set_mode(self, path: str, mode: int) -> None:
        self.enter("set_mode", path)
        self.change(self._of_kind(path, Kind.FILE), mode=mode)

    def set_mtime(self, path: str, mtime_ns: int) -> None:
        self.enter("set_mtime", path)
        self.change(self._of_kind(path, Kind.FILE), mtime_ns=mtime_ns)

    def set_link_mtime(self, path: str, mtime_ns: int) -> None:
        self.enter("set_link_mtime", path)
        self.change(self._of_kind(path, Kind.SYMLINK), mtime_ns=mtime_ns)

    def _of_kind(self, path: str, kind: Kind) -> Node:
        node = self._named(path)
        if node.kind not in (kind, Kind.DIRECTORY):
            fail(errno.EINVAL, path)
        return node

    # The port: changing names.

    def symlink(self, target: str, path: str) -> None:
        self.enter("symlink", path)
        if not self.traits.symlinks:
            fail(errno.EPERM, path)
        if "\0" in target:
            fail(errno.EINVAL, path)
        if not target:
            fail(errno.ENOENT, path)
        _must_be_text(target)
        self._add(path, self._current.make(Kind.SYMLINK, 0o777, self.now(), target))

    def mkdir(self, path: str, mode: int = 0o777) -> None:
        self.enter("mkdir", path)
        self._add(path, self._current.make(Kind.DIRECTORY, self._mode(mode), self.now()))

    def rmdir(self, path: str) -> None:
        self.enter("rmdir", path)
        node = self._named(path)
        if node.kind is not Kind.DIRECTORY:
            fail(errno.ENOTDIR, path)
        if node.device != self._current.device:
            fail(errno.EBUSY, path)
        if node.entries:
            fail(errno.ENOTEMPTY, path)
        self._set((*self._place(path), None))

    def unlink(self, path: str) -> None:
        self.enter("unlink", path)
        node = self._named(path)
        if node.kind is Kind.DIRECTORY:
            fail(errno.EISDIR, path)
        self._set((*self._place(path), None))
        node.ctime_ns = self.now()

    def link(self, source: str, target: str) -> None:
        self.enter("link", source)
        node = self._named(source)
        if node.kind is Kind.DIRECTORY:
            fail(errno.EPERM, source)
        self._add(target, node)

    def rename(self, source: str, target: str) -> None:
        self.enter("rename", source)
        node = self._named(source)
        directory, name = self._place(target)
        _must_be_text(name)
        self._must_be_outside(node, directory, source)
        old = directory.entries.get(self._key(name))
        if old is None:
            self._set((*self._place(source), None), (directory, name, node))
        elif self._entry(source) is old:  # the same name, perhaps in another case
            self._set((directory, name, node))
        elif old.node is not node:  # two links of one inode: rename(2) does nothing
            self._must_be_replaceable(node, old.node, target)
            self._set((*self._place(source), None), (directory, name, node))
            old.node.ctime_ns = self.now()

    def rename_noreplace(self, source: str, target: str) -> None:
        if not self.traits.noreplace and self._entry(target) is None and self._named(source).kind is not Kind.DIRECTORY:
            self.link(source, target)  # two system calls, as on such a disk: a crash may come between
            self.unlink(source)
            return
        self.enter("rename_noreplace", source)
        node = self._named(source)
        if self._entry(target) is not None:
            fail(errno.EEXIST, target)
        directory, name = self._place(target)
        _must_be_text(name)
        self._must_be_outside(node, directory, source)
        self._set((*self._place(source), None), (directory, name, node))

    def exchange(self, one: str, other: str) -> None:
        self.enter("exchange", one)
        if not self.traits.exchange:
            fail(errno.EINVAL, one)
        first, second = self._named(one), self._named(other)
        here, there = self._place(one), self._place(other)
        self._must_be_outside(first, there[0], one)
        self._must_be_outside(second, here[0], other)
        if first is not second:  # the names stay, spelled as they are, and what they lead to changes
            self._set((*self._spelled(*here), second), (*self._spelled(*there), first))

    def _spelled(self, directory: Node, name: str) -> tuple[Node, str]:
        return directory, directory.entries[self._key(name)].name

    def _must_be_outside(self, node: Node, directory: Node, path: str) -> None:
        """A directory cannot move into itself, nor a mount point at all."""
        if node.device != self._current.device:
            fail(errno.EBUSY, path)
        above: Node | None = directory
        while above is not None:
            if above is node:
                fail(errno.EINVAL, path)
            above = above.parent

    def _must_be_replaceable(self, node: Node, old: Node, path: str) -> None:
        if old.device != self._current.device:
            fail(errno.EBUSY, path)
        if old.kind is Kind.DIRECTORY:
            if node.kind is not Kind.DIRECTORY:
                fail(errno.EISDIR, path)
            if old.entries:
                fail(errno.ENOTEMPTY, path)
        elif node.kind is Kind.DIRECTORY:
            fail(errno.ENOTDIR, path)

    # The port: making it last.

    def sync_directory(self, path: str) -> None:
        self.enter("sync_directory", path)
        self._current.sync_directory(self._directory(path))

    def sync_all(self) -> None:
        self.enter("sync_all", "")
        self._current.sync_all()


def _must_be_text(name: str) -> None:
    """We never make a name that is not UTF-8: other devices could not have it."""
    try:
        name.encode()
    except UnicodeEncodeError:
        fail(errno.EILSEQ, name)
