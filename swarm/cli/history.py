"""`swarm history PATH`: the versions of a file that this device has kept, newest first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from swarm.cli import launch, paths, terminal, when
from swarm.cli.format import amount

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", help="a file in a shared folder, there or deleted")
    parser.add_argument("--json", action="store_true", help="everything, for programs")


def run(options: Namespace) -> int:
    answer = launch.daemon().call("history", path=paths.absolute(options.path))
    if options.json:
        print(json.dumps(answer, indent=2))
        return 0
    for line in table(answer["versions"]):
        print(line)
    if not answer["versions"]:
        terminal.note(f"history has no version of {options.path}: here it was never replaced by another device")
    return 0


def table(versions: list[dict[str, Any]]) -> list[str]:
    """Id, when it was replaced or removed, size. The id is what `swarm restore --version` takes."""
    sizes = [amount(version["size"]) for version in versions]
    width = max(map(len, sizes), default=0)
    return [
        f"{terminal.printable(version['id'])}  until {when.here(version['time'])}  {size.rjust(width)}"
        + ("  link" if version["kind"] == "link" else "")
        for version, size in zip(versions, sizes, strict=True)
    ]
