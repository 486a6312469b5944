"""A TCP socket that listens, and goes on to when there are no descriptors left."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

BACKLOG = 64  # connections that wait for us in the kernel: as many as there may be strangers
PAUSE = 0.5  # seconds without accepting, when this process has no descriptors left


class Acceptor:
    """Hands each connection to its owner, who bounds how many there are."""

    def __init__(self, sock: socket.socket, on_connection: Callable[[socket.socket, Any], None]) -> None:
        """`sock`: of `listening_socket`. `on_connection` gets a connection and the address that it is from, as the
        socket module has it; it must not wait."""
        self._socket = sock
        self._on_connection = on_connection
        self._loop = asyncio.get_running_loop()
        self.port: int = sock.getsockname()[1]
        self._loop.add_reader(sock, self._accept)

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _accept(self) -> None:
        try:
            sock, source = self._socket.accept()
        except (BlockingIOError, ConnectionAbortedError, InterruptedError):
            return
        except OSError:  # EMFILE and its kin: the socket stays readable, so asking again at once would spin
            self._loop.remove_reader(self._socket)
            self._loop.call_later(PAUSE, self._resume)
            return
        self._on_connection(sock, source)

    def _resume(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.add_reader(self._socket, self._accept)


def listening_socket(host: str, port: int) -> socket.socket:
    """A TCP socket that listens at one address or at all ("" and "::"), and never blocks. Raises OSError."""
    everywhere = host in ("", "::")
    if everywhere or ":" in host:
        try:
            return _listening(socket.AF_INET6, "::" if everywhere else host, port, dual=everywhere)
        except OSError as error:
            if not everywhere or error.errno == errno.EADDRINUSE:
                raise
            host = ""  # a machine without IPv6
    return _listening(socket.AF_INET, host, port, dual=False)


def _listening(family: socket.AddressFamily, host: str, port: int, *, dual: bool) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a restart need not wait for old connections
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual)
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock
