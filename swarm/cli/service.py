"""`swarm service install / uninstall / status`: the daemon at boot, without anybody being logged in."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Final

from swarm.cli import launch, place, terminal
from swarm.control.client import NotRunning
from swarm.errors import EXIT_NOT_FOUND, UserError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from pathlib import Path

DEEDS: Final = ("install", "uninstall", "status")


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("deed", choices=DEEDS, metavar="|".join(DEEDS), help="what to do about it")
    parser.add_argument("--json", action="store_true", help="the status, for programs")
    parser.epilog = (
        "A systemd user unit with linger; on macOS a launchd agent. It runs this very installation of swarm."
    )


def run(options: Namespace) -> int:
    from swarm.disk import service

    home = place.home()
    if options.deed == "status":
        return _status(home, options.json)
    if not service.answers():
        raise UserError(
            "no service manager answers: systemctl --user is not to be had here",
            "in a container, make swarm run its main process; over ssh, log in as that user and not by su",
        )
    if options.deed == "install":
        return _install(home)
    if not service.installed(home):
        raise UserError("there is no service for this home", "swarm service install makes one", EXIT_NOT_FOUND)
    service.disable(home)
    terminal.note("Nothing starts Swarm by itself any more, and it is ended. Folders and files stay.")
    return 0


def _install(home: Path) -> int:
    from swarm.cli import stop
    from swarm.disk import service

    file = service.write(launch.command(), home)
    with contextlib.suppress(NotRunning):
        stop.end()  # the service's daemon takes over from the one in the background
    for sentence in service.enable(home):
        terminal.note(sentence)
    terminal.note(f"Swarm runs, and starts with this machine: {file}")
    return 0


def _status(home: Path, as_json: bool) -> int:
    from swarm.disk import service

    installed = service.installed(home)
    enabled, active = service.state(home) if installed else (False, False)
    if as_json:
        told = {"installed": installed, "enabled": enabled, "active": active, "file": str(service.file_of(home))}
        print(json.dumps(told, indent=2))
        return 0
    if not installed:
        print("not installed: nothing starts Swarm after a reboot")
        return 0
    print(f"{'running' if active else 'not running'}, {'starts' if enabled else 'does not start'} with this machine")
    print(str(service.file_of(home)))
    return 0
