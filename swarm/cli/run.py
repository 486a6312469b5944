"""`swarm run`: the daemon in the foreground, for containers and services; in the background it is the same process.

The home's lock is taken before anything heavy is imported, so that a second daemon of one home ends before it begins.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from swarm.cli import launch, place
from swarm.config import LOG_LEVELS, Config, parse_config, parse_listen, parse_node, parse_rate, parse_relay
from swarm.disk.home import Home
from swarm.disk.lock import LockHeld
from swarm.errors import UserError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from pathlib import Path

MAX_CONFIG: Final = 1 << 20  # bytes; a larger one is not a config file


def configure(parser: ArgumentParser) -> None:
    import argparse

    parser.add_argument("--listen", metavar="HOST:PORT", type=parse_listen, help="UDP and TCP; port 47474 by default")
    parser.add_argument(
        "--bootstrap", metavar="HOST:PORT", type=parse_node, action="append", help="a node of the DHT; may be repeated"
    )
    parser.add_argument(
        "--relay",
        metavar="HOST:PORT~KEY",
        type=parse_relay,
        action="append",
        default=[],
        help="may be said several times",
    )
    parser.add_argument("--no-dht", action="store_true", help="neither ask nor serve the DHT")
    parser.add_argument("--no-lan", action="store_true", help="neither look nor announce on the local network")
    parser.add_argument("--no-port-mapping", action="store_true", help="do not ask the router to let others in")
    parser.add_argument("--up", metavar="RATE", type=parse_rate, help="content sent: 2.5M is 2.5 MB a second; no limit")
    parser.add_argument("--down", metavar="RATE", type=parse_rate, help="content fetched, likewise")
    parser.add_argument("--log-level", choices=LOG_LEVELS, help="how much is logged (info)")
    parser.add_argument("--detached", action="store_true", help=argparse.SUPPRESS)  # what launch.command() says


def run(options: Namespace) -> int:
    try:
        home = Home.open(place.home())
    except UserError as error:
        if options.detached and isinstance(error.__cause__, LockHeld):
            return launch.ALREADY
        raise
    with contextlib.closing(home):
        config = read_config(home.config).overridden(
            listen=options.listen,
            bootstrap=tuple(options.bootstrap or ()),
            log_level=options.log_level,
            relay=tuple(options.relay),
            no_dht=options.no_dht,
            no_lan=options.no_lan,
            no_port_mapping=options.no_port_mapping,
            up=options.up,
            down=options.down,
        )
        log = home.path / launch.LOG if options.detached else None
        if log is not None:
            from swarm.node.log import write_to

            write_to(log)
        from swarm.node.main import run_daemon

        return run_daemon(home, config, _say_ready, log)


def _say_ready() -> None:
    with contextlib.suppress(OSError):  # nobody listens any more, which is no reason not to serve
        print("ready", flush=True)


def read_config(path: Path) -> Config:
    """The settings of a config.toml, the defaults where there is none. Raises UserError."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_CONFIG + 1)
        text = content.decode()
    except FileNotFoundError:
        return Config()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}", "it is read at every start; remove it for the defaults") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8", "save it as UTF-8") from error
    if len(content) > MAX_CONFIG:
        raise UserError(f"{path} is larger than {MAX_CONFIG} bytes", "is it the right file?")
    return parse_config(text)
