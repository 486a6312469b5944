"""The daemon's UDP port: QUIC, echo, and all that has a first byte below QUIC's."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from swarm.net.echo import PING, PONG
from swarm.wire import relay_frame as frames
from tests.fuzz import dht, quic
from tests.fuzz.attack import Target
from tests.live.daemon import Daemon

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def corpus() -> list[bytes]:
    """What a node may be sent by somebody."""
    transaction = bytes(range(8))
    return [
        *quic.packets(),
        bytes([PING]) + bytes(16),
        bytes([PONG]) + bytes(16),
        b"\x24" + bytes(33),  # a probe of a link, and its answer
        b"\x25" + bytes(33) + b"\x0a\x00\x00\x01\xb9\x72",
        frames.data_frame(1, bytes([PING]) + bytes(16)),
        frames.data_frame(2, quic.packets(1)[0]),
        frames.cookie_frame(bytes(32), bytes(8), bytes(22)),
        frames.reset_frame(bytes(8)),
        frames.sealed_outer(bytes(8), 1) + bytes(60),
        frames.address_frame(transaction, 47471, ("192.0.2.1", 47474)),
        frames.welcome_outer(bytes(32)) + bytes(80),
        frames.gone_frame(1),
        *dht.corpus(),
    ]


@contextlib.contextmanager
def running(base: Path) -> Iterator[Target]:
    """A daemon that shares a folder."""
    daemon = Daemon(base, "victim")
    daemon.dht = True
    try:
        daemon.start()
        daemon.share()
        host, _, port = daemon.address.rpartition(":")
        ping = bytes([PING]) + bytes(16)
        pong = bytes([PONG]) + bytes(16)
        yield Target(daemon.pid, (host, int(port)), corpus(), ping, pong.__eq__, daemon.log)
    finally:
        daemon.kill()
