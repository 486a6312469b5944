"""What may be said on the relay's command line. Pure: nothing is opened, looked up or bound."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Any, Final, NoReturn

from swarm import __version__
from swarm.config import HostPort, parse_listen
from swarm.errors import EXIT_USAGE, UserError

DEFAULT_PORT: Final = 47_470  # UDP and TCP
EVERYWHERE: Final = HostPort("", DEFAULT_PORT)
_NAME: Final = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9]([A-Za-z0-9-]{0,62})(\.[A-Za-z0-9]([A-Za-z0-9-]{0,62}))*")


@dataclass(frozen=True, slots=True)
class Options:
    """One relay's settings."""

    listen: HostPort = EVERYWHERE
    state: str | None = None  # a directory
    token_file: str | None = None
    allow: str | None = None  # a file
    public_address: str | None = None
    metrics: HostPort | None = None
    bootstrap: tuple[HostPort, ...] = ()
    dht: bool = True


class _Parser(argparse.ArgumentParser):
    """argparse, but its errors read like ours and options are never guessed from their beginnings."""

    def error(self, message: str) -> NoReturn:
        raise UserError(message, "see relay --help", EXIT_USAGE)


def parse(arguments: list[str]) -> Options:
    """Raises UserError, and SystemExit after --help and --version."""
    parser = _Parser(
        "relay",
        allow_abbrev=False,
        description="Passes on what devices say to each other when neither reaches the other, and reads none of it.",
        epilog="SIGHUP reads the token file and the list again; SIGTERM lets devices find another way, and ends.",
    )
    add = parser.add_argument
    add("--version", action="version", version=f"relay {__version__}")
    add("--listen", metavar="HOST:PORT", type=parse_listen, help=f"UDP and TCP; port {DEFAULT_PORT} by default")
    add("--state", metavar="DIR", type=_text, help="where the relay's key is (~/.local/state/swarm-relay)")
    add("--token-file", metavar="FILE", type=_text, help="tokens that give a reservation, one on a line")
    add("--allow", metavar="FILE", type=_text, help="devices that get a reservation, one id on a line")
    add("--public-address", metavar="HOST", type=_public, help="what to print as this relay's address or name")
    add("--metrics", metavar="HOST:PORT", type=_given, help="serve Prometheus metrics there, over HTTP")
    add("--bootstrap", metavar="HOST:PORT", type=_given, action="append", default=[], help="a DHT node to begin at")
    add("--no-dht", action="store_true", help="be no node of the DHT")
    said = parser.parse_args(arguments)
    return Options(
        listen=said.listen or EVERYWHERE,
        state=said.state,
        token_file=said.token_file,
        allow=said.allow,
        public_address=said.public_address,
        metrics=said.metrics,
        bootstrap=tuple(said.bootstrap),
        dht=not said.no_dht,
    )


def printed_address(host: str, port: int) -> str:
    """HOST:PORT, an IPv6 address in brackets."""
    return str(HostPort(host, port))


def is_private(host: str) -> bool:
    """Is it an address that only this network, or only this machine, can reach? A name is not."""
    try:
        return not ip_address(host).is_global
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Is it an address that only this machine can reach? A name is not."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _text(text: str) -> str:
    if not text or "\0" in text:
        raise UserError("an empty name of a file", "see relay --help", EXIT_USAGE)
    return text


def _given(text: str) -> HostPort:
    """HOST:PORT, both of them."""
    place = parse_listen(text)
    if not place.host or not place.port:
        raise UserError(f"{text[:80]!a} is no HOST:PORT", "it looks like this: 192.0.2.7:47470", EXIT_USAGE)
    return place


def _public(text: str) -> str:
    """An address, with or without brackets, or a name; without a port."""
    bare: Any = text.strip("[]")
    try:
        address = ip_address(bare)
        if not (address.is_unspecified or address.is_multicast or getattr(address, "scope_id", None)):
            return str(address.ipv4_mapped or address) if isinstance(address, IPv6Address) else str(address)
    except ValueError:
        if _NAME.fullmatch(text) and not text.rpartition(".")[2].isdigit():
            return text.lower()
    raise UserError(
        f"--public-address {text[:80]!a} is neither an address nor a name",
        "without a port: --public-address relay.example.net",
        EXIT_USAGE,
    )
