"""A lock that says who holds it: flock(2) on a file with a note inside.

The kernel lets go when the process ends, however it ends, so there are no stale locks. The file is never removed: a
second process might hold the lock of the removed file, and a third that of a new one.
"""

from __future__ import annotations

import fcntl
import os

from swarm.errors import UserError

_NOTE_BYTES = 8_192  # a pid and a path


class LockHeld(UserError):
    """Another process holds the lock."""

    def __init__(self, note: str) -> None:
        super().__init__("another process holds the lock", "Stop it first.")
        self.note = note  # what the holder wrote into the file; "" before it has


class FileLock:
    """A lock, held until `release` or the end of the process."""

    def __init__(self, path: str | os.PathLike[str], note: str, within: int | None = None) -> None:
        """Creates the file if need be; `path` is relative to the open directory `within` if there is one.

        Raises LockHeld, and OSError where it cannot be opened or its file system has no locks.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd = os.open(path, flags, 0o600, dir_fd=within)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, os.fsencode(note), 0)
        except BlockingIOError:
            held = os.pread(self._fd, _NOTE_BYTES, 0)
            self.release()
            raise LockHeld(os.fsdecode(held)) from None
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Lets go; a second call does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
