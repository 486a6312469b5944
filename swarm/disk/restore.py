"""Restores a version from history, the way a user would who copies it back: what is there now goes to history first.

The version stays in history. The copy has its mode and time. For the engine it is an edit of this device's user like
any other: it becomes a new version on top of the one that it replaces, and goes to everybody.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from swarm.disk import hasher
from swarm.disk.assembler import drop
from swarm.disk.placement import SYNC_ALL_FROM, Made, Placement, Raced, Refused, Unseen, copy
from swarm.disk.refusal import sentence
from swarm.errors import EXIT_FAILED, EXIT_USAGE, UserError
from swarm.ids import Kind, parent_of
from swarm.sync.events import Hash, Hashed
from swarm.sync.files import OURS
from swarm.sync.store import Local

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from swarm.disk.versions import Version
    from swarm.sync.files import FileSystem, Stat

DIRECTORY_MODE = 0o755  # of directories that are gone


def restore(files: FileSystem, version: Version, path: str, chunk_key: bytes, now_ns: Callable[[], int]) -> str:
    """Puts a copy of `version` at `path`. Returns where in history that is which was there, or "". Raises UserError."""
    return restore_all(files, [(version, path)], chunk_key, now_ns)[0]


def restore_all(
    files: FileSystem, wanted: Sequence[tuple[Version, str]], chunk_key: bytes, now_ns: Callable[[], int]
) -> list[str]:
    """The same for each of a group, with one sync for all contents and one for all names. Raises UserError for the
    first that cannot be restored; those before it are."""
    placement = Placement(files, chunk_key, now_ns)
    many = len(wanted) >= SYNC_ALL_FROM
    temps: list[str] = []
    kept: list[str] = []
    path = wanted[0][1]  # the one of which an error speaks
    try:
        for version, place in wanted:
            path = place
            temps.append(f"{OURS}/tmp/restore-{version.id}-{now_ns():x}-{len(temps)}")
            _make(files, version, temps[-1], durable=not many)
        if many:
            files.sync_all()
        try:
            for temp, (_, path) in zip(temps, wanted, strict=True):
                _make_directories(files, parent_of(path))
                kept.append(_place(files, temp, path, placement))
        finally:
            placement.settle()
    except (Raced, FileExistsError) as error:
        raise UserError(f"{path} changed just now, and was not restored", "try again", EXIT_FAILED) from error
    except Refused as refusal:
        raise UserError(f"{path} cannot be restored: {refusal.why}") from refusal
    except OSError as error:
        if error.errno == errno.ENOTDIR:
            raise UserError(
                f"a part of {path} is a file now", "swarm restore --to restores to another name", EXIT_USAGE
            ) from error
        raise UserError(f"{path} cannot be restored: {sentence(error)}") from error
    finally:
        for temp in temps:
            drop(files, temp)
    return kept


def _make(files: FileSystem, version: Version, temp: str, durable: bool) -> None:
    """The copy, with all that it shall have."""
    if version.stat.kind is Kind.SYMLINK:
        files.symlink(files.read_link(version.place), temp)
        return
    copy(files, version.place, temp)
    writer = files.reopen(temp)
    try:
        writer.set_mode(version.stat.mode)
        writer.set_mtime(version.stat.mtime_ns)
        if durable:
            writer.sync()
    finally:
        writer.close()


def _make_directories(files: FileSystem, directory: str) -> None:
    if not directory:
        return
    try:
        files.stat(directory)
    except FileNotFoundError:
        _make_directories(files, parent_of(directory))
        files.mkdir(directory, DIRECTORY_MODE)


def _place(files: FileSystem, temp: str, path: str, placement: Placement) -> str:
    try:
        now = files.stat(path)
    except FileNotFoundError:
        placement.fill(temp, path)
        return ""
    if now.kind not in (Kind.FILE, Kind.SYMLINK):
        raise UserError(f"{path} is a directory now", "swarm restore --to restores to another name", EXIT_USAGE)
    try:
        expected = _expected(files, path, now, placement.chunk_key)
        return placement.replace(Made(temp, files.stat(temp)), path, expected)
    except Unseen as unseen:  # all the same, it is restored
        return unseen.history


def _expected(files: FileSystem, path: str, now: Stat, chunk_key: bytes) -> Local:
    """What is at `path`, read, so that a write in the same tick of the clock as the last one is noticed."""
    found = hasher.read(files, Hash(path, now), chunk_key)
    if not isinstance(found, Hashed):
        raise UserError(f"{path} is being written to: {found.why}", "try again when that is done", EXIT_FAILED)
    return Local(
        kind=Kind.SYMLINK if now.kind is Kind.SYMLINK else Kind.FILE,
        size=now.size,
        mode=now.mode,
        mtime_ns=now.mtime_ns,
        ctime_ns=now.ctime_ns,
        inode=now.inode,
        content=found.content,
        target=found.target,
        installed=(),
    )
