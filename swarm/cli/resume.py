"""`swarm resume [PATH]`: a paused folder goes on. Starts the daemon where none runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.cli import launch, paths, terminal

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", nargs="?", help="the folder; by default the one you stand in")


def run(options: Namespace) -> int:
    path = paths.folder_or_current(options.path)
    terminal.notes(launch.running_daemon().call("resume", path=path))
    return 0
