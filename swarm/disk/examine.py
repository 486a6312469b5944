"""Looks at what a folder stands on, for `swarm doctor`: its file system, and how many directories are to be watched."""

from __future__ import annotations

import ctypes
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from swarm.disk.mounted import network_kind
from swarm.disk.probe import probe
from swarm.disk.safefs import SafeFileSystem
from swarm.sync.files import OURS

if TYPE_CHECKING:
    from swarm.sync.files import Traits

WATCH_LIMIT: Final = Path("/proc/sys/fs/inotify/max_user_watches")
COUNT_SECONDS: Final = 5.0  # for counting directories: somebody waits for the answer
CLOCK_UNSYNCHRONISED: Final = 5  # TIME_ERROR of adjtimex(2)
SIZE_OF_TIMEX: Final = 512  # bytes, more than any kernel's


@dataclass(frozen=True, slots=True)
class Ground:
    """What a folder stands on. trouble: it cannot be looked at, and why; the rest says nothing then."""

    traits: Traits | None
    kind: str = ""
    directories: int = 0
    trouble: str = ""


def examine(root: str) -> Ground:
    """Tries it out in the folder's own corner, where a file or two come and go."""
    try:
        files = SafeFileSystem(root)
    except OSError as error:
        return Ground(None, trouble=error.strerror or str(error))
    try:
        traits = probe(files, f"{OURS}/tmp")
    except OSError as error:
        return Ground(None, trouble=error.strerror or str(error))
    finally:
        files.close()
    return Ground(traits, network_kind(root), count_directories(root))


def count_directories(root: str, seconds: float = COUNT_SECONDS) -> int:
    """As many as are found in that time."""
    deadline, count, waiting = time.monotonic() + seconds, 0, [root]
    while waiting and time.monotonic() < deadline:
        count += 1
        try:
            with os.scandir(waiting.pop()) as entries:
                waiting += [
                    entry.path for entry in entries if entry.name != OURS and entry.is_dir(follow_symlinks=False)
                ]
        except OSError:
            continue
    return count + len(waiting)


def watch_limit() -> int | None:
    """How many directories a user may watch; None where there is no inotify."""
    try:
        return int(WATCH_LIMIT.read_text())
    except (OSError, ValueError):
        return None


def clock_synchronised() -> bool | None:
    """Whether something sets this machine's clock; None where the system does not tell."""
    try:
        adjust = ctypes.CDLL(None).adjtimex
    except (OSError, AttributeError):
        return None
    result = adjust(ctypes.create_string_buffer(SIZE_OF_TIMEX))  # zeros: nothing is changed
    return None if result < 0 else result != CLOCK_UNSYNCHRONISED
