"""The FileSystem port on a real disk, proof against symlinks, mounts, FIFOs and hostile names.

A peer chooses names, and somebody on this machine may swap a directory for a symlink at any moment. So no path is ever
given to the kernel whole, except to openat2(RESOLVE_BENEATH | NO_SYMLINKS | NO_MAGICLINKS | NO_XDEV), which checks each
step itself. Where that call is missing or forbidden (kernels before 5.6, seccomp: ENOSYS, EPERM, EINVAL) the
directories are walked with openat(O_NOFOLLOW | O_DIRECTORY), comparing st_dev; O_NOFOLLOW on a whole path would guard
its last component only. The walk cannot see a bind mount of the same file system; openat2 can.

Every call resolves its parent anew. A cache of directory descriptors was rejected: a directory moved away would
go on receiving files under its old name, and resolving costs 2 µs.

The root is held open, so that a disk mounted over it, or a directory put in its place, is noticed (`stat("")` raises
FileNotFoundError) and never written to. It also keeps a disk from being unmounted until `close`.

Thread-safe, except that `close` must come last; `close_when_unused` need not.
"""

from __future__ import annotations

import errno
import os
import stat as modes
import weakref
from typing import TYPE_CHECKING, NoReturn

from swarm.disk import syscalls
from swarm.disk.open_file import OpenReader, OpenWriter, set_times, stat_of
from swarm.disk.probe import CAUTIOUS, probe
from swarm.index.paths import compose
from swarm.sync.files import OURS, Stat, Traits

if TYPE_CHECKING:
    from pathlib import Path

_BAD_COMPONENTS = frozenset(("", ".", ".."))
_O_PATH = getattr(os, "O_PATH", os.O_RDONLY)
_DIRECTORY = _O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LISTABLE = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

_RESOLVE = (
    syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS | syscalls.RESOLVE_NO_MAGICLINKS | syscalls.RESOLVE_NO_XDEV
)
# Without O_NOFOLLOW, which would make a symlink in the last place "not a directory" before NO_SYMLINKS says ELOOP.
_HOW = {flags: syscalls.OpenHow(flags & ~os.O_NOFOLLOW, 0, _RESOLVE) for flags in (_DIRECTORY, _LISTABLE)}

_LONGEST_WHOLE_PATH = 4000  # bytes; the kernel takes 4095 in one call, a deeper path is walked
_NO_SUCH_CALL = (errno.ENOSYS, errno.EINVAL, errno.EPERM, errno.EOPNOTSUPP)


def _fail(code: int, path: str) -> NoReturn:
    raise OSError(code, os.strerror(code), path)


def _split(path: str) -> tuple[str, str]:
    """(parent, name). OSError(EINVAL) for the root itself and for anything that is not plain names between slashes."""
    if "\0" in path or not _BAD_COMPONENTS.isdisjoint(path.split("/")):
        _fail(errno.EINVAL, path)
    parent, _, name = path.rpartition("/")
    return parent, name


def _must_be_text(name: str) -> None:
    """We never make a name that is not UTF-8: other devices could not have it."""
    if not name.isascii():
        try:
            name.encode()
        except UnicodeEncodeError:
            _fail(errno.EILSEQ, name)


class _At:
    """The open parent of a path, and the last name: `with files.at(path) as (directory, name)`."""

    __slots__ = ("_fd", "_files", "_name", "_parent")

    def __init__(self, files: SafeFileSystem, path: str) -> None:
        self._files = files
        self._parent, self._name = _split(path)

    def __enter__(self) -> tuple[int, str]:
        self._fd = self._files.open_directory(self._parent) if self._parent else -1
        return (self._fd if self._parent else self._files.root_descriptor), self._name

    def __exit__(self, *failure: object) -> None:
        if self._fd >= 0:
            os.close(self._fd)


