"""Finds the daemon of this home, and starts it in the background for the commands that may.

There is never a second daemon, however many commands start one at once: a daemon holds the home's lock from before its
heavy imports until its end, and one that finds it taken leaves with exit code `ALREADY`. So a starter needs no lock of
its own: it starts, waits for an answer on the socket from whichever daemon won, and starts again when the one that held
the lock was on its way out.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

from swarm.cli import place
from swarm.control.client import Client, NotRunning
from swarm.errors import EXIT_FAILED, EXIT_HELD, UserError

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

ALREADY: Final = 75  # EX_TEMPFAIL: `run --detached` found the lock taken; never seen by users
START_TIMEOUT: Final = 30.0  # seconds; a cold disk and a big database take a few
LOOK: Final = 0.02  # seconds between two looks at the socket
LOG: Final = "daemon.log"
MAX_LOG: Final = 4 << 20  # bytes; a larger one is put aside at the next start, once
TAIL: Final = 16 << 10  # bytes of it that are looked at when a daemon dies


def daemon() -> Client:
    """The daemon of this home, whether it runs or not: a call says so."""
    return Client(place.socket_path(place.home()))


def running_daemon() -> Client:
    """The daemon of this home, started if need be. Raises UserError with the reason when it does not start."""
    home = place.home()
    client = Client(place.socket_path(home))
    if answers(client):
        return client
    place.make_home(home)
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        began = _put_aside(home / LOG)
        child = _start(home)
        while time.monotonic() < deadline:
            if answers(client):
                return client
            code = child.poll()
            if code == ALREADY:
                time.sleep(5 * LOOK)
                break
            if code is not None:
                raise _why_it_died(home / LOG, began, code)
            time.sleep(LOOK)
    raise UserError(
        f"the daemon does not answer after {START_TIMEOUT:.0f} seconds", f"its log is {home / LOG}", EXIT_FAILED
    )


def answers(client: Client) -> bool:
    """Whether a daemon answers. Raises UserError when there is one that we cannot speak to."""
    try:
        client.ping()
    except NotRunning:
        return False
    return True


def command() -> list[str]:
    """What runs the daemon. -P: no module from the current directory, which may be a folder that others write to."""
    import sys

    return [sys.executable, "-P", "-m", "swarm", "run", "--detached"]


def _start(home: Path) -> subprocess.Popen[bytes]:
    """The daemon, in a session of its own and with its streams away from ours: `key=$(swarm share ~/Docs)` returns."""
    import subprocess

    descriptor = os.open(home / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        return subprocess.Popen(
            command(),
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            cwd="/",  # so that it keeps no disk busy
            env={**os.environ, "SWARM_HOME": str(home)},
            start_new_session=True,
        )
    finally:
        os.close(descriptor)


def _put_aside(log: Path) -> int:
    """Renames a log that grew too large. Returns the size of the one that the next daemon appends to."""
    try:
        size = log.stat().st_size
        if size <= MAX_LOG:
            return size
        log.replace(log.with_suffix(".log.1"))
    except FileNotFoundError:
        pass  # the first start, or another starter was faster
    return 0


def _why_it_died(log: Path, began: int, code: int) -> UserError:
    """The error that the daemon wrote before it died, or the last line of whatever it wrote. began: log size then."""
    with log.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(min(began, size), size - TAIL))
        lines = [line for line in stream.read(TAIL).decode("utf-8", "replace").splitlines() if line.strip()]
    said = [line.removeprefix("swarm: error: ") for line in lines if line.startswith("swarm: error: ")]
    hints = [line.removeprefix("swarm: hint: ") for line in lines if line.startswith("swarm: hint: ")]
    if said:
        exit_code = code if EXIT_FAILED <= code <= EXIT_HELD else EXIT_FAILED
        return UserError(
            f"the daemon did not start: {said[-1]}", hints[-1] if hints else f"its log is {log}", exit_code
        )
    last = f": {lines[-1].strip()}" if lines else f" (exit code {code})"
    return UserError(f"the daemon did not start{last}", f"its log is {log}")
