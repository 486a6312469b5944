"""`swarm leave PATH`: the folder is not shared here any more. Files and history stay where they are.

Leaving forgets this device's keys. The owner key is nowhere else, so that takes a yes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.cli import launch, paths, terminal
from swarm.errors import EXIT_HELD, UserError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", help="the folder's directory")
    parser.add_argument("--yes", action="store_true", help="without asking, where this device holds the owner key")
    parser.epilog = "The others keep theirs. Whoever has the key can join again; swarm key prints it before you leave."


def run(options: Namespace) -> int:
    daemon, path = launch.daemon(), paths.absolute(options.path)
    try:
        answer = daemon.call("leave", path=path, agreed=options.yes)
    except UserError as error:
        if error.code != EXIT_HELD or not terminal.interactive():
            raise
        terminal.note(f"{error.message[:1].upper()}{error.message[1:]}.")
        terminal.note(f"swarm key --owner {path} prints it, to be kept where passwords are.")
        if not terminal.agree("Leave, and forget it?"):
            raise UserError("nothing was left", "the folder stays shared as it is", EXIT_HELD) from error
        answer = daemon.call("leave", path=path, agreed=True)
    terminal.notes(answer)
    return 0
