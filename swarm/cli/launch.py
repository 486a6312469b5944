"""Finds the daemon of this home, and starts it in the background for the commands that may.

There is never a second daemon, however many commands start one at once: a daemon holds the home's lock from before its
heavy imports until its end, and one that finds it taken leaves with exit code `ALREADY`. So a starter needs no lock of
its own: it starts, waits for an answer on the socket from whichever daemon won, and starts again when the one that held
the lock was on its way out.

What a daemon says before it has its home goes to a nameless file, and to `daemon.log` in the home from then on: a
directory that turns out not to be a home gets no log.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, BinaryIO, Final

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
TAIL: Final = 16 << 10  # bytes of it that are looked at when a daemon dies


def daemon() -> Client:
    """The daemon of this home, whether it runs or not: a call says so."""
    return Client(place.socket_path(place.home()))


def running_daemon() -> Client:
    """The daemon of this home, started if need be. Raises UserError with the reason when it does not start."""
    home = place.home()
    if client := _answering(home):
        return client
    import tempfile

    deadline = time.monotonic() + START_TIMEOUT
    log = home / LOG
    with tempfile.TemporaryFile() as words:
        child = None
        while time.monotonic() < deadline:
            if child is None:
                began = _size(log)
                child = _start(home, words)
            if client := _answering(home):
                return client
            code = child.poll()
            if code == ALREADY:
                child = None  # its holder answers soon, or ends
            elif code is not None:
                raise _why_it_died([_tail(words, 0), _tail_of(log, began)], log, code)
            time.sleep(LOOK)
    raise UserError(f"the daemon does not answer after {START_TIMEOUT:.0f} seconds", f"its log is {log}")


def command() -> list[str]:
    """What runs the daemon. -P: no module from the current directory, which may be a folder that others write to."""
    import sys

    return [sys.executable, "-P", "-m", "swarm", "run", "--detached"]


def _answering(home: Path) -> Client | None:
    """The daemon, if one answers. Raises UserError when there is one that we cannot speak to."""
    client = Client(place.socket_path(home))  # looked up each time: a new daemon may listen elsewhere
    try:
        client.ping()
    except NotRunning:
        return None
    return client


def _start(home: Path, words: BinaryIO) -> subprocess.Popen[bytes]:
    """The daemon, in a session of its own and with its streams away from ours: `key=$(swarm share ~/Docs)` returns."""
    import subprocess

    return subprocess.Popen(
        command(),
        stdin=subprocess.DEVNULL,
        stdout=words,
        stderr=words,
        cwd="/",  # so that it keeps no disk busy
        env={**os.environ, "SWARM_HOME": str(home)},
        start_new_session=True,
    )


def _size(log: Path) -> int:
    try:
        return log.stat().st_size
    except OSError:
        return 0


def _tail(stream: BinaryIO, began: int) -> str:
    """The last of what was written at `began` and after; all of it where the file was begun anew since."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(began if began <= size else 0, size - TAIL))
    return stream.read(TAIL).decode("utf-8", "replace")


def _tail_of(log: Path, began: int) -> str:
    try:
        with log.open("rb") as stream:
            return _tail(stream, began)
    except OSError:
        return ""


def _why_it_died(words: list[str], log: Path, code: int) -> UserError:
    """The error that the daemon reported before it died, or the last line of whatever it wrote."""
    lines = [line for text in words for line in text.splitlines() if line.strip()]
    said = [line.removeprefix("swarm: error: ") for line in lines if line.startswith("swarm: error: ")]
    hints = [line.removeprefix("swarm: hint: ") for line in lines if line.startswith("swarm: hint: ")]
    if said:
        exit_code = code if EXIT_FAILED <= code <= EXIT_HELD else EXIT_FAILED
        hint = hints[-1] if hints else f"its log is {log}"
        return UserError(f"the daemon did not start: {said[-1]}", hint, exit_code)
    last = f": {lines[-1].strip()}" if lines else f" (exit code {code})"
    return UserError(f"the daemon did not start{last}", f"its log is {log}")
