"""`swarm restore PATH`: brings a version back from history. What is there now goes to history first."""

from __future__ import annotations

import os
from datetime import datetime
from typing import TYPE_CHECKING

from swarm.cli import launch, paths, terminal, when
from swarm.cli.format import below_home

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "path", metavar="PATH", help="a file, there or deleted; or a directory: all that is gone from it"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--version", metavar="ID", help="the version, as swarm history names it; by default the newest")
    which.add_argument("--at", metavar="TIME", type=_time, default=0, help=f"what was there at a time: {when.EXAMPLES}")
    parser.add_argument("--to", metavar="PATH", help="where it goes instead, within the folder")


def run(options: Namespace) -> int:
    path = paths.absolute(options.path)
    to = None if options.to is None else paths.absolute(options.to)
    if to is not None and os.path.isdir(to):
        to = os.path.join(to, os.path.basename(path))
    answer = launch.daemon().call("restore", path=path, version=options.version, at_ms=options.at, to=to, deadline=None)
    for row in answer["restored"]:
        terminal.note(f"{below_home(row['path'])} is what it was until {when.here(row['version']['time'])}")
        if row["kept"]:
            terminal.note(f"what was there is now {below_home(row['kept'])}")
    return 0


def _time(text: str) -> int:
    return when.parse(text, datetime.now().astimezone())
