"""History: where a file goes that was replaced or removed on behalf of another device.

    .swarm/history/<directory of the path>/<stem>~<UTC time, yyyymmdd-hhmmss-mmm>~<6 hex digits><.extension>

The extension stays last, so that a file manager opens what it finds; the directory stays the same, so that all earlier
versions of a path are found in one listing. What is in history is never written to and never renamed over: a name is
taken only where nothing is. A full disk does not matter here, since moving a file there costs no space.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from swarm.ids import join_path, name_of, parent_of
from swarm.sync.files import HISTORY, OURS

if TYPE_CHECKING:
    from swarm.sync.files import FileSystem

MAX_NAME = 255  # bytes of one component: NAME_MAX of every file system in use
MAX_EXTENSION = 32  # bytes, dot included: more is part of the name, not a type of file
MAX_TRIES = 64  # names tried for one file; the second is only needed when one path is displaced twice in a millisecond

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS = 253_402_300_799_999  # the end of the year 9999
_NAME = re.compile(
    r"(?P<stem>.*)~(?P<time>\d{8}-\d{6})-(?P<ms>\d{3})~(?P<unique>[0-9a-f]{6})(?P<ext>\..+)?\Z", re.DOTALL
)


class Displaced(NamedTuple):
    """What the name of a file in history says."""

    name: str  # as it was; of one that had to be cut to fit, what was left of it
    when_ms: int  # Unix time, milliseconds
    unique: str


def history_path(path: str, now_ms: int, unique: str) -> str:
    """Where what is at `path` goes at `now_ms` (Unix time, milliseconds). `unique`: 6 hex digits."""
    stem, extension = _split(name_of(path))
    moment = _EPOCH + timedelta(milliseconds=min(max(now_ms, 0), _LAST_MS))
    tail = f"~{moment:%Y%m%d-%H%M%S}-{moment.microsecond // 1000:03d}~{unique}{extension}"
    name = _cut(stem, MAX_NAME - len(tail.encode())) + tail
    return join_path(join_path(HISTORY, parent_of(path)).rstrip("/"), name)


def parse(name: str) -> Displaced | None:
    """What a name in history (its last component) says; None where it is not of our making."""
    found = _NAME.match(name)
    if found is None:
        return None
    try:
        moment = datetime.strptime(found["time"], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    when_ms = (moment - _EPOCH) // timedelta(milliseconds=1) + int(found["ms"])
    return Displaced(found["stem"] + (found["ext"] or ""), when_ms, found["unique"])


def free_place(files: FileSystem, path: str, now_ns: int) -> tuple[str, list[str]]:
    """A place in history for what is at `path`, where nothing is, and the directories in which it made a name for that.

    OSError when the directories cannot be made, FileExistsError when there is no end of names that are taken.
    """
    for attempt in range(MAX_TRIES):
        unique = blake2b(f"{path}\0{now_ns}\0{attempt}".encode("utf-8", "surrogateescape"), digest_size=3).hexdigest()
        place = history_path(path, now_ns // 1_000_000, unique)
        made = ensure_directory(files, parent_of(place)) if attempt == 0 else []
        try:
            files.stat(place)
        except FileNotFoundError:
            return place, made
    raise FileExistsError(f"history has no free name for {path}")


def ensure_directory(files: FileSystem, directory: str) -> list[str]:
    """Makes a directory of ours with all above it; returns those in which it made a name, which want syncing."""
    try:
        files.stat(directory)
        return []  # a name in the way, if it is no directory, is for the caller to stumble over
    except FileNotFoundError:
        if directory == OURS:
            raise  # it holds the marker and is made once: without it the folder is not there, and nothing is made anew
    parent = parent_of(directory)
    made = ensure_directory(files, parent) if parent else []
    try:
        files.mkdir(directory, 0o700)
    except FileExistsError:
        return made
    return [*made, parent]


def _split(name: str) -> tuple[str, str]:
    stem, dot, extension = name.rpartition(".")
    if not stem.strip(".") or not extension or len(extension.encode()) + 1 > MAX_EXTENSION:
        return name, ""
    return stem, dot + extension


def _cut(text: str, size: int) -> str:
    """The longest beginning of `text` that has at most `size` bytes of UTF-8."""
    return text.encode()[:size].decode(errors="ignore")
