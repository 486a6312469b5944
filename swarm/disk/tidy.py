"""Tidies history: removes what retention lets go, and directories of history that have been empty for a while."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from swarm.disk.retention import HOUR_MS, to_drop
from swarm.disk.versions import all_versions, versions_of
from swarm.ids import Kind, join_path
from swarm.sync.files import HISTORY

if TYPE_CHECKING:
    from swarm.sync.files import FileSystem

MAX_DROPPED = 4096  # files in one go: the rest has time until the next, and nobody waits for it


_ENDLESS = 1 << 62  # bytes


def tidy(files: FileSystem, now_ms: int, total: int) -> tuple[str, ...]:
    """Returns what was removed, the oldest first. `now_ms`: Unix time, milliseconds; `total`: bytes of the disk."""
    versions = to_drop(all_versions(files), now_ms, total, files.free_bytes())
    dropped: list[str] = []
    for version in sorted(versions, key=lambda one: one.when_ms)[:MAX_DROPPED]:
        with suppress(OSError):
            files.unlink(version.place)
            dropped.append(version.place)
    _remove_empty(files, HISTORY, now_ms)
    return tuple(dropped)


def tidy_path(files: FileSystem, path: str, now_ms: int) -> tuple[str, ...]:
    """The same for the versions of one path, which is replaced again and again: not by size, but at once."""
    dropped: list[str] = []
    for version in to_drop(versions_of(files, path), now_ms, _ENDLESS, _ENDLESS):
        with suppress(OSError):
            files.unlink(version.place)
            dropped.append(version.place)
    return tuple(dropped)


def _remove_empty(files: FileSystem, directory: str, now_ms: int) -> None:
    """Below `directory`. One in which a name changed within the hour stays: the installer may be about to use it."""
    with suppress(OSError):
        for name, stat in files.scan(directory).items():
            if stat.kind is not Kind.DIRECTORY:
                continue
            below = join_path(directory, name)
            _remove_empty(files, below, now_ms)
            if now_ms - stat.mtime_ns // 1_000_000 > HOUR_MS:
                with suppress(OSError):
                    files.rmdir(below)
