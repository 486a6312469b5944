"""Ctrl-C is quiet from the first line of a program to its last, imports included.

A KeyboardInterrupt that is raised while a module is imported, or while the interpreter ends, shows as a traceback, or
as an exception that was ignored, whoever catches it. So it is raised for the command alone: before, the process ends
without a word, and afterwards all is said and done. What imports this has no other import before it.
"""

import os
import signal
from importlib import import_module

INTERRUPTED = 130  # as in swarm.errors, which this must not wait for


def run(module: str) -> int:
    """Runs the `main` of a module that is yet to be imported. Returns its exit code."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return int(import_module(module).main())  # ignored, as in the background of a script
    signal.signal(signal.SIGINT, _end)
    try:
        command = import_module(module).main
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return int(command())
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _end(number: int, frame: object) -> None:
    os._exit(INTERRUPTED)  # nothing was begun, and nothing waits to be written
