"""Where this device's state is, and who holds it: the home directory, its socket and its lock."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path


def home() -> Path:
    return Path(os.environ["SWARM_HOME"]).absolute()


def socket_path(home: Path) -> Path:
    return home / "api.sock"


def make_home(home: Path) -> None:
    home.mkdir(mode=0o700, parents=True, exist_ok=True)


class _Lock(contextlib.AbstractContextManager[None]):
    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)


def try_lock(home: Path) -> _Lock | None:
    fd = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return _Lock(fd)


def locked(home: Path) -> bool:
    try:
        lock = try_lock(home)
    except FileNotFoundError:
        return False
    if lock is None:
        return True
    lock.__exit__()
    return False
