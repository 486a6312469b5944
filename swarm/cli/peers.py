"""`swarm peers`: the members of each folder: role, route, round trip, when they were last seen, whether in step."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from swarm.cli import launch, terminal
from swarm.cli.format import moment
from swarm.cli.status import how_far

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


_FOUND = {
    "lan": "the local network",
    "key": "the key",
    "dht": "the DHT",
    "member": "another member",
    "relay": "a relay",
    "known": "where it was before",
    "config": "the configuration",
}


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="everything, for programs")


def run(options: Namespace) -> int:
    folders = launch.daemon().ask("status")["folders"]
    if options.json:
        print(
            json.dumps(
                {"folders": [{key: one[key] for key in ("id", "name", "path", "peers")} for one in folders]}, indent=2
            )
        )
        return 0
    for line in table(folders, datetime.now().astimezone()):
        print(line)
    if not any(folder["peers"] for folder in folders):
        terminal.note("nobody was met yet; swarm key prints what to give to another device")
    return 0


def table(folders: list[dict[str, Any]], now: datetime) -> list[str]:
    """The lines for people, one a member, in columns; now: for "3 days ago"."""
    rows = [
        (
            terminal.printable(peer["name"]),
            peer["device"][:8],
            terminal.printable(folder["name"]),
            peer["role"],
            how_far(peer) if peer["connected"] else "away",
            _where(peer, now),
        )
        for folder in folders
        for peer in folder["peers"]
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(5)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row[:5], widths, strict=True)), row[5]]) for row in rows
    ]


def _where(peer: dict[str, Any], now: datetime) -> str:
    if not peer["connected"]:
        return f"last seen {moment(peer['last_seen'], now)}" if peer["last_seen"] else "never seen"
    trip = "" if peer["rtt_ms"] is None else f"  {peer['rtt_ms']:.1f} ms"
    through = f"  over {peer['via']}" if peer.get("via") else ""
    found = f"  found by {_FOUND.get(peer['found'], peer['found'])}" if peer.get("found") else ""
    return f"{peer['route'] or ''}  {peer['address'] or ''}{through}{trip}{found}".strip()
