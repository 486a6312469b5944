"""Where a folder may be on this disk: the directory for share, the directory for join, and what is wrong with them."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

from swarm.disk import marker
from swarm.errors import EXIT_HELD, EXIT_NOT_FOUND, EXIT_USAGE, UserError

if TYPE_CHECKING:
    from swarm.ids import FolderId


def make_root(path: str) -> str:
    """The real path of a directory to share, created if it is missing."""
    try:
        os.makedirs(path, exist_ok=True)
    except FileExistsError:
        raise UserError(f"{path} is a file", "name a directory", EXIT_USAGE) from None
    except NotADirectoryError:
        raise UserError(f"a part of {path} is a file", "name a directory", EXIT_USAGE) from None
    except OSError as error:
        raise UserError(
            f"{path} cannot be created: {error.strerror}", "choose a place that you may write to"
        ) from error
    return checked_root(path)


def checked_root(path: str) -> str:
    root = os.path.realpath(path)
    if not os.path.isdir(root):
        raise UserError(f"{path} is not a directory", "name a directory", EXIT_USAGE)
    if not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        raise UserError(f"{path} cannot be read and written", "see to its permissions")
    return root


def join_root(path: str | None, name: str, merge: bool) -> str:
    """Where a folder that is joined goes."""
    chosen = Path(path) if path is not None else Path.home() / name
    if chosen.exists() and not chosen.is_dir():
        raise UserError(f"{chosen} is a file", "name a directory", EXIT_USAGE)
    files = [entry for entry in _names(chosen) if entry != ".swarm"]
    if files and path is None:
        raise UserError(f"{chosen} has files already", "name the directory to merge with", EXIT_USAGE)
    if files and not merge:
        raise UserError(f"{chosen} has files already", "swarm join --yes merges without asking", EXIT_HELD)
    return make_root(str(chosen))


def _names(directory: Path) -> list[str]:
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"{directory} cannot be read: {error.strerror}", "see to its permissions") from error


def marker_of(root: str) -> FolderId | None:
    try:
        return marker.read(root)
    except OSError:
        return None


def move_root(old: str, new: str, folder: FolderId) -> str:
    """The real path of where the folder lives from now on: it was moved there already, or is moved now.

    old, new: absolute. Raises UserError, with nothing moved.
    """
    here, there = marker_of(old) == folder, marker_of(new)
    if there == folder and here and not os.path.samefile(old, new):
        raise UserError(f"{old} and {new} both hold this folder", "remove the copy that is not to be kept in step")
    if there == folder:
        return checked_root(new)
    if there is not None:
        raise UserError(f"{new} is another shared folder", "name a place that is free")
    if not here:
        raise UserError(
            f"this folder is neither in {old} nor in {new}", "bring its directory to one of the two", EXIT_NOT_FOUND
        )
    if os.path.lexists(new):
        raise UserError(f"{new} is there already", "name a place that is free", EXIT_USAGE)
    if os.path.realpath(new).startswith(os.path.realpath(old) + "/"):
        raise UserError(f"{new} is inside of {old}", "name a place outside of it", EXIT_USAGE)
    try:
        os.rename(old, new)
    except OSError as error:
        hint = "move the directory yourself, then say this again"
        if error.errno == errno.ENOENT:
            hint = f"make {os.path.dirname(new)} first"
        raise UserError(f"{old} cannot be moved to {new}: {error.strerror}", hint) from error
    return checked_root(new)
