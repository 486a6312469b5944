"""Finds out by trying how a file system differs from what POSIX and Linux promise.

By trying, because the type says too little: ext4 may fold case in one directory, NFS and FUSE pass on what a server
can, and time stamps are rounded in ways of their own.
"""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING

from swarm.disk import syscalls
from swarm.ids import name_of
from swarm.sync.files import Traits

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm.disk.safefs import SafeFileSystem

# Nanoseconds: ext4, XFS, APFS 1; NTFS 100; SMB and some FUSE 1 µs and 1 ms; exFAT 10 ms; HFS+ 1 s; FAT 2 s.
_GRANULARITIES = (1, 100, 1_000, 1_000_000, 10_000_000, 1_000_000_000)
_COARSEST = 2_000_000_000
_MOMENT = 1_600_000_001_987_654_321  # an odd second, and no digit of its fraction is 0

_MODES = (0o640, 0o755)  # no two bits of a class alike in both
# What to believe where nothing can be tried: no shortcut works.
CAUTIOUS = Traits(exchange=False, noreplace=False, mtime_granularity_ns=_COARSEST)


def probe(files: SafeFileSystem, directory: str) -> Traits:
    """The traits of `directory`, which must be ours to write in. Leaves nothing behind. OSError if no file can be
    made there."""
    prefix = f"{directory}/probe-{os.urandom(6).hex()}"
    one, other, lower, composed, link, dotted = (
        f"{prefix}-{name}" for name in ("1", "2", "case", "\u00e9", "link", "dot.")
    )
    try:
        for name in (one, other):
            files.create(name).close()
        exchange = _works(lambda: files.exchange(one, other))
        noreplace = _has_noreplace(files, directory, one, other)
        granularity = _granularity(files, one)
        files.rename(other, lower)
        folds_case = _works(lambda: files.stat(f"{prefix}-CASE"))
        files.rename(lower, composed)
        folds_unicode = _works(lambda: files.stat(f"{prefix}-e\u0301"))
        symlinks = _works(lambda: files.symlink("nowhere", link))
        trims = _works(lambda: files.create(dotted).close()) and name_of(dotted) not in files.list(directory)
        decomposes = folds_unicode and name_of(composed) not in files.list(directory)
        modes = all(_keeps_mode(files, one, mode) for mode in _MODES)
    finally:
        for name in (one, other, lower, composed, link, dotted):
            with contextlib.suppress(OSError):
                files.unlink(name)
    return Traits(exchange, noreplace, folds_case, folds_unicode, granularity, symlinks, trims, modes, decomposes)


def _keeps_mode(files: SafeFileSystem, path: str, mode: int) -> bool:
    """FAT and its kin say yes, and give every file the mode of the mount."""
    return _works(lambda: files.set_mode(path, mode)) and files.stat(path).mode == mode


def _works(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


def _has_noreplace(files: SafeFileSystem, directory: str, one: str, other: str) -> bool:
    """Both exist, so that a kernel that knows the flag says EEXIST."""
    fd = files.open_directory(directory)
    try:
        names = one.rpartition("/")[2], other.rpartition("/")[2]
        syscalls.renameat2(fd, names[0], fd, names[1], syscalls.RENAME_NOREPLACE)
    except OSError as error:
        return error.errno == errno.EEXIST
    finally:
        os.close(fd)
    return False  # replaced it: a file system that ignores flags


def _granularity(files: SafeFileSystem, path: str) -> int:
    files.set_mtime(path, _MOMENT)
    achieved = files.stat(path).mtime_ns
    for granularity in _GRANULARITIES:
        if achieved == _MOMENT - _MOMENT % granularity:
            return granularity
    return _COARSEST
