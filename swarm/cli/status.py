"""`swarm status`: what is shared, with whom, how far along; a table for people, `--json` for programs."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from swarm.cli import launch, terminal
from swarm.cli.format import amount, below_home, moment, plural
from swarm.errors import UserError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

STATE_WIDTH: Final = 11  # of "identical" and "14 behind": they change, and the routes after them shall not jump
SHOWN: Final = 3  # names of what cannot be held: enough to know what it is about
LATEST_COLUMN: Final = 56  # where "latest on" stands, when what is left of it is not longer


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="everything, for programs")
    parser.add_argument(
        "--watch", action="store_true", help="go on as it changes, until Ctrl-C; with --json a line each"
    )


def run(options: Namespace) -> int:
    if options.watch:
        return _watch(options.json)
    status = launch.daemon().ask("status")
    if options.json:
        print(json.dumps(status, indent=2))
        return 0
    now = datetime.now().astimezone()
    for line in table(status, now):
        print(line)
    if not status["folders"]:
        terminal.note("nothing is shared yet; swarm share PATH shares a directory, swarm join KEY joins one")
    return 0


def _watch(as_json: bool) -> int:
    """Until the daemon ends, which is an error, or Ctrl-C."""
    from swarm.cli.live import Screen, end_with_reader, snapshots

    end_with_reader(sys.stdout)
    screen = Screen(sys.stdout, keep=True)
    try:
        for status in snapshots(launch.daemon()):
            if as_json:
                print(json.dumps(status), flush=True)
            else:
                screen.show(table(status, datetime.now().astimezone()) or ["nothing is shared yet"])
    finally:
        screen.close()
    raise UserError("the daemon ended", "swarm run, share, join and resume start it")


def table(status: dict[str, Any], now: datetime) -> list[str]:
    """The lines for people. now: for "3 days ago", with the time zone that times are shown in."""
    lines: list[str] = []
    for folder in status["folders"]:
        if lines:
            lines.append("")
        lines += [_headline(folder), *_particulars(folder), *_peers(folder["peers"], now)]
    troubles = [relay["why"] for relay in status.get("relays", []) if relay["why"] and relay["named"]]
    if troubles and lines:
        lines.append("")
    return lines + [_colour(terminal.printable(why), "yellow") for why in troubles]


def _headline(folder: dict[str, Any]) -> str:
    parts = (folder["name"], below_home(folder["path"]), plural(folder["files"], "file"), amount(folder["bytes"]))
    left = "  ".join(terminal.printable(part) for part in parts)
    peers = folder["peers"]
    latest = f"latest on {sum(map(_has_latest, peers))} of {len(peers)}" if peers else "on no other device"
    padding = " " * max(2, LATEST_COLUMN - len(left))
    return _colour(left, "bold") + padding + latest


def _particulars(folder: dict[str, Any]) -> list[str]:
    """What is to be said of the folder on this device, when all is not simply well."""
    lines = []
    if folder["role"] == "read":
        lines.append("  " + _colour("read-only: what is changed here stays here", "dim"))
    state, why = folder["state"], folder["why"]
    if state != "in-sync":
        reasons = [terminal.printable(why)] if why else []
        if folder.get("at"):
            reasons.append(terminal.printable(folder["at"]))
        if folder["need_files"] or folder["need_bytes"]:
            reasons.append(f"{plural(folder['need_files'], 'file')}, {amount(folder['need_bytes'])} to come")
        text = ": ".join([terminal.printable(state), "; ".join(reasons)] if reasons else [terminal.printable(state)])
        lines.append("  " + _colour(text, "red" if state in ("held", "error") else "yellow"))
    if changes := folder.get("local_changes"):
        if state != "held":
            lines.append("  " + _colour(plural(changes, "local change"), "yellow"))
        lines += _first(folder.get("changed_paths", []), changes)
    if folder["conflicts"]:
        lines.append("  " + _colour(plural(folder["conflicts"], "conflict"), "yellow"))
    if folder["cannot"]:
        lines.append("  " + _colour(f"{plural(folder['cannot'], 'file')} cannot be held by this device", "yellow"))
        lines += _first(
            [f"{entry['path']}: {entry['why']}" for entry in folder.get("cannot_paths", [])], folder["cannot"]
        )
    return lines


def _first(entries: list[str], count: int) -> list[str]:
    """Of so many."""
    lines = [f"    {terminal.printable(entry)}" for entry in entries[:SHOWN]]
    return [*lines, "    … swarm status --json lists more"] if count > SHOWN else lines


def _peers(peers: list[dict[str, Any]], now: datetime) -> list[str]:
    rows = [(terminal.printable(peer["name"]), how_far(peer), *_where(peer, now)) for peer in peers]
    widths = [max(least, *(len(row[column]) for row in rows), 0) for column, least in enumerate((0, STATE_WIDTH, 0))]
    lines = []
    for peer, (name, far, route, rest) in zip(peers, rows, strict=True):
        shade = "green" if _has_latest(peer) else "yellow"
        far = _colour(far.ljust(widths[1]), shade if peer["connected"] else "dim")
        # an away member's last column is a sentence: it starts where the routes start and widens nothing
        where = f"{route.ljust(widths[2])}  {rest}" if peer["connected"] else rest
        lines.append(f"  {name.ljust(widths[0])}  {far}  {where}".rstrip())
    return lines


def _has_latest(peer: dict[str, Any]) -> bool:
    """Whether it has all that is here; of one that is away: whether it had, when it was last heard."""
    if peer["connected"]:
        return bool(peer["in_sync"]) and not peer.get("local_changes")
    return peer.get("behind") == 0


def how_far(peer: dict[str, Any]) -> str:
    """`identical`, `14 behind`, or `2 changed`."""
    if _has_latest(peer):
        return "identical"
    if peer["in_sync"]:
        return f"{peer['local_changes']:,} changed"  # there, where they cannot be shared
    behind = peer.get("need_files") or peer.get("behind")
    return f"{behind:,} behind" if behind else "behind" if peer["connected"] else "unknown"


def _where(peer: dict[str, Any], now: datetime) -> tuple[str, str]:
    """Route and round trip of a connected member, "" and when it was last seen of one that is away."""
    if peer["connected"]:
        trip = peer["rtt_ms"]
        return peer["route"] or "", "" if trip is None else f"{trip:.1f} ms" if trip < 9.95 else f"{trip:.0f} ms"
    return "", f"last seen {moment(peer['last_seen'], now)}" if peer["last_seen"] else "never seen"


def _colour(text: str, name: str) -> str:
    return terminal.colour(text, name, sys.stdout)
