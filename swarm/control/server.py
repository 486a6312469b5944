"""Serves the API on a Unix socket, inside the daemon's own event loop.

The socket's file is 0600 in a directory that is 0700, and on Linux the kernel's word for who connects is checked as
well. The caller holds the home's lock: whatever stands at the socket's place is of a daemon that is gone.

uvicorn is made a guest: it gets no signal handlers, no logging set-up, and none of its 100 ms ticks (they cost 0.2 % of
a core for a Date header that nobody reads).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
import struct
from typing import TYPE_CHECKING, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from swarm.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from swarm.control.api import Api

MAX_CONNECTIONS: Final = 64  # at once; a script that waits for every folder has one each
MAX_HEAD: Final = 16 << 10  # bytes of a request's head
LAST_WORDS: Final = 1  # seconds for answers under way when the daemon ends
_PEER_CREDENTIALS: Final = struct.Struct("3i")  # pid, uid, gid: struct ucred of unix(7)


class ControlServer:
    """A server that runs until it is closed."""

    def __init__(self, api: Api, server: _Server, task: asyncio.Task[None], socket_path: Path) -> None:
        self._api = api
        self._server = server
        self._task = task
        self._socket_path = socket_path

    async def close(self) -> None:
        """Answers what is under way, takes no more, and removes the socket. Takes at most some 2 seconds."""
        self._api.end()
        self._server.end()
        with contextlib.suppress(FileNotFoundError):
            self._socket_path.unlink()
        await self._task


async def serve(api: Api, socket_path: Path) -> ControlServer:
    """Returns once clients can connect. The caller holds the home's lock.

    Raises UserError when the socket cannot be made.
    """
    listener = _bind(socket_path)
    config = uvicorn.Config(
        api.application,
        http=_Connection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        limit_concurrency=MAX_CONNECTIONS,
        h11_max_incomplete_event_size=MAX_HEAD,
        timeout_graceful_shutdown=LAST_WORDS,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]), name="control")
    serving = asyncio.create_task(server.serving.wait())
    await asyncio.wait([task, serving], return_when=asyncio.FIRST_COMPLETED)
    serving.cancel()
    if task.done():
        listener.close()
        await task
    return ControlServer(api, server, task, socket_path)


class _Server(uvicorn.Server):
    """uvicorn's server, but it sleeps until it is told to end."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.serving = asyncio.Event()
        self._ending = asyncio.Event()

    def end(self) -> None:
        self.should_exit = True
        self._ending.set()

    async def main_loop(self) -> None:
        self.serving.set()
        await self._ending.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Connection(H11Protocol):
    """uvicorn's connection, for our own user only."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        peer = transport.get_extra_info("socket")
        if peer is not None and not may_command(peer):
            transport.abort()


def may_command(peer: socket.socket) -> bool:
    """Whether the process at the other end is our user's or root's. Only Linux tells; elsewhere the mode must do."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER_CREDENTIALS.size)
    _, uid, _ = _PEER_CREDENTIALS.unpack(credentials)
    return uid in (0, os.geteuid())


def _bind(socket_path: Path) -> socket.socket:
    """A socket that nobody else can connect to, in place of a dead daemon's."""
    try:
        _remove_stale(socket_path)
        return _private_socket(socket_path)
    except OSError as error:  # bind's "path too long" has no errno, only its text
        raise UserError(
            f"cannot make the control socket {socket_path}: {error.strerror or error}",
            "set SWARM_HOME to a short path on a local disk, writable by you",
        ) from error


def _private_socket(socket_path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with contextlib.suppress(OSError):  # Linux: the file is 0600 from its first moment; macOS cannot
            os.fchmod(listener.fileno(), 0o600)
        listener.bind(str(socket_path))
        socket_path.chmod(0o600)
    except OSError:
        listener.close()
        raise
    return listener


def _remove_stale(socket_path: Path) -> None:
    try:
        mode = socket_path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):  # never ours: a file that somebody put there is not thrown away
        raise UserError(f"{socket_path} is in the way of the control socket", "move it away")
    socket_path.unlink()