class SafeFileSystem:
    """One shared folder's directory. `root` must be a directory; OSError as from open(2) otherwise.

    `walk` forbids openat2, as an old kernel or a sandbox does.
    """

    def __init__(self, root: str | Path, walk: bool = False) -> None:
        self._path = os.fspath(root)
        self.root_descriptor = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        found = os.fstat(self.root_descriptor)
        self._identity = (found.st_dev, found.st_ino)
        self._device = found.st_dev
        self._walks = walk or not self._has_openat2()
        self._traits: Traits | None = None

    def close(self) -> None:
        if self.root_descriptor >= 0:
            fd, self.root_descriptor = self.root_descriptor, -1
            os.close(fd)

    def close_when_unused(self) -> None:
        """For one that others may be at work with: it is closed once the last of them has let go of it. A descriptor
        closed under their hands would soon be the number of another directory, and they would write into that."""
        weakref.finalize(self, os.close, self.root_descriptor).atexit = False

    @property
    def traits(self) -> Traits:
        """Measured in `.swarm/tmp` at first use; the most cautious ones while that does not exist."""
        if self._traits is None:
            try:
                self._traits = probe(self, f"{OURS}/tmp")
            except OSError:
                return CAUTIOUS
        return self._traits

    # Resolving.

    def _has_openat2(self) -> bool:
        try:
            os.close(syscalls.openat2(self.root_descriptor, b".", _HOW[_DIRECTORY]))
        except OSError as error:
            if error.errno in _NO_SUCH_CALL:
                return False
            os.close(self.root_descriptor)
            raise
        return True

    def open_directory(self, path: str, flags: int = _DIRECTORY) -> int:
        """A descriptor of the directory at `path`, which the caller closes."""
        if not path:
            return os.open(".", flags, dir_fd=self.root_descriptor)
        if not self._walks and len(encoded := os.fsencode(path)) <= _LONGEST_WHOLE_PATH:
            return syscalls.openat2(self.root_descriptor, encoded, _HOW[flags])
        here = self.root_descriptor
        names = path.split("/")
        for depth, name in enumerate(names, 1):
            try:
                below = self._step(here, name, flags if depth == len(names) else _DIRECTORY)
            finally:
                if here != self.root_descriptor:
                    os.close(here)
            here = below
        return here

    def _step(self, directory: int, name: str, flags: int) -> int:
        try:
            fd = os.open(name, flags, dir_fd=directory)
        except NotADirectoryError:
            if modes.S_ISLNK(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
                _fail(errno.ELOOP, name)
            raise
        if os.fstat(fd).st_dev != self._device:
            os.close(fd)
            _fail(errno.EXDEV, name)
        return fd

    def _is_mount(self, directory: int, name: str, device: int | None = None) -> bool:
        """Whether the directory `name` belongs to another mount. `device`: its st_dev, None if it cannot be read."""
        if device is not None and device != self._device:
            return True
        if self._walks:
            return False
        try:
            os.close(syscalls.openat2(directory, os.fsencode(name), _HOW[_DIRECTORY]))
        except OSError as error:
            return error.errno == errno.EXDEV
        return False

    # Looking.

    def stat(self, path: str) -> Stat:
        """lstat. Of the root: FileNotFoundError also when its path leads to another directory by now."""
        if not path:
            return self._stat_root()
        with _At(self, path) as (directory, name):
            found = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if modes.S_ISDIR(found.st_mode) and self._is_mount(directory, name, found.st_dev):
                _fail(errno.EXDEV, path)
        return stat_of(found)

    def _stat_root(self) -> Stat:
        found = os.stat(self._path)
        if (found.st_dev, found.st_ino) != self._identity:
            raise FileNotFoundError(errno.ENOENT, "another directory is in this place now", self._path)
        return stat_of(os.fstat(self.root_descriptor))

    def list(self, path: str) -> list[str]:
        fd = self._open_listable(path)
        try:
            return [self._told(name) for name in os.listdir(fd)]
        finally:
            os.close(fd)

    def scan(self, path: str) -> dict[str, Stat]:
        fd = self._open_listable(path)
        try:
            found = {}
            with os.scandir(fd) as entries:
                for entry in entries:
                    try:
                        raw = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    except OSError:
                        if not self._is_mount(fd, entry.name):  # a dead network mount must not hide its neighbours
                            raise
                        found[entry.name] = Stat(None, 0, 0, 0, 0, 0, 0)
                        continue
                    seen = stat_of(raw)
                    if modes.S_ISDIR(raw.st_mode) and self._is_mount(fd, entry.name, raw.st_dev):
                        seen = Stat(None, 0, seen.mode, seen.mtime_ns, seen.ctime_ns, seen.inode, seen.device)
                    found[entry.name] = seen
            return {self._told(name): stat for name, stat in found.items()}
        finally:
            os.close(fd)

    def _told(self, name: str) -> str:
        """As everybody else writes it; the disk takes either form for the same name."""
        return compose(name) if self._traits is not None and self._traits.decomposes else name

    def _open_listable(self, path: str) -> int:
        if path:
            _split(path)
        return self.open_directory(path, _LISTABLE)

    def read_link(self, path: str) -> str:
        with _At(self, path) as (directory, name):
            return os.readlink(name, dir_fd=directory)

    def free_bytes(self) -> int:
        found = os.fstatvfs(self.root_descriptor)
        return found.f_bavail * found.f_frsize

    # Opening.

    def open(self, path: str) -> OpenReader:
        return OpenReader(self.open_descriptor(path))

    def create(self, path: str, mode: int = 0o600) -> OpenWriter:
        with _At(self, path) as (directory, name):
            _must_be_text(name)
            return OpenWriter(os.open(name, _CREATE, mode & 0o777, dir_fd=directory), self)

    def reopen(self, path: str) -> OpenWriter:
        return OpenWriter(self.open_descriptor(path, _WRITE), self)

    def open_descriptor(self, path: str, flags: int = _READ) -> int:
        """A descriptor of the regular file at `path`. Looked at before, since opening a device may already do something
        to it, and after, since it may have been swapped."""
        with _At(self, path) as (directory, name):
            if not modes.S_ISREG(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
                _fail(errno.EINVAL, path)
            fd = os.open(name, flags, dir_fd=directory)
        if not modes.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            _fail(errno.EINVAL, path)
        return fd

    # Changing what a name has.

    def set_mode(self, path: str, mode: int) -> None:
        with _At(self, path) as (directory, name):
            kind = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
            if not (modes.S_ISREG(kind) or modes.S_ISDIR(kind)):
                _fail(errno.EINVAL, path)
            try:
                fd = os.open(name, _READ, dir_fd=directory)
            except PermissionError:
                _set_mode_unread(directory, name, mode)
                return
            try:
                os.fchmod(fd, mode & 0o777)
            finally:
                os.close(fd)

    def set_mtime(self, path: str, mtime_ns: int) -> None:
        self._set_mtime(path, mtime_ns, modes.S_IFREG)

    def set_link_mtime(self, path: str, mtime_ns: int) -> None:
        self._set_mtime(path, mtime_ns, modes.S_IFLNK)

    def _set_mtime(self, path: str, mtime_ns: int, kind: int) -> None:
        with _At(self, path) as (directory, name):
            found = modes.S_IFMT(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode)
            if found not in (kind, modes.S_IFDIR):
                _fail(errno.EINVAL, path)
            set_times(name, mtime_ns, directory)

    # Changing names.

    def symlink(self, target: str, path: str) -> None:
        if "\0" in target:
            _fail(errno.EINVAL, path)
        _must_be_text(target)
        with _At(self, path) as (directory, name):
            _must_be_text(name)
            os.symlink(target, name, dir_fd=directory)

    def mkdir(self, path: str, mode: int = 0o777) -> None:
        with _At(self, path) as (directory, name):
            _must_be_text(name)
            os.mkdir(name, mode & 0o777, dir_fd=directory)

    def rmdir(self, path: str) -> None:
        with _At(self, path) as (directory, name):
            os.rmdir(name, dir_fd=directory)

    def unlink(self, path: str) -> None:
        with _At(self, path) as (directory, name):
            os.unlink(name, dir_fd=directory)

    def link(self, source: str, target: str) -> None:
        with _At(self, source) as (before, old), _At(self, target) as (after, new):
            _must_be_text(new)
            os.link(old, new, src_dir_fd=before, dst_dir_fd=after, follow_symlinks=False)

    def rename(self, source: str, target: str) -> None:
        with _At(self, source) as (before, old), _At(self, target) as (after, new):
            _must_be_text(new)
            os.rename(old, new, src_dir_fd=before, dst_dir_fd=after)

    def rename_noreplace(self, source: str, target: str) -> None:
        with _At(self, source) as (before, old), _At(self, target) as (after, new):
            _must_be_text(new)
            try:
                syscalls.renameat2(before, old, after, new, syscalls.RENAME_NOREPLACE)
            except OSError as error:
                if error.errno not in _NO_SUCH_CALL:
                    raise
                _link_and_unlink(before, old, after, new)

    def exchange(self, one: str, other: str) -> None:
        with _At(self, one) as (before, old), _At(self, other) as (after, new):
            try:
                syscalls.renameat2(before, old, after, new, syscalls.RENAME_EXCHANGE)
            except OSError as error:
                if error.errno == errno.ENOSYS:
                    _fail(errno.EINVAL, one)
                raise

    # Making it last.

    def sync_directory(self, path: str) -> None:
        fd = self._open_listable(path)
        try:
            os.fsync(fd)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                raise
            syscalls.syncfs(self.root_descriptor)  # some network file systems cannot sync a directory alone
        finally:
            os.close(fd)

    def sync_all(self) -> None:
        syscalls.syncfs(self.root_descriptor)


def _set_mode_unread(directory: int, name: str, mode: int) -> None:
    """Of what we own but may not read. fchmod refuses an O_PATH descriptor; its name in /proc leads to the inode."""
    fd = os.open(name, _O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        kind = os.fstat(fd).st_mode
        if not (modes.S_ISREG(kind) or modes.S_ISDIR(kind)):
            _fail(errno.EINVAL, name)
        os.chmod(f"/proc/self/fd/{fd}", mode & 0o777)
    finally:
        os.close(fd)


def _link_and_unlink(before: int, old: str, after: int, new: str) -> None:
    """A rename that does not replace, where the kernel has none.

    Directories, and everything where there are no hard links (FAT), are looked for and then renamed: between the two
    a name that appears is replaced, and that window cannot be closed from here.
    """
    if not modes.S_ISDIR(os.stat(old, dir_fd=before, follow_symlinks=False).st_mode):
        try:
            os.link(old, new, src_dir_fd=before, dst_dir_fd=after, follow_symlinks=False)
        except OSError as error:
            if error.errno not in (*_NO_SUCH_CALL, errno.EMLINK):
                raise
        else:
            os.unlink(old, dir_fd=before)
            return
    try:
        os.stat(new, dir_fd=after, follow_symlinks=False)
    except FileNotFoundError:
        os.rename(old, new, src_dir_fd=before, dst_dir_fd=after)
    else:
        _fail(errno.EEXIST, new)
