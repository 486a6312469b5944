"""`swarm move OLD NEW`: a shared folder lives elsewhere, whether its directory was moved already or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.cli import launch, paths, terminal

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("old", metavar="OLD", help="where it was")
    parser.add_argument("new", metavar="NEW", help="where it is, or shall be")
    parser.epilog = (
        "To another disk: swarm pause, copy it there with all that is in it (cp -a), remove the old one, say this,\n"
        "and swarm resume."
    )


def run(options: Namespace) -> int:
    answer = launch.daemon().call("move", old=paths.absolute(options.old), new=paths.absolute(options.new))
    terminal.notes(answer)
    return 0
