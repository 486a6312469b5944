"""Listens on TCP for lanes that were invited; what comes without a token is nobody's.

A connection is a stranger's until it has shown a token: so many of them in all and from one host, so many seconds for
TLS and token together, and not a byte is read beyond the token. It is never answered, and never told why it was closed.
"""

from __future__ import annotations

import asyncio
import errno
import os
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from swarm.errors import Unavailable
from swarm.net.acceptor import Acceptor, listening_socket
from swarm.net.admission import Admission, Verdict
from swarm.net.datagrams import plain_address
from swarm.net.invitations import TOKEN_BYTES, Invitations
from swarm.net.limits import Limits
from swarm.net.tcp_lane import TcpLane
from swarm.net.tls import Readiness, listener_context, shake_hands, tune

if TYPE_CHECKING:
    import socket


class Host(Protocol):
    """Who invites."""

    def welcome(self, lane: TcpLane) -> None:
        """A guest has come. Called on the loop; must not wait."""


class TcpListener:
    """One TCP port, and the strangers at it."""

    def __init__(self, sock: socket.socket, limits: Limits) -> None:
        """For `open`."""
        self._limits = limits
        self._admission = Admission(limits)
        self._context, self.fingerprint = listener_context()
        self._invitations: Invitations[Host] = Invitations(os.urandom)
        self._loop = asyncio.get_running_loop()
        self._strangers: set[asyncio.Task[None]] = set()
        self._acceptor = Acceptor(sock, self._arrived)
        self.port = self._acceptor.port

    @classmethod
    def open(cls, host: str, port: int, limits: Limits | None = None) -> TcpListener:
        """Listens on `port`, else on any that is free; "" or "::" is every address. Raises Unavailable."""
        for wanted in (port, 0):
            with suppress(OSError):
                return cls(listening_socket(host, wanted), limits or Limits())
        raise Unavailable("no TCP port is to be had")

    @property
    def strangers(self) -> int:
        """Connections that have shown no token yet."""
        return self._admission.strangers

    def invite(self, host: Host, count: int) -> tuple[bytes, ...]:
        """Tokens with which guests of `host` may come; fewer than `count`, even none, when many are out."""
        return self._invitations.issue(host, count, self._loop.time())

    def withdraw(self, host: Host) -> None:
        """`host` takes no guests any more."""
        self._invitations.withdraw(host)

    async def close(self) -> None:
        """Strangers are sent away; lanes that were welcomed are their hosts'."""
        self._acceptor.close()
        for task in self._strangers:
            task.cancel()
        await asyncio.gather(*self._strangers, return_exceptions=True)

    def _arrived(self, sock: socket.socket, source: Any) -> None:
        host = plain_address(source)[0].partition("%")[0]
        if self._admission.verdict(host, proved=True) is not Verdict.ADMIT:  # TCP itself has proved the address
            sock.close()
            return
        self._admission.meet(host)
        task = self._loop.create_task(self._examine(sock, host))
        self._strangers.add(task)
        task.add_done_callback(self._strangers.discard)

    async def _examine(self, sock: socket.socket, host: str) -> None:
        """A stranger, until it is none or is gone."""
        secure: ssl.SSLSocket | None = None
        try:
            async with asyncio.timeout(self._limits.stranger_seconds):
                tune(sock)
                secure = await shake_hands(sock, self._context, listener=True)
                token = await _token(secure)
            inviting = self._invitations.redeem(token, self._loop.time())
            if inviting is not None:
                guest, secure = TcpLane(secure), None
                inviting.welcome(guest)
        except (Unavailable, OSError, TimeoutError):
            return
        finally:
            self._admission.part(host)
            if secure is not None:
                secure.close()


async def _token(sock: ssl.SSLSocket) -> bytes:
    """The first bytes. Raises OSError."""
    readiness = Readiness(sock)
    token = b""
    try:
        while len(token) < TOKEN_BYTES:
            try:
                piece = sock.recv(TOKEN_BYTES - len(token))
            except ssl.SSLWantReadError:
                await readiness.wait(writing=False)
            except ssl.SSLWantWriteError:
                await readiness.wait(writing=True)
            else:
                if not piece:
                    raise ConnectionResetError(errno.ECONNRESET, "no token")
                token += piece
        return token
    finally:
        readiness.close()
