"""`swarm share PATH`: stdout gets the write key and nothing else, so that `key=$(swarm share ~/Docs)` is enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.cli import launch, paths, terminal

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", help="the directory; made if it is missing")
    parser.add_argument("--name", metavar="NAME", help="what the folder is called elsewhere; its own name by default")


def run(options: Namespace) -> int:
    path = paths.directory_to_be(options.path)
    daemon = launch.running_daemon()
    shared = daemon.call("share", path=path, name=options.name)
    print(shared["key"], flush=True)
    for sentence in shared["notes"]:
        terminal.note(sentence)
    if terminal.watched():
        from swarm.cli import progress

        progress.follow(daemon, shared["folder"], progress.indexed)
    return 0
