"""What a user may ask about the past of a folder: its history, what was deleted, and local changes of a reader.

Listings read the disk and nothing else, in a thread; no member needs to be there. A restore acts as the user would. A
revert goes through the engine, which knows what the folder's version is.
"""

from __future__ import annotations

import asyncio
import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from swarm.disk.restore import restore_all
from swarm.disk.versions import deleted, versions_of
from swarm.errors import EXIT_FAILED, EXIT_HELD, EXIT_NOT_FOUND, EXIT_USAGE, UserError
from swarm.ids import Kind, parent_of
from swarm.sync.dirty import Dirty
from swarm.sync.events import Barrier, RevertWanted
from swarm.sync.files import OURS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from swarm.disk.safefs import SafeFileSystem
    from swarm.disk.versions import Version
    from swarm.ids import FolderId
    from swarm.node.folder_thread import FolderThread
    from swarm.node.shared_folder import SharedFolder

REVERT_WAIT = 10.0  # seconds for the folder's version to be back; without a member online it may never be
RESTORE_GROUP = 256  # files that share a sync, and for a moment have a copy more on the disk
NOTICE_WAIT = 60.0  # seconds for the engine to look at what the user did last


class HistoryRequests:
    """Implements `swarm.control.past.Past` for the node's folders."""

    def __init__(self, folders: Mapping[FolderId, SharedFolder], changed: asyncio.Condition) -> None:
        self._folders = folders
        self._changed = changed

    async def history(self, path: str) -> dict[str, Any]:
        folder, within = await asyncio.to_thread(self._locate, path)
        versions = await asyncio.to_thread(_versions, _files(folder), within, _absolute(folder, within))
        return {
            "folder": folder.name,
            "path": _absolute(folder, within),
            "versions": [_version_object(folder, version) for version in versions],
        }

    async def deleted(self, path: str, whole: bool) -> dict[str, Any]:
        folder, within = await asyncio.to_thread(self._locate, path)
        gone = await asyncio.to_thread(deleted, _files(folder), "" if whole else within)
        return {
            "folder": folder.name,
            "files": [
                {
                    "path": _absolute(folder, one.newest.path),
                    "deleted": _moment(one.newest.when_ms),
                    "size": one.newest.stat.size,
                    "versions": one.versions,
                }
                for one in gone
            ],
        }

    async def restore(self, path: str, version: str | None, at_ms: int, to: str | None) -> dict[str, Any]:
        folder, within = await asyncio.to_thread(self._locate, path)
        target = within
        if to is not None:
            other, target = await asyncio.to_thread(self._locate, to)
            if other is not folder:
                raise UserError(f"{to} is in another folder", "versions are restored within their own", EXIT_USAGE)
        if not target or target.split("/")[0] == OURS:
            raise UserError(f"{to or path} is no place for a file of the folder", "name a file in it", EXIT_USAGE)
        files, thread = _files(folder), _thread(folder)
        versions = await asyncio.to_thread(versions_of, files, within)
        if versions or version is not None or at_ms or to is not None:
            wanted = [(choose(versions, version, at_ms, _absolute(folder, within)), target)]
        else:  # a directory: all that is gone from it
            gone = await asyncio.to_thread(deleted, files, within)
            wanted = [(one.newest, one.newest.path) for one in gone]
        if not wanted:
            choose(versions, None, 0, _absolute(folder, within))
        rows = []
        for start in range(0, len(wanted), RESTORE_GROUP):
            group = wanted[start : start + RESTORE_GROUP]
            places = frozenset(place for _, place in group)
            try:
                kept = await asyncio.to_thread(restore_all, files, group, thread.chunk_key, time.time_ns)
            finally:  # of a group that failed, too, some may be there
                thread.post(Dirty(frozenset(parent_of(place) for place in places), places))
            rows += [
                {
                    "path": _absolute(folder, place),
                    "version": _version_object(folder, chosen),
                    "kept": _absolute(folder, before) if before else None,
                }
                for (chosen, place), before in zip(group, kept, strict=True)
            ]
        return {"folder": folder.name, "restored": rows}

    async def revert(self, path: str, whole: bool) -> dict[str, Any]:
        folder, within = await asyncio.to_thread(self._locate, path)
        thread = _thread(folder)
        if folder.keys.role.word not in ("read", "blind"):
            raise UserError(
                f"{folder.name} may be changed by this device, so it has no local changes",
                "swarm history PATH lists earlier versions, swarm restore PATH brings one back",
                EXIT_USAGE,
            )
        await self._until_noticed(thread, await asyncio.to_thread(thread.flush))
        before = thread.status.local_changes if thread.status else 0
        thread.post(RevertWanted("" if whole else within))
        barrier = thread.next_barrier()
        thread.post(Barrier(barrier))
        await self._until_noticed(thread, barrier)
        after = thread.status.local_changes if thread.status else 0
        return {"reverted": before - after, "left": after, "done": await self._until_done(thread)}

    # -- inside

    async def _until_noticed(self, thread: FolderThread, barrier: int) -> None:
        try:
            async with asyncio.timeout(NOTICE_WAIT), self._changed:
                while thread.status is None or thread.status.barrier < barrier:
                    await self._changed.wait()
        except TimeoutError:
            raise UserError("the folder is still being looked at", "try again later", EXIT_FAILED) from None

    async def _until_done(self, thread: FolderThread) -> bool:
        try:
            async with asyncio.timeout(REVERT_WAIT), self._changed:
                while thread.status is None or thread.status.need_files:
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def _locate(self, path: str) -> tuple[SharedFolder, str]:
        """The folder that an absolute path is in, and the path within it. A link at its end is not followed."""
        beside = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        for folder in self._folders.values():
            root = folder.real.rstrip("/")
            if beside.startswith(root + "/"):
                return folder, beside[len(root) + 1 :]
        for folder in self._folders.values():
            if os.path.realpath(path) == folder.real:
                return folder, ""
        raise UserError(f"{path} is in no shared folder", "swarm status lists them", EXIT_NOT_FOUND)


