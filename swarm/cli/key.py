"""`swarm key [PATH]`: a key on stdout, one line, and on stderr what whoever has it may do."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from swarm.cli import launch, paths, terminal

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

_ALLOWS: Final = {
    "write": "Anyone with this key can read and change the folder.",
    "read": "Anyone with this key can read the folder, and change nothing.",
    "blind": "Anyone with this key can store the folder's ciphertext, and read nothing.",
    "owner": "Anyone with this key owns the folder: keep it where you keep passwords, and give it to nobody.",
}


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", nargs="?", help="the folder; by default the one you stand in")
    kinds = parser.add_mutually_exclusive_group()
    for option, kind, allows in (
        ("--read-only", "read", "may read"),
        ("--blind", "blind", "may store ciphertext"),
        ("--owner", "owner", "may do everything; only on the device that first shared it"),
    ):
        kinds.add_argument(option, dest="kind", action="store_const", const=kind, default="write", help=allows)
    parser.add_argument("--qr", action="store_true", help="as a QR code too, beneath the key")


def run(options: Namespace) -> int:
    path = paths.folder_or_current(options.path)
    answer = launch.daemon().call("key", path=path, kind=options.kind)
    print(answer["key"], flush=True)
    if options.qr:
        from swarm.cli import qr

        for line in qr.lines(answer["key"]):
            print(terminal.colour(line, "screen", sys.stdout))
    terminal.note(_ALLOWS[options.kind])
    return 0
