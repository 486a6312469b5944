"""`swarm doctor`: what keeps devices apart or makes them slow, and what to do about it.

Gathers the facts, from the daemon where one runs and from the machine; `swarm.control.diagnosis` says what they mean.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from swarm.cli import launch, place, terminal
from swarm.control.client import NotRunning

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from swarm.control.diagnosis import Facts, Finding, FolderSeen, MappingSeen, PeerSeen, RelaySeen

MARKS: Final = {"ok": ("ok", "green"), "note": ("--", "yellow"), "problem": ("!!", "red")}
LONGEST_LABEL: Final = 32  # columns of what a line is about; what is longer stands out


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="all that was found out, for programs")
    parser.epilog = (
        "It works without a daemon too, and then says less. It asks relays for our address, and nobody else."
    )


def run(options: Namespace) -> int:
    from swarm.control.diagnosis import findings, nat_kind

    facts = gather()
    lines = findings(facts)
    if options.json:
        found = [asdict(line) for line in lines]
        print(
            json.dumps({"nat": nat_kind(facts.relays, facts.own), "findings": found, "facts": asdict(facts)}, indent=2)
        )
        return 0
    for text in table(lines):
        print(text)
    return 0


def table(lines: list[Finding]) -> list[str]:
    """What people read: a line each, and below it what to do where there is something."""
    from swarm.control.diagnosis import NOTHING

    width = min(LONGEST_LABEL, max(len(line.topic) for line in lines))
    shown = []
    for line in lines:
        mark, colour = MARKS[line.level]
        label = terminal.printable(line.topic).ljust(width)
        shown.append(f"{terminal.colour(mark, colour, sys.stdout)}  {label}  {terminal.printable(line.text)}")
        if line.advice != NOTHING:
            shown.append(f"{'':{width + 4}}  {terminal.printable(line.advice)}")
    return shown


def gather() -> Facts:
    """Looks everywhere. Raises UserError where the settings cannot be read."""
    from swarm.control.diagnosis import Facts
    from swarm.disk.examine import clock_synchronised, watch_limit

    told = _told()
    return Facts(
        running=told["running"],
        port=told["port"],
        own=tuple(told["own"]),
        relays=_relays(told["relays"]),
        mapping=_mapping(told["mapping"]),
        peers=tuple(_peer(peer) for peer in told["peers"]),
        folders=tuple(_folder(folder["name"], folder["path"]) for folder in told["folders"]),
        watch_limit=watch_limit(),
        clock_synchronised=clock_synchronised(),
    )


def _told() -> dict[str, Any]:
    """What the daemon says; where none runs, what it would begin with."""
    try:
        return {**launch.daemon().ask("doctor"), "running": True}
    except NotRunning:
        pass
    from swarm.cli.run import read_config
    from swarm.disk.home import folders_of
    from swarm.keys.hints import parse_invitation
    from swarm.node.own_address import own_addresses
    from swarm.node.relay_list import RelayList

    home = place.home()
    config = read_config(home / "config.toml")
    folders = []
    try:
        for folder in folders_of(home):
            root = folder.root()
            name = parse_invitation(folder.key())[1].name or os.path.basename(root)
            folders.append({"name": name, "path": root})
    except FileNotFoundError:  # nothing was shared from here yet
        folders = []
    port = config.listen.port
    relays = [*config.relay, *RelayList(home).places]
    return {
        "running": False,
        "port": port,
        "own": [host for host, _ in own_addresses("::", port)],
        "relays": [{"host": relay.address.host, "port": relay.address.port, "why": ""} for relay in relays],
        "mapping": None,
        "peers": [],
        "folders": folders,
    }


def _relays(known: list[dict[str, Any]]) -> tuple[RelaySeen, ...]:
    if not known:
        return ()
    from swarm.control.diagnosis import RelaySeen
    from swarm.net.survey import survey

    answers = survey([(relay["host"], relay["port"]) for relay in known])
    return tuple(
        RelaySeen(
            name=f"[{relay['host']}]:{relay['port']}" if ":" in relay["host"] else f"{relay['host']}:{relay['port']}",
            observed=answer.observed,
            observed_by_other_port=answer.observed_by_other_port,
            unasked=answer.unasked,
            rtt=answer.rtt,
            over_tcp=answer.over_tcp,
            session=relay["why"],
        )
        for relay, answer in zip(known, answers, strict=True)
    )


def _mapping(said: dict[str, Any] | None) -> MappingSeen | None:
    from swarm.control.diagnosis import MappingSeen

    if said is None:
        return None
    external = (said["external"][0], said["external"][1]) if said["external"] else None
    return MappingSeen(said["gateway"], said["spoken"], external, said["why"], said["upnp"])


def _peer(said: dict[str, Any]) -> PeerSeen:
    from swarm.control.diagnosis import PeerSeen

    return PeerSeen(said["name"], said["route"], said["via"], said["rtt"], said["skew"])


def _folder(name: str, path: str) -> FolderSeen:
    from swarm.control.diagnosis import FolderSeen
    from swarm.disk.examine import examine

    ground = examine(path)
    if ground.traits is None:
        return FolderSeen(name, path, trouble=ground.trouble)
    traits = ground.traits
    return FolderSeen(
        name,
        path,
        kind=ground.kind,
        folds_case=traits.folds_case,
        folds_unicode=traits.folds_unicode,
        symlinks=traits.symlinks,
        exchange=traits.exchange,
        granularity=traits.mtime_granularity_ns / 1e9,
        directories=ground.directories,
    )
