"""A tree of directories under inotify(7), and what its events mean: names of directories to look at.

Over the bindings of watchdog's low-level module. Its observers were rejected: they hold a move back until its other
half comes, and make an object of every event, where all that is wanted is the set of directories to scan.

A wrong path here is harmless: everything said is a hint, and the scan goes by `SafeFileSystem`. But nothing may be
missed: a directory is watched first and listed after, so that what appears in between is either listed or told. What
happened in it before the watch is covered by naming the directory itself as dirty.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
import sys
import termios
from dataclasses import dataclass, field

from watchdog.observers import inotify_c

from swarm.index.paths import is_ours
from swarm.sync.dirty import Dirty

_IN = inotify_c.InotifyConstants
_CONTENT = _IN.IN_CLOSE_WRITE | _IN.IN_MOVED_TO
_MASK = (
    _CONTENT
    | _IN.IN_MODIFY
    | _IN.IN_ATTRIB
    | _IN.IN_MOVED_FROM
    | _IN.IN_CREATE
    | _IN.IN_DELETE
    | _IN.IN_ONLYDIR
    | _IN.IN_DONT_FOLLOW
    | _IN.IN_EXCL_UNLINK
)
_ROOT_MASK = (_MASK | _IN.IN_DELETE_SELF | _IN.IN_MOVE_SELF) & ~_IN.IN_DONT_FOLLOW  # a folder may be named by a symlink
_GONE = _IN.IN_DELETE_SELF | _IN.IN_MOVE_SELF | _IN.IN_UNMOUNT
_LEFT = _IN.IN_DELETE | _IN.IN_MOVED_FROM

_HEAD = struct.Struct("iIII")
_BUFFER = 256 * 1024  # bytes of one read: some 8,000 events of short names; the kernel queues 16,384

# What may become of a directory between the event and the look, or lies beyond a path's length: the scan will say.
_PASSING = frozenset(
    (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG, errno.ESTALE, errno.EIO)
)


class WatchLimit(Exception):
    """The kernel gives this user no more watches. The argument is the sysctl to raise."""


class RootGone(Exception):
    """The root was deleted, moved or unmounted."""


@dataclass(slots=True, eq=False)
class Watched:
    """One watched directory. Its path follows from its place, so that a move costs nothing below it."""

    number: inotify_c.WatchDescriptor
    name: str
    parent: Watched | None
    children: dict[str, Watched] = field(default_factory=dict)

    @property
    def path(self) -> str:
        names = []
        here = self
        while here.parent is not None:
            names.append(here.name)
            here = here.parent
        return "/".join(reversed(names))


class Inotify:
    """Watches everything below `root`, except our own directory and other mounts. Used by one thread.

    Raises WatchLimit, and OSError if the root cannot be watched.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._directories: set[str] = set()
        self._closed: set[str] = set()
        self._written: set[str] = set()
        self._overflow = False
        self._by_number: dict[int, Watched] = {}
        self.descriptor = inotify_c.inotify_init()
        if self.descriptor < 0:
            raise _refused()
        try:
            os.set_inheritable(self.descriptor, False)
            os.set_blocking(self.descriptor, False)
            self._device = os.stat(root).st_dev
            self._top = Watched(self._add("", _ROOT_MASK), "", None)
            self._by_number[self._top.number] = self._top
            self._descend(self._top)
        except BaseException:
            self.close()
            raise
        self._directories.clear()  # known from the beginning: not news

    def close(self) -> None:
        if self.descriptor >= 0:
            descriptor, self.descriptor = self.descriptor, -1
            os.close(descriptor)

    def read(self) -> Dirty | None:
        """Everything that the kernel has queued by now; None if nothing. What comes meanwhile waits for the next call,
        else a busy writer could keep us here for ever. After WatchLimit, RootGone or OSError only `close` is left."""
        queued = bytearray(4)
        fcntl.ioctl(self.descriptor, termios.FIONREAD, queued)
        remaining = int.from_bytes(queued, sys.byteorder)
        while remaining > 0 and (data := os.read(self.descriptor, _BUFFER)):
            remaining -= len(data)
            offset = 0
            while offset < len(data):
                number, mask, _, length = _HEAD.unpack_from(data, offset)
                offset += _HEAD.size + length
                name = data[offset - length : offset].rstrip(b"\0")
                self._take(number, mask, os.fsdecode(name))
        if not self._directories and not self._overflow:
            return None
        closed, written = frozenset(self._closed), frozenset(self._written)
        dirty = Dirty(frozenset(self._directories), closed, self._overflow, written)
        self._directories, self._closed, self._written, self._overflow = set(), set(), set(), False
        return dirty

    def _take(self, number: int, mask: int, name: str) -> None:
        if mask & _IN.IN_Q_OVERFLOW:
            self._lost()
            return
        watched = self._by_number.get(number)
        if watched is None:
            return  # unwatched since: it moved away, and is dirty at its new place if that is ours
        if mask & _IN.IN_IGNORED:
            self._forget(watched)
        elif mask & _GONE and watched is self._top:
            raise RootGone
        path = watched.path
        self._directories.add(path)
        if not name:
            return
        below = f"{path}/{name}" if path else name
        if not mask & _IN.IN_ISDIR:
            if mask & _CONTENT:
                self._closed.add(below)
            if mask & _IN.IN_CLOSE_WRITE:
                self._written.add(below)
            return
        if mask & _LEFT and (child := watched.children.get(name)) is not None:
            self._unwatch(child)
        self._watch(watched, name)  # also when it left, since an exchange puts another there; or became readable

    def _lost(self) -> None:
        """Events were dropped, so that directories may have come and gone unseen: look at the tree again."""
        self._overflow = True
        self._directories.add("")
        for child in list(self._top.children.values()):
            self._unwatch(child)
        self._descend(self._top)

    # Adding.

    def _watch(self, parent: Watched, name: str) -> None:
        """A directory has appeared: watches it and all below, and calls them all dirty."""
        if (added := self._watch_one(parent, name)) is not None:
            self._descend(added)

    def _descend(self, top: Watched) -> None:
        waiting = [top]
        while waiting:
            directory = waiting.pop()
            path = directory.path
            self._directories.add(path)
            added = (self._watch_one(directory, name) for name in self._directories_in(path))
            waiting.extend(child for child in added if child is not None)

    def _watch_one(self, parent: Watched, name: str) -> Watched | None:
        """None if it is ours, another mount, gone again, or already watched at this place."""
        if is_ours(name):
            return None
        path = f"{parent.path}/{name}" if parent.parent is not None else name
        try:
            if os.lstat(f"{self._root}/{path}").st_dev != self._device:
                return None
            number = self._add(path, _MASK)
        except OSError as error:
            if error.errno in _PASSING:
                return None
            raise
        if (known := self._by_number.get(number)) is not None:
            if known.parent is parent and known.name == name:
                return None
            self._unwatch(known, keep=True)  # the same directory, still under an earlier name
        if (before := parent.children.get(name)) is not None:
            self._unwatch(before)
        added = Watched(number, name, parent)
        parent.children[name] = added
        self._by_number[number] = added
        return added

    def _directories_in(self, path: str) -> list[str]:
        try:
            with os.scandir(f"{self._root}/{path}") as entries:
                return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError as error:
            if error.errno in _PASSING:
                return []
            raise

    def _add(self, path: str, mask: int) -> inotify_c.WatchDescriptor:
        number = inotify_c.inotify_add_watch(self.descriptor, os.fsencode(f"{self._root}/{path}"), mask)
        if number < 0:
            raise _refused()
        return number

    # Removing.

    def _unwatch(self, top: Watched, keep: bool = False) -> None:
        """Forgets a directory and all below it. `keep` leaves the kernel's watch of the top itself."""
        waiting = [top]
        while waiting:
            watched = waiting.pop()
            waiting.extend(watched.children.values())
            self._by_number.pop(watched.number, None)
            if watched is not top or not keep:
                inotify_c.inotify_rm_watch(self.descriptor, watched.number)
        self._detach(top)

    def _forget(self, watched: Watched) -> None:
        """The kernel dropped the watch, since the directory is gone."""
        if watched is self._top:
            raise RootGone
        self._by_number.pop(watched.number, None)
        for child in list(watched.children.values()):
            self._unwatch(child)
        self._detach(watched)

    def _detach(self, watched: Watched) -> None:
        parent = watched.parent
        if parent is not None and parent.children.get(watched.name) is watched:
            del parent.children[watched.name]


def _refused() -> Exception:
    code = ctypes.get_errno()
    if code == errno.ENOSPC:
        return WatchLimit("fs.inotify.max_user_watches")
    if code == errno.EMFILE:
        return WatchLimit("fs.inotify.max_user_instances")
    return OSError(code, os.strerror(code))