def choose(versions: list[Version], version: str | None, at_ms: int, path: str) -> Version:
    """Of a path's versions, newest first, the one that is meant: by id, or what was there at a time, or the newest.

    at_ms: Unix time in milliseconds; 0 where none was said. Raises UserError.
    """
    hint = "swarm history PATH lists what there is"
    if not versions:
        raise UserError(f"history has nothing of {path}", "swarm deleted lists what it has", EXIT_NOT_FOUND)
    if version is not None:
        found = [one for one in versions if one.id == version.lower()]
        if len(found) != 1:
            raise UserError(
                f"{path} has {'more than one' if found else 'no'} version {version!a}", hint, EXIT_NOT_FOUND
            )
        return found[0]
    if not at_ms:
        return versions[0]
    later = [one for one in versions if one.when_ms >= at_ms]  # what was there then was replaced later
    if not later:
        raise UserError(f"history has no later change of {path}: the version of then is the last one", hint)
    return later[-1]


def _versions(files: SafeFileSystem, path: str, shown: str) -> list[Version]:
    """Of a file; none where it was never replaced. shown: the path as the user knows it. Raises UserError."""
    kind = _kind(files, path)
    if not path or kind is Kind.DIRECTORY:
        raise UserError("history is kept for files", "swarm deleted PATH lists what a directory had", EXIT_USAGE)
    versions = versions_of(files, path)
    if kind is None and not versions:
        hint = "is the name right? swarm deleted lists what history has and the folder has not"
        raise UserError(f"there is no {shown}, and history has nothing of it", hint, EXIT_NOT_FOUND)
    return versions


def _kind(files: SafeFileSystem, path: str) -> Kind | None:
    """Of what is there; None where nothing is."""
    try:
        return files.stat(path).kind
    except OSError:
        return None


def _thread(folder: SharedFolder) -> FolderThread:
    if folder.thread is None:
        raise UserError(f"{folder.name} is paused", "swarm resume goes on", EXIT_HELD)
    return folder.thread


def _files(folder: SharedFolder) -> SafeFileSystem:
    return _thread(folder).reading()


def _absolute(folder: SharedFolder, within: str) -> str:
    return os.path.join(folder.root, within) if within else folder.root


def _version_object(folder: SharedFolder, version: Version) -> dict[str, Any]:
    return {
        "id": version.id,
        "time": _moment(version.when_ms),
        "size": version.stat.size,
        "modified": _moment(version.stat.mtime_ns // 1_000_000),
        "kind": "link" if version.stat.kind is Kind.SYMLINK else "file",
        "place": _absolute(folder, version.place),
    }


def _moment(when_ms: int) -> str:
    """RFC 3339, UTC, to the millisecond; the ends of the calendar for what is beyond them."""
    seconds, rest = divmod(min(max(when_ms, 0), 253_402_300_799_999), 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"
