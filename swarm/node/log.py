"""The daemon's log: everything on stderr, which in the background is `daemon.log` in the home. It never grows for ever.

The file is begun anew when it is full, and the one before is kept as `daemon.log.1`. stdout and stderr lead to the new
one too: what a library prints, or Python at its end, is bounded with the rest. Python's own RotatingFileHandler would
leave them with the old file.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from pathlib import Path

MAX_LOG: Final = 4 << 20  # bytes of each of the two
FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
QUIET: Final = ("quic", "asyncio")  # libraries that say more than anybody reads


class RotatingStderr(logging.StreamHandler[TextIO]):
    """Writes to stderr, and turns the file behind it when it is full."""

    def __init__(self, log: Path, limit: int = MAX_LOG) -> None:
        super().__init__(sys.stderr)
        self._log = log
        self._limit = limit

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        try:
            if os.fstat(2).st_size > self._limit:
                write_to(self._log, self._limit)
        except OSError:  # a full disk, a directory that is gone: the log goes on where it is
            return


def write_to(log: Path, limit: int = MAX_LOG) -> None:
    """Sends stdout and stderr to the log from here on, to a new one where it is full.

    Only under the home's lock. Raises OSError.
    """
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > limit:
            log.replace(log.with_suffix(".log.1"))
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(log, flags, 0o600)
    try:
        for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
            stream.flush()
            os.dup2(descriptor, number)
    finally:
        os.close(descriptor)


def begin(level: str, log: Path | None) -> None:
    """From here on the log is written at this level. log: the file that is behind stderr, None where that is the
    user's own affair."""
    handler = logging.StreamHandler() if log is None else RotatingStderr(log)
    logging.basicConfig(level=level.upper(), format=FORMAT, handlers=[handler], force=True)
    for noisy in QUIET:
        logging.getLogger(noisy).setLevel(logging.WARNING)
