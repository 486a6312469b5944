"""Paths as a user types them, made absolute and checked before a daemon is started or asked.

The daemon has another current directory and perhaps another idea of `~`, so it is only ever given absolute paths. Links
are left for it to resolve.
"""

from __future__ import annotations

import os
import stat

from swarm.errors import EXIT_FAILED, EXIT_USAGE, UserError


def absolute(path: str) -> str:
    """`path` without `~`, relative parts and `..`. Raises UserError for one that cannot be a folder's."""
    if not path:
        raise UserError("the path is empty", "write . for the current directory", EXIT_USAGE)
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"the path {path!a} is not UTF-8", "rename that directory; names inside a folder are UTF-8 too", EXIT_USAGE
        ) from error
    expanded = os.path.expanduser(path)
    place = expanded if os.path.isabs(expanded) else os.path.join(_current(), expanded)
    # link/.. is beside the link's target, which normpath does not know
    return os.path.realpath(place) if ".." in place.split(os.sep) else os.path.normpath(place)


def folder_or_current(path: str | None) -> str:
    """The path that names a shared folder: where the user stands, when it was left out. It need not be there, for the
    folder's disk may be away. Raises UserError."""
    return absolute(_current() if path is None else path)


def directory_to_be(path: str) -> str:
    """The path of a directory that is readable, or that can still be made. Raises UserError otherwise."""
    place = absolute(path)
    mode = _mode(place)
    if mode is None:
        return place
    if not stat.S_ISDIR(mode):
        raise UserError(
            f"{place} is not a directory", "a folder is a whole directory; name the one it is in", EXIT_USAGE
        )
    if not os.access(place, os.R_OK | os.X_OK):
        raise UserError(f"{place} may not be read by you", "change its permissions, or run swarm as its owner")
    return place


def _mode(place: str) -> int | None:
    """What is at the end of links at `place`; None for nothing."""
    try:
        return os.stat(place).st_mode
    except FileNotFoundError:
        if os.path.islink(place):
            raise UserError(f"{place} is a link to nothing", "mend it, or name its target", EXIT_USAGE) from None
        return None
    except NotADirectoryError as error:
        raise UserError(f"{place} goes through a file", "name a directory", EXIT_USAGE) from error
    except OSError as error:
        raise UserError(f"{place}: {error.strerror}", "is it the right path?", EXIT_FAILED) from error


def _current() -> str:
    try:
        return os.getcwd()
    except OSError as error:
        raise UserError("the current directory is gone", "cd somewhere else, or name a path") from error
