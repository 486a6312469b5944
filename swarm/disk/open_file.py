"""An open regular file: the Reader and Writer of the FileSystem port over a file descriptor."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING

from swarm.disk import syscalls
from swarm.ids import Kind
from swarm.sync.files import Stat

if TYPE_CHECKING:
    from swarm.disk.safefs import SafeFileSystem

_KINDS = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.DIRECTORY, stat.S_IFLNK: Kind.SYMLINK}

# What belongs to a file's name rather than to its bytes, and survives new bytes. `security.capability` and
# `security.ima` speak of the old bytes, `trusted.*` belongs to overlay file systems: never copied.
_COPIED_ATTRIBUTES = ("user.", "system.posix_acl_access", "security.selinux")


def stat_of(found: os.stat_result) -> Stat:
    """lstat's answer in the words of the port."""
    kind = _KINDS.get(found.st_mode & 0o170000)
    return Stat(
        kind,
        found.st_size if kind is Kind.FILE else 0,
        found.st_mode & 0o777,
        found.st_mtime_ns,
        found.st_ctime_ns,
        found.st_ino,
        found.st_dev,
    )


def set_times(name: int | str, mtime_ns: int, directory: int | None = None) -> None:
    """utimensat, never through a symlink. An mtime that no kernel can hold is OSError(EINVAL)."""
    try:
        if directory is None:
            os.utime(name, ns=(mtime_ns, mtime_ns))
        else:
            os.utime(name, ns=(mtime_ns, mtime_ns), dir_fd=directory, follow_symlinks=False)
    except OverflowError as error:
        raise OSError(errno.EINVAL, "mtime out of range") from error


class OpenReader:
    """Reads at offsets, so that threads may share it; the offset of the descriptor is never used."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def stat(self) -> Stat:
        return stat_of(os.fstat(self._fd))

    def read_at(self, offset: int, length: int) -> bytes:
        data = os.pread(self._fd, length, offset)
        if not data or len(data) == length:
            return data
        parts = [data]  # a short read in the middle: a signal, a network file system, or more than 2 GiB
        done = len(data)
        while done < length and (data := os.pread(self._fd, length - done, offset + done)):
            parts.append(data)
            done += len(data)
        return b"".join(parts)

    def close(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)


class OpenWriter(OpenReader):
    """A temp of ours."""

    __slots__ = ("_files",)

    def __init__(self, fd: int, files: SafeFileSystem) -> None:
        super().__init__(fd)
        self._files = files

    def write_at(self, offset: int, data: bytes) -> None:
        written = os.pwrite(self._fd, data, offset)
        if written == len(data):
            return
        rest = memoryview(data)
        while written < len(rest):
            more = os.pwrite(self._fd, rest[written:], offset + written)
            if not more:  # POSIX allows it, and some network file systems do it: to ask again and again would not end
                raise OSError(errno.EIO, "the disk takes no more")
            written += more

    def truncate(self, size: int) -> None:
        os.ftruncate(self._fd, size)

    def set_mode(self, mode: int) -> None:
        os.fchmod(self._fd, mode & 0o777)

    def set_mtime(self, mtime_ns: int) -> None:
        set_times(self._fd, mtime_ns)

    def copy_traits(self, path: str) -> None:
        """Call it before `set_mode`: an ACL brings its own permission bits."""
        try:
            source = self._files.open_descriptor(path)
        except PermissionError:
            return  # a file that we may replace but not read: nothing of it can be known
        try:
            found = os.fstat(source)
            self._copy_owner(found.st_uid, found.st_gid)
            if hasattr(os, "listxattr"):
                self._copy_attributes(source)
        finally:
            os.close(source)

    def _copy_owner(self, user: int, group: int) -> None:
        ours = os.fstat(self._fd)
        if ours.st_uid == user and ours.st_gid == group:
            return
        try:
            os.fchown(self._fd, user, group)
        except PermissionError:
            with contextlib.suppress(PermissionError):
                os.fchown(self._fd, -1, group)  # a group that we are in may be given by anybody

    def _copy_attributes(self, source: int) -> None:
        try:
            names = os.listxattr(source)
        except OSError:
            return  # a file system without any
        for name in names:
            if name.startswith(_COPIED_ATTRIBUTES):
                with contextlib.suppress(OSError):  # refused here, or gone since it was listed
                    os.setxattr(self._fd, name, os.getxattr(source, name))

    def flush_range(self, offset: int, length: int) -> None:
        syscalls.start_writeback(self._fd, offset, length)

    def sync(self) -> None:
        syscalls.sync_file(self._fd)
