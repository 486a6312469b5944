"""Late writes: what a program writes, through a handle that it had open, into a file that was displaced meanwhile.

Such bytes land in history, where nobody looks for them. So each displaced file is looked at again once programs have
had time to close what they had open, and one that changed comes back as a conflict copy beside the name where it was,
or, if its directory has gone too, beside that: for the next scan it is a new file of the user's. The one in history
stays.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

from swarm.disk.assembler import drop
from swarm.disk.placement import Late, copy, late_writes
from swarm.ids import Kind, parent_of
from swarm.index.paths import below_git, conflict_name
from swarm.sync.files import OURS

if TYPE_CHECKING:
    from swarm.sync.files import FileSystem

LATE_SECONDS = 10.0  # from the displacement to the look; an editor that keeps a file open for longer writes to history
MAX_WATCHED = 10_000  # displaced files at once; beyond it the oldest are looked at early
DIGITS = 6


@dataclass(slots=True)
class LateWatch:
    """Displaced files that may still be written to. Used by one thread at a time."""

    _entries: list[tuple[float, Late]] = field(default_factory=list)  # in the order of their times

    def add(self, entries: list[Late], now: float) -> None:
        """`now`: seconds of a clock that never jumps."""
        self._entries += [(now + LATE_SECONDS, entry) for entry in entries]

    def next_due(self) -> float | None:
        """When to look; at once where there are too many."""
        if not self._entries:
            return None
        return 0.0 if len(self._entries) > MAX_WATCHED else self._entries[0][0]

    def look(self, files: FileSystem, device_name: str, now: float) -> list[str]:
        """Brings back what was written late. Returns the paths of the copies."""
        excess = len(self._entries) - MAX_WATCHED
        count = sum(when <= now for when, _ in self._entries)
        due, self._entries = self._entries[: max(count, excess)], self._entries[max(count, excess) :]
        changed = late_writes(files, [entry for _, entry in due])
        return [path for entry in changed if (path := _bring_back(files, entry, device_name))]


def _bring_back(files: FileSystem, entry: Late, device_name: str) -> str:
    """Copies it to a free conflict name; "" where it stays in history alone."""
    if entry.stat.kind is not Kind.FILE or below_git(entry.path):
        return ""  # a file more breaks a repository
    digest = blake2b(f"{entry.history}\0{entry.stat.mtime_ns}".encode("utf-8", "surrogateescape"), digest_size=32)
    path = conflict_name(_place(files, entry.path), device_name, digest.hexdigest(), DIGITS)
    temp = f"{OURS}/tmp/late-{digest.hexdigest()[:16]}"
    try:
        copy(files, entry.history, temp)
        _finish(files, temp, path, entry)
    except OSError:
        drop(files, temp)
        return ""
    return path


def _place(files: FileSystem, path: str) -> str:
    """That path, or the same name in the first directory above it that is still there."""
    name, directory = path.rpartition("/")[2], parent_of(path)
    while directory:
        try:
            if files.stat(directory).kind is Kind.DIRECTORY:
                return f"{directory}/{name}"
        except OSError:
            pass
        directory = parent_of(directory)
    return name


def _finish(files: FileSystem, temp: str, path: str, entry: Late) -> None:
    writer = files.reopen(temp)
    try:
        writer.set_mode(entry.stat.mode)
        writer.sync()
    finally:
        writer.close()
    files.rename_noreplace(temp, path)
    files.sync_directory(parent_of(path))
