"""`relay`: reads the options, keeps the key, serves, and ends when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import signal
import socket
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final

from relay.gate import Gate, parse_devices, parse_tokens
from relay.limits import Limits
from relay.options import is_private, parse, printed_address
from relay.serve import Relay
from relay.state import default_directory, load_seed, read_list
from swarm.errors import EXIT_FAILED, EXIT_INTERRUPTED, SwarmError, UserError
from swarm.keys.relay import printed
from swarm.keys.signature import key_pair

if TYPE_CHECKING:
    from collections.abc import Callable

    from relay.options import Options

DESCRIPTORS: Final = 4096  # for TCP connections; what the system gives by default is 1,024
SOMEWHERE: Final = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}  # nothing is sent there

log = logging.getLogger("relay")


def main(arguments: list[str] | None = None) -> int:
    """Runs a relay. arguments: without the program's name; None takes the process's. Returns the exit code."""
    try:
        options = parse(sys.argv[1:] if arguments is None else arguments)
        gate = _gate(options)
        state = _state(options)
        seed = load_seed(state)
        logging.basicConfig(level=logging.INFO, format="relay: %(message)s", stream=sys.stderr)
        asyncio.run(_run(options, state, seed, gate))
    except SwarmError as error:
        return report(error)
    except SystemExit as end:  # --help and --version
        return int(end.code or 0)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Exception as error:
        if os.environ.get("SWARM_DEBUG") == "1":
            raise
        what = f"this is a bug in the relay: {type(error).__name__}: {error}"
        return report(SwarmError(what, "SWARM_DEBUG=1 shows where; please report it"))
    return 0


async def _run(options: Options, state: Path, seed: bytes, gate: Gate) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    _allow_descriptors()
    relay = Relay.start(seed, gate, Limits(), options.listen.host, options.listen.port)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(relay.close)
        if options.metrics is not None:
            from relay.measure import HubCollector, serve_metrics

            collector = HubCollector(relay.hub, lambda: relay.not_sent, lambda: relay.streams)
            metrics = serve_metrics(options.metrics, collector)
            stack.callback(metrics.server_close)
            stack.callback(metrics.shutdown)
        if options.dht:
            from relay.bootstrap import DhtNode

            public = (options.public_address or options.listen.host, relay.port)
            relay.bootstrap = DhtNode(
                relay.send_datagram, relay.family, bootstrap=options.bootstrap, public=public, state=state
            )
        loop.add_signal_handler(signal.SIGHUP, _read_again, options, relay)
        _say_where(options, relay)
        await stopping.wait()
        log.info("draining")
        await relay.drain()


def address_line(arguments: list[str]) -> str:
    """What a relay with these options prints. Makes its key if there is none. Raises UserError."""
    options = parse(arguments)
    _gate(options)
    key, _ = key_pair(load_seed(_state(options)))
    return _line(_host(options), options.listen.port, key)


def _say_where(options: Options, relay: Relay) -> None:
    """The one line on stdout."""
    host = _host(options)
    with contextlib.suppress(OSError):  # nobody listens any more, which is no reason not to serve
        print(_line(host, relay.port, relay.hub.key), flush=True)
    if is_private(host):
        log.warning("%s cannot be reached from the internet; if this relay can: --public-address HOST", host)


def _line(host: str, port: int, key: bytes) -> str:
    return f"relay {printed_address(host, port)}~{printed(key)}"


def _host(options: Options) -> str:
    host = options.public_address or options.listen.host
    return _own_address() if host in ("", "::", "0.0.0.0") else host


def _state(options: Options) -> Path:
    return Path(options.state) if options.state else default_directory()


def _own_address() -> str:
    """The address by which this machine speaks to the internet, IPv4 first."""
    for family, somewhere in SOMEWHERE.items():
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((somewhere, 9))
            return str(sock.getsockname()[0])
    return next(iter(_of_interfaces()), "127.0.0.1")


def _of_interfaces() -> list[str]:
    """Of a machine that has no way to the internet, whose clients are on its own network; IPv4 first."""
    import ifaddr

    found = [
        ip_address(entry.ip if isinstance(entry.ip, str) else entry.ip[0])
        for adapter in ifaddr.get_adapters()
        for entry in adapter.ips
    ]
    reachable = [address for address in found if not (address.is_loopback or address.is_link_local)]
    return [str(address) for address in sorted(reachable, key=lambda address: address.version)]


def _gate(options: Options) -> Gate:
    tokens = devices = None
    if options.token_file is not None:
        tokens = _named("--token-file", options.token_file, parse_tokens)
    if options.allow is not None:
        devices = _named("--allow", options.allow, parse_devices)
    return Gate(tokens, devices)


def _named(option: str, file: str, parse_list: Callable[[str], frozenset[bytes]]) -> frozenset[bytes]:
    text = read_list(Path(file), option)
    try:
        return parse_list(text)
    except UserError as error:
        raise UserError(f"{option} {file}: {error.message}", error.hint) from error


def _read_again(options: Options, relay: Relay) -> None:
    """SIGHUP. Those who are registered stay."""
    try:
        relay.hub.gate = _gate(options)
    except UserError as error:
        log.error("%s; what was read before stays in force", error.message)
    else:
        log.info("read the token file and the list of devices again")


def _allow_descriptors() -> None:
    with contextlib.suppress(OSError, ValueError):  # a sandbox may refuse
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def report(error: SwarmError) -> int:
    """Says what is wrong, on stderr; the exit code."""
    print(f"relay: error: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"relay: hint: {error.hint}", file=sys.stderr)
    return error.code if isinstance(error, UserError) else EXIT_FAILED
