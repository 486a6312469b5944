"""`swarm deleted [PATH]`: what is in history and not in the folder any more."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from swarm.cli import launch, paths, terminal, when
from swarm.cli.format import amount, below_home, plural

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", nargs="?", help="a file or directory, there or deleted; all by default")
    parser.add_argument("--json", action="store_true", help="everything, for programs")


def run(options: Namespace) -> int:
    whole = options.path is None
    path = paths.absolute("." if whole else options.path)
    answer = launch.daemon().call("deleted", path=path, whole=whole)
    if options.json:
        print(json.dumps(answer, indent=2))
        return 0
    for line in table(answer["files"], os.getcwd()):
        print(line)
    if not answer["files"]:
        terminal.note("history has nothing that is not in the folder")
    return 0


def table(files: list[dict[str, Any]], current: str) -> list[str]:
    """When, size, versions, path. current: the directory that paths below it are shown from."""
    rows = [
        (when.here(file["deleted"]), amount(file["size"]), plural(file["versions"], "version"), file["path"])
        for file in files
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    return [
        f"{at}  {size.rjust(widths[1])}  {versions.rjust(widths[2])}  {terminal.printable(_shown(path, current))}"
        for at, size, versions, path in rows
    ]


def _shown(path: str, current: str) -> str:
    inside = current.rstrip("/") + "/"
    return path[len(inside) :] if path.startswith(inside) else below_home(path)
