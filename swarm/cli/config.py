"""`swarm config`: the settings that hold, and where each is from. Of the running daemon, else of the next one."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from swarm.cli import launch, place, terminal
from swarm.config import described
from swarm.control.client import NotRunning

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="everything, for programs")
    parser.epilog = "The daemon reads its settings when it starts."


def run(options: Namespace) -> int:
    settings = _settings()
    if options.json:
        print(json.dumps(settings, indent=2))
        return 0
    for line in table(settings):
        print(line)
    return 0


def table(answer: dict[str, Any]) -> list[str]:
    """Lines that a config.toml would take, with where they are from behind."""
    running = "" if answer["running"] else "  (no daemon runs; the next one takes these)"
    lines = [
        f"# {terminal.printable(answer['file'])}{running}",
        f"# this device is {terminal.printable(answer['name'])}",
    ]
    rows = [
        (f"{one['key']} = {_toml(one['value'])}", one["from"]) for one in answer["settings"] if one["value"] is not None
    ]
    width = max(len(text) for text, _ in rows)
    lines += [f"{terminal.printable(text).ljust(width)}  # {source}" for text, source in rows]
    lines += [f"# {one['key']}: no limit" for one in answer["settings"] if one["value"] is None]
    return lines


def _settings() -> dict[str, Any]:
    try:
        return {**launch.daemon().ask("config"), "running": True}
    except NotRunning:
        pass
    from swarm.cli.run import read_config

    home = place.home()
    name = os.environ.get("SWARM_DEVICE_NAME") or os.uname().nodename
    return {**described(read_config(home / "config.toml"), str(home), name), "running": False}


def _toml(value: Any) -> str:
    """Texts, numbers, truths and lists of them are written in TOML as in JSON."""
    return json.dumps(value, ensure_ascii=False)
