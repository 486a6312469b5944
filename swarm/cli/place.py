"""Where this device's state is, and whether a daemon holds it."""

from __future__ import annotations

import fcntl
import os
import sys
from typing import TYPE_CHECKING

from swarm.disk.api_socket import find_socket
from swarm.disk.home import Home

if TYPE_CHECKING:
    from pathlib import Path


def home() -> Path:
    """The home of this process's environment, whether or not it exists."""
    return Home.locate(os.environ, sys.platform)


def socket_path(home: Path) -> Path:
    """Where a daemon of this home listens, if there is one."""
    return find_socket(home)


def locked(home: Path) -> bool:
    """Whether a daemon holds the home, be it starting, serving or ending. Makes nothing and writes nothing."""
    try:
        descriptor = os.open(home / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
