"""`swarm revert [PATH]`: undoes local changes to a folder that this device may only read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.cli import launch, paths, terminal
from swarm.cli.format import plural

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", nargs="?", help="a file or directory, there or deleted; all by default")


def run(options: Namespace) -> int:
    whole = options.path is None
    path = paths.absolute("." if whole else options.path)
    answer = launch.daemon().call("revert", path=path, whole=whole)
    if not answer["reverted"]:
        terminal.note("nothing was changed there")
        return 0
    terminal.note(f"{plural(answer['reverted'], 'local change')} undone; your versions are in .swarm/history")
    if not answer["done"]:
        terminal.note("some of the folder's versions are still to come, as soon as a member is online that has them")
    return 0
