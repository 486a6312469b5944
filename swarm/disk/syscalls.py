"""The Linux system calls that Python does not offer: openat2, renameat2, syncfs, sync_file_range.

Each raises OSError with the kernel's errno, and OSError(ENOSYS) where the platform lacks it, so that the caller has one
way to fall back. ctypes releases the interpreter lock during a call and keeps errno per thread.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import sys

RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2

RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08

_SYNC_FILE_RANGE_WRITE = 2
_OPENAT2 = 437  # the same on every architecture, as for all calls since 5.1
_RENAMEAT2 = {"x86_64": 316, "aarch64": 276, "armv7l": 382, "i686": 353, "riscv64": 276, "ppc64le": 357, "s390x": 347}


class OpenHow(ctypes.Structure):
    """struct open_how of openat2(2). The kernel only reads it, so that one may be shared by threads."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_HOW_BYTES = ctypes.sizeof(OpenHow)


def _function(name: str, *arguments: type) -> ctypes._NamedFuncPointer | None:
    if _libc is None or not hasattr(_libc, name):
        return None
    function: ctypes._NamedFuncPointer = getattr(_libc, name)
    function.argtypes = list(arguments)
    function.restype = ctypes.c_long if name == "syscall" else ctypes.c_int
    return function


_renameat2 = _function("renameat2", ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
_syncfs = _function("syncfs", ctypes.c_int)
_sync_file_range = _function("sync_file_range", ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
_syscall = _function("syscall", ctypes.c_long)  # variadic: the caller wraps every further argument


def openat2(directory: int, path: bytes, how: OpenHow) -> int:
    """A new file descriptor for `path` below the open `directory`."""
    if _syscall is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    while True:
        fd: int = _syscall(
            ctypes.c_long(_OPENAT2),
            ctypes.c_long(directory),
            ctypes.c_char_p(path),
            ctypes.byref(how),
            ctypes.c_long(_HOW_BYTES),
        )
        if fd >= 0:
            return fd
        if (code := ctypes.get_errno()) != errno.EINTR:
            raise OSError(code, os.strerror(code), os.fsdecode(path))


def renameat2(source_directory: int, source: str, target_directory: int, target: str, flags: int) -> None:
    """rename(2) with RENAME_NOREPLACE or RENAME_EXCHANGE."""
    names = os.fsencode(source), os.fsencode(target)
    if _renameat2 is not None:
        result = _renameat2(source_directory, names[0], target_directory, names[1], flags)
    elif _syscall is not None and (number := _RENAMEAT2.get(platform.machine())) is not None:  # musl
        result = _syscall(
            ctypes.c_long(number),
            ctypes.c_long(source_directory),
            ctypes.c_char_p(names[0]),
            ctypes.c_long(target_directory),
            ctypes.c_char_p(names[1]),
            ctypes.c_ulong(flags),
        )
    else:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), source, None, target)


def syncfs(fd: int) -> None:
    """Makes everything written so far to the file system of `fd` durable; sync(2) where there is no syncfs."""
    if _syncfs is None:
        os.sync()
    elif _syncfs(fd) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def start_writeback(fd: int, offset: int, length: int) -> None:
    """sync_file_range(2) without waiting: a hint, so that failures are of no interest."""
    if _sync_file_range is not None:
        _sync_file_range(fd, offset, length, _SYNC_FILE_RANGE_WRITE)


def sync_file(fd: int) -> None:
    """fsync, and on macOS the one that really reaches the disk."""
    if sys.platform == "darwin":
        import fcntl

        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    else:
        os.fsync(fd)
