"""`swarm scan [PATH]`: looks through the whole folder now, for disks that do not tell what changes on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.cli import launch, paths, terminal

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", nargs="?", help="the folder; by default the one you stand in")
    parser.epilog = "It returns at once; swarm wait returns when what was found is on all devices."


def run(options: Namespace) -> int:
    terminal.notes(launch.daemon().call("scan", path=paths.folder_or_current(options.path)))
    return 0
