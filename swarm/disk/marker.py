"""What marks a directory as a shared folder of ours, and tells whether it is still there.

    .swarm/folder-id    the folder's id in hex: the marker
    .swarm/lock         held by the daemon that owns the folder: its pid and its home
    .swarm/tmp/         files on their way in
    .swarm/history/     earlier versions

The marker is made once, by share or join. It is never made again at a start: a root without it is a disk that is not
mounted, and to take its emptiness for deletions would empty the folder everywhere.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, NamedTuple

from swarm.disk.durable import open_directory, read_small, sync_directory, write_durably
from swarm.disk.lock import FileLock, LockHeld
from swarm.errors import Unavailable, UserError
from swarm.ids import FOLDER_ID_BYTES, FolderId, short
from swarm.sync.files import OURS

if TYPE_CHECKING:
    from collections.abc import Callable

MARKER = "folder-id"
LOCK = "lock"
TEMPS = "tmp"
HISTORY = "history"

MARKER_LIMIT = 256  # bytes read: a marker has 33

Reason = Literal["missing", "unreadable", "moved", "unmarked", "foreign"]


class Unhealthy(Unavailable):
    """The folder is not safely there now: nothing of it is scanned, deleted or fetched."""

    def __init__(self, reason: Reason, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.reason = reason


Place = tuple[int, int]  # st_dev and st_ino of a directory


class Sight(NamedTuple):
    """What one look at a root has shown."""

    place: Place
    text: bytes | None  # of the marker; None where there is none


def lay_out(root: str, folder: FolderId) -> None:
    """Makes `.swarm` and the marker in an existing directory; what is there already stays.

    root: absolute. Raises UserError where the directory belongs to another folder or cannot be written.
    """
    try:
        with open_directory(root) as top:
            _make_directory(OURS, top)
            with open_directory(OURS, top) as ours:
                for name in (TEMPS, HISTORY):
                    _make_directory(name, ours)
                text = _text(ours)
                if text is None:
                    write_durably(ours, MARKER, marker_text(folder))
                elif _parsed(text) != folder:
                    raise UserError(
                        f"{root} is shared already, as another folder",
                        f"If it is not, remove {root}/{OURS} and try again.",
                    )
    except OSError as error:
        raise UserError(f"{root} cannot be shared: {error.strerror}") from error


def remove(root: str) -> bool:
    """The directory is no shared folder any more; all else in it stays. False where there is no marker to remove.

    Raises OSError.
    """
    try:
        with open_directory(root) as top, open_directory(OURS, top) as ours:
            os.unlink(MARKER, dir_fd=ours)
            sync_directory(ours)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def read(root: str) -> FolderId | None:
    """The folder whose marker is in a directory; b"" for a marker that cannot be one. Raises OSError."""
    with open_directory(root) as top:
        text = _text_below(top)
    return _parsed(text) if text is not None else None


def claim(root: str, home: str) -> FileLock:
    """The folder is ours alone until the lock is released. Raises UserError where another daemon has it."""
    try:
        with open_directory(root) as top, open_directory(OURS, top) as ours:
            return FileLock(LOCK, f"{os.getpid()}\n{home}\n", ours)
    except LockHeld as error:
        pid, _, other = error.note.rstrip("\n").partition("\n")
        who = f"process {pid}, whose home is {other}" if other else "another process"
        raise UserError(f"{root} is already kept in step by {who}", "Stop that one first.") from error
    except OSError as error:
        raise UserError(
            f"{root} cannot be locked: {error.strerror}",
            "Two daemons must never share one folder; use a file system with locks that you may write to.",
        ) from error


def look(root: str) -> Sight:
    """What is at the root now. Raises OSError."""
    with open_directory(root) as top:
        here = os.fstat(top)
        with os.scandir(top) as names:  # a directory that opens may still fail to be read
            next(names, None)
        return Sight((here.st_dev, here.st_ino), _text_below(top))


def check(root: str, folder: FolderId, place: Place | None = None, seen: Callable[[], Sight] | None = None) -> Place:
    """Returns which directory it is, if that is the folder and the one it was. Raises Unhealthy with the reason.

    place: what it returned when this run began, None then: another directory may hold the same folder, copied or
    brought back, but what is open is still the old one. seen: how to look, raising OSError; at the root by default.
    """
    try:
        sight = seen() if seen is not None else look(root)
    except OSError as error:
        raise _absent(root, error) from error
    if place is not None and sight.place[0] != place[0]:
        raise Unhealthy("moved", f"{root} is on another disk than before", "Mount its disk again, or start swarm anew.")
    if sight.text is None:
        raise Unhealthy("unmarked", f"{root} has no marker: its disk may not be mounted", "Mount it; nothing is lost.")
    if _parsed(sight.text) != folder:
        raise Unhealthy("foreign", f"{root} holds another folder than {short(folder)}", "Put the right one there.")
    if place is not None and sight.place != place:
        raise Unhealthy("moved", f"{root} is another directory than before", "It is opened anew in a moment.")
    return sight.place


def _absent(root: str, error: OSError) -> Unhealthy:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return Unhealthy("missing", f"{root} is not there", "Bring the directory back; nothing is lost.")
    return Unhealthy("unreadable", f"{root} cannot be read: {error.strerror}", "See to its permissions and its disk.")


def marker_text(folder: FolderId) -> bytes:
    """What the marker of a folder holds."""
    return folder.hex().encode() + b"\n"


def _text_below(top: int) -> bytes | None:
    try:
        with open_directory(OURS, top) as ours:
            return _text(ours)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _text(ours: int) -> bytes | None:
    try:
        return read_small(ours, MARKER, MARKER_LIMIT)
    except FileNotFoundError:
        return None


def _parsed(text: bytes) -> FolderId:
    """b"" for a marker that cannot be one."""
    try:
        found = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        return FolderId(b"")
    return FolderId(found if len(found) == FOLDER_ID_BYTES else b"")


def _make_directory(name: str, within: int) -> None:
    """Only for its owner: history and temps hold what the folder's own permissions may have guarded."""
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=within)
    with open_directory(name, within):
        pass  # and it is a directory, not a link to one
