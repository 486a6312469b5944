"""`swarm leave PATH`: the folder is not shared here any more. Files and history stay where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.cli import launch, paths, terminal

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", help="the folder's directory")
    parser.epilog = "The others keep theirs. Whoever has the key can join again; swarm key prints it before you leave."


def run(options: Namespace) -> int:
    terminal.notes(launch.daemon().call("leave", path=paths.absolute(options.path)))
    return 0
