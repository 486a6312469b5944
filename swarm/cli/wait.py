"""`swarm wait [PATH]`: returns when everybody who is connected has the same, and needs nothing."""

from __future__ import annotations

from argparse import ArgumentTypeError
from math import isfinite
from typing import TYPE_CHECKING, Final

from swarm.cli import launch, paths, terminal
from swarm.errors import EXIT_TIMEOUT, UserError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

GRACE: Final = 30.0  # seconds that the daemon's answer may come after the time is up, before it counts as stuck


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", nargs="?", help="the folder; by default the one you stand in")
    parser.add_argument("--on", metavar="DEVICE", help="wait for this member, by its name or id")
    parser.add_argument("--peers", metavar="N", type=_count, default=1, help="wait for at least N members (1)")
    parser.add_argument("--timeout", metavar="S", type=_seconds, help="give up after S seconds, with exit code 4")


def run(options: Namespace) -> int:
    path = paths.folder_or_current(options.path)
    deadline = None if options.timeout is None else options.timeout + GRACE
    waited = launch.daemon().call(
        "wait", deadline=deadline, path=path, on=options.on, peers=options.peers, timeout=options.timeout
    )
    if waited["done"]:
        for sentence in waited["missing"]:
            terminal.note(sentence)
        return 0
    missing = "; ".join(waited["missing"]) or "nobody says what is missing"
    raise UserError(f"not identical yet: {missing}", "swarm status shows how far everybody is", EXIT_TIMEOUT)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise ArgumentTypeError(f"{text[:80]!a} is not a number of members")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not isfinite(seconds) or seconds < 0:
        raise ArgumentTypeError(f"{text[:80]!a} is not a number of seconds")
    return seconds
