"""Runs a node as a daemon: the loop, the signals, the network and the control socket."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

from swarm.control.api import Api
from swarm.control.server import serve
from swarm.errors import Unavailable, UserError
from swarm.keys.relay import RelayPass
from swarm.net.endpoint import Endpoint
from swarm.net.tcp_listener import TcpListener
from swarm.node.log import begin
from swarm.node.node import Node
from swarm.node.requests import Requests

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from swarm.config import Config
    from swarm.disk.home import Home

log = logging.getLogger("swarm.node")

SWITCH_INTERVAL = 0.001  # seconds; a thread back from a system call waits this long for one that computes, not 5 ms
PORT_FILE = "port"  # in the home: the port that was free the last time, so that peers find us again


def run_daemon(home: Home, config: Config, on_ready: Callable[[], None], log_file: Path | None) -> int:
    """Blocks until SIGTERM, Ctrl-C or `swarm stop`; `on_ready` is called once commands are accepted.

    log_file: what is behind stderr in the background.

    Raises UserError where it cannot begin.
    """
    for relay in config.relay:
        RelayPass.parse(relay.key)
    begin(config.log_level, log_file)
    sys.setswitchinterval(SWITCH_INTERVAL)
    asyncio.run(_run(home, config, on_ready))
    return 0


async def _run(home: Home, config: Config, on_ready: Callable[[], None]) -> None:
    node = Node(home, config, _device_name())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, node.stopping.set)
    network = await _listen(home, config, node)
    api = Api(Requests(node))
    control = await serve(api, home.socket)
    try:
        await node.run(network, on_ready, _listen_on_tcp(network.address))
    finally:
        await control.close()


async def _listen(home: Home, config: Config, node: Node) -> Endpoint:
    port = config.listen.port
    if not config.listen_given:
        port = _kept_port(home) or port
    try:
        network = await Endpoint.open(config.listen.host, port, on_link=node.accept, on_other=node.datagram)
    except Unavailable as error:
        raise UserError(error.message, "choose another: swarm run --listen HOST:PORT") from error
    if network.address[1] != port or not config.listen_given:
        with contextlib.suppress(OSError):
            (home.path / PORT_FILE).write_text(f"{network.address[1]}\n")
    log.info("listening at %s port %d", *network.address)
    return network


def _listen_on_tcp(address: tuple[str, int]) -> TcpListener | None:
    """For bulk lanes; all goes over QUIC without it."""
    try:
        return TcpListener.open(*address)
    except Unavailable as error:
        log.warning("%s: transfers are slower", error.message)
        return None


def _kept_port(home: Home) -> int | None:
    try:
        port = int((home.path / PORT_FILE).read_text())
    except (OSError, ValueError):
        return None
    return port if 0 < port < 65536 else None


def _device_name() -> str:
    return os.environ.get("SWARM_DEVICE_NAME") or socket.gethostname()
