"""`swarm relay add / list / remove`: the relays of this device. Where no daemon runs, the home is written instead."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from swarm.cli import launch, place, terminal
from swarm.control.client import NotRunning
from swarm.errors import EXIT_USAGE, UserError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

DEEDS: Final = ("add", "list", "remove")
MAX_TOKEN_FILE: Final = 4096  # bytes; a token has at most 64


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("deed", choices=DEEDS, metavar="|".join(DEEDS), help="what to do")
    parser.add_argument("relay", metavar="RELAY", nargs="*", help="HOST:PORT~KEY, as the relay prints it")
    parser.add_argument("--token-file", metavar="FILE", help="with add: a file with the token that the relay wants")
    parser.add_argument("--json", action="store_true", help="with list: everything, for programs")
    parser.epilog = "Relays are in the hints of keys that this device prints, and members learn them from one another."


def run(options: Namespace) -> int:
    if options.deed == "list":
        if options.relay:
            raise UserError("list takes no relay", "swarm relay list shows all of them", EXIT_USAGE)
        return _list(options.json)
    relay = " ".join(options.relay).removeprefix("relay ")  # the whole line that a relay prints, in quotes or not
    if not relay:
        raise UserError(f"which relay is to be {'added' if options.deed == 'add' else 'removed'}?", _HOW, EXIT_USAGE)
    token = None if options.token_file is None else _token(options.token_file)
    if token is not None and options.deed != "add":
        raise UserError("a token is for swarm relay add", "leave --token-file out", EXIT_USAGE)
    arguments = {"relay": relay, "token": token} if options.deed == "add" else {"relay": relay}
    try:
        terminal.notes(launch.daemon().call(f"relay-{options.deed}", **arguments))
    except NotRunning:
        terminal.note(_in_home(options.deed, relay, token))
    return 0


_HOW: Final = "swarm relay add HOST:PORT~KEY, the line that the relay printed; swarm relay list shows those here"


def _list(as_json: bool) -> int:
    relays = launch.daemon().call("relays")["relays"]
    if as_json:
        print(json.dumps({"relays": relays}, indent=2))
        return 0
    for line in table(relays):
        print(line)
    if not relays:
        terminal.note("no relay is known; swarm relay add HOST:PORT~KEY adds one")
    return 0


def table(relays: list[dict[str, Any]]) -> list[str]:
    """The lines for people."""
    lines = []
    for one in relays:
        via = f" over {one['via']}" if one["via"] else ""
        whose = "" if one["named"] else "  told by a key or a member"
        lines.append(terminal.printable(f"{one['relay']}  {one['state']}{via}{whose}"))
        if one["why"]:
            lines.append("  " + terminal.printable(one["why"]))
    return lines


def _token(path: str) -> str:
    """The first line of a file."""
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_TOKEN_FILE + 1)
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror}", "name the file with the token", EXIT_USAGE
        ) from None
    token = content.split(b"\n", 1)[0].strip().decode("ascii", "replace")
    if len(content) > MAX_TOKEN_FILE or not token:
        raise UserError(f"{path} holds no token", "its first line is the token, and nothing else", EXIT_USAGE)
    return token


def _in_home(deed: str, relay: str, token: str | None) -> str:
    """Without a daemon: it takes the change up when it starts."""
    import contextlib

    from swarm.disk.home import Home
    from swarm.node.relay_list import RelayList

    with contextlib.closing(Home.open(place.home())) as home:
        kept = RelayList(home.path)
        changed = kept.add(relay, token) if deed == "add" else kept.remove(relay)
    if deed == "add":
        return f"Added {changed.address}. No daemon runs; the next one registers there."
    return f"The relay {changed.address} is not used any more."
