"""Ctrl-C is quiet from the first line of a program to its last, imports included.

A KeyboardInterrupt that is raised while a module is imported, or while the interpreter ends, shows as a traceback, or
as an exception that was ignored, whoever catches it. So it is raised for the command alone: before, the process ends
without a word, and afterwards all is said and done.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

INTERRUPTED: Final = 130  # as in swarm.errors, which this must not wait for


def run(load: Callable[[], Callable[[], int]]) -> int:
    """Runs what `load` imports. Returns its exit code."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return load()()  # ignored, as in the background of a script
    signal.signal(signal.SIGINT, _end)
    try:
        command = load()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return command()
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _end(number: int, frame: FrameType | None) -> None:
    os._exit(INTERRUPTED)  # nothing was begun, and nothing waits to be written
