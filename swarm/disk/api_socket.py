"""Where the daemon's API socket is. A Unix socket's path has room for 108 bytes, a home's path may be longer.

A home that is short enough holds `api.sock`. Otherwise the socket is in a directory of our own below XDG_RUNTIME_DIR or
/tmp, and the file `api.path` in the home says where: a command may run in another environment than the daemon.
In /tmp anybody may have made that directory before us: one that is not ours alone is refused.
"""

from __future__ import annotations

import os
import stat
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from swarm.disk.durable import open_directory, write_durably
from swarm.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

SOCKET_PATH_BYTES = 103  # Linux has 108 and macOS 104, both with a NUL at the end

_NAME = "api.sock"
_POINTER = "api.path"


def find_socket(home: Path) -> Path:
    """Where a daemon with this home listens, if there is one. Raises UserError where somebody else may listen."""
    try:
        elsewhere = Path(os.fsdecode((home / _POINTER).read_bytes()))
    except OSError:
        return home / _NAME
    if elsewhere.parent.exists():
        _check_ours(elsewhere.parent)
    return elsewhere


def choose_socket(home: Path, environ: Mapping[str, str]) -> Path:
    """Where to listen, in a directory that is ours alone; noted in the home when that is elsewhere.

    Only under the home's lock. Raises UserError and OSError.
    """
    if _fits(home / _NAME):
        (home / _POINTER).unlink(missing_ok=True)
        return home / _NAME
    socket = _short_directory(home, environ) / _NAME
    with open_directory(home) as directory:
        write_durably(directory, _POINTER, os.fsencode(socket))
    return socket


def _short_directory(home: Path, environ: Mapping[str, str]) -> Path:
    name = blake2b(os.fsencode(home), digest_size=8, person=b"swarm1.socket").hexdigest()
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    inside = Path(runtime) / f"swarm-{name}"
    if not (os.path.isabs(runtime) and os.path.isdir(runtime) and _fits(inside / _NAME)):
        inside = Path(f"/tmp/swarm-{os.geteuid()}-{name}")
    try:
        inside.mkdir(0o700)
    except FileExistsError:
        _check_ours(inside)
    return inside


def _check_ours(directory: Path) -> None:
    found = directory.lstat()  # a link is not ours, wherever it leads
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise UserError(
            f"{directory} may be somebody else's, so the daemon cannot be reached safely through it",
            "Remove it, or set SWARM_HOME to a shorter path.",
        )


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= SOCKET_PATH_BYTES
