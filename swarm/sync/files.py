"""The FileSystem port: what the engine's hands may do to a folder, one system call a method.

Every path is relative to the folder's root, `str` with "/" between components, "" for the root itself. No
implementation ever follows a symbolic link, leaves the root, or crosses a mount point below it. Names that are not
UTF-8 come as surrogate escapes and are never created by us. Failures are the builtin OSError family with its usual
errno (FileNotFoundError, FileExistsError, NotADirectoryError, PermissionError, ENOSPC, EXDEV; ELOOP for a symlink on
the way).

The real one is `swarm.disk.safefs.SafeFileSystem`; its twin in memory is `swarm.sync.memory_files.MemoryFileSystem`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from swarm.index.paths import fold

if TYPE_CHECKING:
    from swarm.ids import Kind

OURS = ".swarm"  # everything of ours in a shared folder is below this name
HISTORY = f"{OURS}/history"  # where what was replaced or removed goes


@dataclass(frozen=True, slots=True)
class Stat:
    """What lstat says of one name."""

    kind: Kind | None  # None: a FIFO, socket or device, which is never synced
    size: int  # bytes; 0 for anything but a regular file
    mode: int  # permission bits, & 0o777
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int  # st_dev


@dataclass(frozen=True, slots=True)
class Traits:
    """How this file system differs from a POSIX one with everything."""

    exchange: bool = True  # renameat2(RENAME_EXCHANGE)
    noreplace: bool = True  # renameat2(RENAME_NOREPLACE)
    folds_case: bool = False  # "A" and "a" are one name
    folds_unicode: bool = False  # NFC and NFD of a name are one name
    mtime_granularity_ns: int = 1
    symlinks: bool = True
    trims: bool = False  # dots and blanks at the end of a name are dropped without a word
    modes: bool = True  # permission bits stay as they are set
    decomposes: bool = False  # gives names back in form D of Unicode, as HFS+; the port gives them in form C

    def fold(self, name: str) -> str:
        """Names with equal folds are one name to this disk."""
        return fold(name, case=self.folds_case, unicode=self.folds_unicode)


class Reader(Protocol):
    """An open regular file."""

    def stat(self) -> Stat: ...

    def read_at(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes; fewer only at the end of the file."""
        ...

    def close(self) -> None: ...


class Writer(Reader, Protocol):
    """An open regular file that we made (always a temp)."""

    def write_at(self, offset: int, data: bytes) -> None:
        """All of `data`, or OSError. Writing beyond the end leaves a hole."""
        ...

    def truncate(self, size: int) -> None: ...

    def set_mode(self, mode: int) -> None: ...

    def set_mtime(self, mtime_ns: int) -> None: ...

    def copy_traits(self, path: str) -> None:
        """Owner, extended attributes and ACL of the file at `path`, as far as we may; silently less elsewhere."""
        ...

    def flush_range(self, offset: int, length: int) -> None:
        """Starts writing that range back to the disk without waiting (sync_file_range); a hint."""
        ...

    def sync(self) -> None:
        """fsync: content and metadata are durable when it returns."""
        ...


class FileSystem(Protocol):
    """One shared folder's directory tree."""

    @property
    def traits(self) -> Traits: ...

    def stat(self, path: str) -> Stat:
        """lstat. A directory that is a mount point below the root raises OSError(EXDEV)."""
        ...

    def list(self, path: str) -> list[str]:
        """The names in a directory, unordered."""
        ...

    def scan(self, path: str) -> dict[str, Stat]:
        """Every name in a directory with its Stat; names that vanish meanwhile are left out; a mount point below the
        root has kind None."""
        ...

    def open(self, path: str) -> Reader:
        """A regular file to read; never blocks on a FIFO; OSError(EINVAL) for anything but a regular file."""
        ...

    def create(self, path: str, mode: int = 0o600) -> Writer:
        """A new file (O_EXCL)."""
        ...

    def reopen(self, path: str) -> Writer:
        """An existing regular file to go on writing."""
        ...

    def read_link(self, path: str) -> str: ...

    def symlink(self, target: str, path: str) -> None: ...

    def set_link_mtime(self, path: str, mtime_ns: int) -> None:
        """Of a symlink itself, or of a directory."""
        ...

    def set_mode(self, path: str, mode: int) -> None:
        """Of a regular file or a directory, never through a symlink."""
        ...

    def set_mtime(self, path: str, mtime_ns: int) -> None:
        """Of a regular file or a directory, never through a symlink."""
        ...

    def mkdir(self, path: str, mode: int = 0o777) -> None: ...

    def rmdir(self, path: str) -> None: ...

    def unlink(self, path: str) -> None: ...

    def link(self, source: str, target: str) -> None:
        """A hard link; FileExistsError where `target` is."""
        ...

    def rename(self, source: str, target: str) -> None:
        """rename(2): replaces what is at `target`."""
        ...

    def rename_noreplace(self, source: str, target: str) -> None:
        """FileExistsError where `target` is. Where the kernel cannot: link and unlink, or check and rename."""
        ...

    def exchange(self, one: str, other: str) -> None:
        """Swaps two names atomically. OSError(EINVAL) where traits.exchange is False."""
        ...

    def sync_directory(self, path: str) -> None: ...

    def sync_all(self) -> None:
        """syncfs: everything written to this file system so far is durable when it returns."""
        ...

    def free_bytes(self) -> int:
        """Free space for us on the folder's file system."""
        ...
