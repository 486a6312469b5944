"""`swarm join [KEY] [PATH]`: a key from the command line or stdin, a preview before anything is merged.

A key on stdin stays out of `ps` and the shell's history. A bad one is refused here, before a daemon is started for it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from swarm.cli import launch, paths, terminal
from swarm.errors import EXIT_HELD, BadKey, UserError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from swarm.control.client import Client

MAX_KEY: Final = 16 << 10  # characters read from stdin; a key with all its hints has 4 kB


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("key", metavar="KEY", nargs="?", default="-", help="the key; left out or -: read from stdin")
    parser.add_argument("path", metavar="PATH", nargs="?", help="where the folder goes; ~/NAME by default")
    parser.add_argument("--yes", action="store_true", help="merge with the files at PATH without asking")


def run(options: Namespace) -> int:
    path = None if options.path is None else paths.directory_to_be(options.path)
    key = _read_key() if options.key == "-" else options.key
    _check(key)
    daemon = launch.running_daemon()
    joined = _join(daemon, key, path, options.yes)
    terminal.note(f"{joined['name']} is in {joined['path']}")
    for sentence in joined["notes"]:
        terminal.note(sentence)
    if terminal.watched():
        from swarm.cli import progress

        progress.follow(daemon, joined["folder"], progress.joined)
    return 0


def _join(daemon: Client, key: str, path: str | None, agreed: bool) -> dict[str, Any]:
    """Joins; where files would be merged, the daemon's preview is shown and agreed to first."""
    try:
        return daemon.call("join", key=key, path=path, merge=False)
    except UserError as error:
        if error.code != EXIT_HELD or not (agreed or terminal.interactive()):
            raise
        terminal.note(error.message)
        if not agreed and not terminal.agree("merge?"):
            raise UserError("nothing was merged", "name an empty directory, or answer y", EXIT_HELD) from error
    return daemon.call("join", key=key, path=path, merge=True)


def _read_key() -> str:
    """The first line of stdin that is not blank; without echo on a terminal."""
    if sys.stdin is None:
        raise BadKey("no key was given", "swarm join KEY, or the key on stdin")
    if sys.stdin.isatty():
        from getpass import getpass

        try:
            return getpass("key: ", stream=sys.stderr)
        except EOFError as error:
            raise BadKey("no key was given", "paste the key and press Enter") from error
    try:
        text = sys.stdin.readline(MAX_KEY)
        while text and not text.strip():
            text = sys.stdin.readline(MAX_KEY)
    except UnicodeDecodeError as error:
        raise BadKey("what stands on stdin is not a key", "swarm join < FILE, where FILE is text") from error
    return text.strip()


def _check(key: str) -> None:
    from swarm.keys.hints import parse_invitation

    parse_invitation(key)
