"""`swarm pause [PATH]`: the folder rests, over restarts too: nothing of it is read, sent or written."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Final

from swarm.cli import launch, paths, terminal

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION: Final = re.compile(r"(?:(\d{1,6}(?:\.\d{1,3})?)([smhd]))+")
_PART: Final = re.compile(r"([\d.]+)([smhd])")
LONGEST: Final = 3650 * 86400.0  # seconds: longer is a mistake, and no pause without --for ends by itself


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", nargs="?", help="the folder; by default the one you stand in")
    parser.add_argument(
        "--for", metavar="TIME", dest="seconds", type=duration, help="30m, 2h, 1h30m, 1d; then it goes on"
    )


def run(options: Namespace) -> int:
    path = paths.folder_or_current(options.path)
    terminal.notes(launch.daemon().call("pause", path=path, seconds=options.seconds))
    return 0


def duration(text: str) -> float:
    """Seconds of `90s`, `30m`, `1h30m`, `2d`."""
    if not _DURATION.fullmatch(text):
        raise ArgumentTypeError(f"{text[:80]!a} is no time; it looks like this: 30m, 2h, 1h30m, 1d")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    if not 0 < seconds <= LONGEST:
        raise ArgumentTypeError(f"{text[:80]!a} is no time to pause for; without --for it lasts until swarm resume")
    return seconds
