"""Small files of our own that are either as before or as after, whatever happens: keys, markers, paths.

The classic order: a temporary file beside it, its bytes to the disk, rename, the directory to the disk.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_NO_DIRECTORY_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EBADF})  # some network and FUSE file systems


@contextmanager
def open_directory(path: str | os.PathLike[str], within: int | None = None) -> Iterator[int]:
    """A descriptor of a directory; below another open one, symbolic links are not followed. Raises OSError."""
    no_follow = 0 if within is None else os.O_NOFOLLOW
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | no_follow, dir_fd=within)
    try:
        yield fd
    finally:
        os.close(fd)


def write_durably(directory: int, name: str, data: bytes) -> None:
    """Makes or replaces a file that only its owner can read. One writer at a time. Raises OSError.

    directory: an open descriptor
    """
    temp = f".{name}.new"  # one name, so that what a crash left is used up by the next attempt
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(temp, flags, 0o600, dir_fd=directory), "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(data)
        file.flush()
        _sync(file.fileno())
    os.rename(temp, name, src_dir_fd=directory, dst_dir_fd=directory)
    sync_directory(directory)


def read_small(directory: int, name: str, limit: int) -> bytes:
    """At most `limit` bytes of a file, not through a symbolic link, never waiting for a FIFO. Raises OSError."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with open(os.open(name, flags, dir_fd=directory), "rb") as file:
        return file.read(limit)


def sync_directory(directory: int) -> None:
    """Names made, changed and removed in an open directory are durable, as far as its file system can."""
    try:
        _sync(directory)
    except OSError as error:
        if error.errno not in _NO_DIRECTORY_SYNC:
            raise


def _sync(fd: int) -> None:
    full: int | None = getattr(fcntl, "F_FULLFSYNC", None)  # macOS, where fsync stops short of the disk
    if full is None:
        os.fsync(fd)
        return
    try:
        fcntl.fcntl(fd, full)
    except OSError:  # not on this file system
        os.fsync(fd)
