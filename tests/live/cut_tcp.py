"""Runs `swarm`, and cuts the connections of all TCP lanes at each SIGUSR1: the network fails, as far as it can tell."""

from __future__ import annotations

import signal
import socket
import sys
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING

from swarm.net.tcp_lane import TcpLane

if TYPE_CHECKING:
    import ssl

lanes: weakref.WeakSet[TcpLane] = weakref.WeakSet()
_init = TcpLane.__init__


def _remember(lane: TcpLane, sock: ssl.SSLSocket) -> None:
    _init(lane, sock)
    lanes.add(lane)


def _cut(_number: int, _frame: object) -> None:
    cut = 0
    for lane in list(lanes):
        with suppress(OSError):
            socket.socket.shutdown(lane._socket, socket.SHUT_RDWR)
            cut += 1
    print(f"cut {cut} lanes", file=sys.stderr, flush=True)


if __name__ == "__main__":
    TcpLane.__init__ = _remember  # type: ignore[assignment, method-assign]
    signal.signal(signal.SIGUSR1, _cut)
    from swarm.cli.main import main

    sys.exit(main())
