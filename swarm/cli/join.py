"""`swarm join [KEY] [PATH]`: a key from the command line or stdin, a preview before anything is merged.

A key on stdin stays out of `ps` and the shell's history. A bad one is refused here, before a daemon is started for it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from swarm.cli import launch, paths, terminal
from swarm.cli.format import amount, plural
from swarm.errors import EXIT_HELD, BadKey, UserError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from swarm.control.client import Client

_MERGING: Final = {
    False: "Joining merges: nothing is deleted, and of files that differ both are kept.",
    True: "Joining merges: nothing is deleted; of files that differ yours go to history, since this key only reads.",
}
MAX_KEY: Final = 16 << 10  # characters read from stdin; a key with all its hints has 4 kB


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("key", metavar="KEY", nargs="?", default="-", help="the key; left out or -: read from stdin")
    parser.add_argument("path", metavar="PATH", nargs="?", help="where the folder goes; ~/NAME by default")
    parser.add_argument("--yes", action="store_true", help="merge with the files at PATH without asking")


def run(options: Namespace) -> int:
    path = None if options.path is None else paths.directory_to_be(options.path)
    key = _read_key() if options.key == "-" else options.key
    reads_only = _reads_only(key)
    daemon = launch.running_daemon()
    joined = _join(daemon, key, path, options.yes, reads_only)
    terminal.note(f"{joined['name']} is in {joined['path']}")
    for sentence in joined["notes"]:
        terminal.note(sentence)
    if terminal.watched():
        from swarm.cli import progress

        progress.follow(daemon, joined["folder"], progress.joined)
    return 0


def _join(daemon: Client, key: str, path: str | None, agreed: bool, reads_only: bool) -> dict[str, Any]:
    """Joins; where files would be merged, what that does is shown and agreed to first."""
    try:
        return daemon.call("join", key=key, path=path, merge=False)
    except UserError as error:
        if error.code != EXIT_HELD or path is None:
            raise
        asked = terminal.interactive() and not agreed
        if asked or agreed:
            terminal.note(f"{error.message}. Looking what the others have …")
        found = daemon.call("preview", deadline=None, key=key, path=path)
        if not asked and not agreed:
            raise UserError(f"{error.message}: {in_short(found)}", error.hint, EXIT_HELD) from None
        for line in preview(found, reads_only):
            terminal.note(line)
        if asked and not terminal.agree("Merge?"):
            raise UserError("nothing was merged", "name an empty directory, or answer y", EXIT_HELD) from error
    return daemon.call("join", key=key, path=path, merge=True)


def in_short(found: dict[str, Any]) -> str:
    """A preview on one line."""
    if not found["whole"]:
        who = f"the list of {found['member']} did not come" if found["member"] else "nobody is online"
        return f"{plural(found['only_here'], 'file')}; {who} to compare them with"
    return (
        f"{found['only_here']:,} only here, {found['only_there']:,} only there, {found['same']:,} same and "
        f"{found['differ']:,} different, by size and time against what {found['member']} has"
    )


def preview(found: dict[str, Any], reads_only: bool) -> list[str]:
    """What people are told before files are merged."""
    here, there = found["only_here"], found["only_there"]
    if not found["whole"]:
        who = f"The list of {found['member']} did not come in time" if found["member"] else "Nobody of it is online"
        return [
            f"{who}: what is there cannot be counted.",
            f"  here  {plural(here, 'file')}  {amount(found['only_here_bytes'])}",
            _MERGING[reads_only],
        ]
    rows = [
        ("only here", here, amount(found["only_here_bytes"])),
        ("only there", there, amount(found["only_there_bytes"])),
        ("same", found["same"], ""),
        ("differ", found["differ"], ""),
    ]
    counts = [f"{count:,}" for _, count, _ in rows]
    width = max(map(len, counts))
    return [
        f"By size and time, against what {found['member']} has:",
        *(
            f"  {what:<10}  {count:>{width}} {'file' if number == 1 else 'files'}  {size}".rstrip()
            for (what, number, size), count in zip(rows, counts, strict=True)
        ),
        _MERGING[reads_only],
    ]


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


def _reads_only(key: str) -> bool:
    """Whether a key allows reading only. Raises BadKey for what is no key, or none to join with."""
    from swarm.keys.hints import parse_joinable
    from swarm.keys.role import Role

    printed, _ = parse_joinable(key)
    return not printed.role.holds(Role.WRITE)
