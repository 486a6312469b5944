"""Frames to and from a relay over TLS and TCP, for networks that block UDP."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from swarm.errors import BadPeer, Unavailable
from swarm.net.tls import dialler_context
from swarm.wire.relay_frame import in_stream, stream_reader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swarm.wire.hop import Address

DIAL_SECONDS = 5.0  # for TCP and TLS
UNSENT = 256 << 10  # bytes that wait for the relay to take them; above, links wait, and what comes anyway is dropped


class User(Protocol):
    """Whose stream it is."""

    def frames_received(self, stream: RelayStream, frames: list[bytes]) -> None: ...

    def stream_writable(self) -> None:
        """There is room again after `blocked`."""

    def stream_lost(self, stream: RelayStream) -> None: ...


class RelayStream(asyncio.Protocol):
    """One connection."""

    def __init__(self, user: User) -> None:
        self._user = user
        self._reader = stream_reader()
        self._transport: asyncio.Transport | None = None
        self.blocked = False

    @classmethod
    async def dial(cls, address: Address, user: User) -> RelayStream:
        """Raises Unavailable."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(DIAL_SECONDS):
                _, stream = await loop.create_connection(lambda: cls(user), *address, ssl=dialler_context())
        except (OSError, TimeoutError) as error:
            raise Unavailable(f"no TLS with {address[0]} port {address[1]}: {error}") from None
        return stream

    def send(self, frames: Sequence[bytes]) -> None:
        """What there is no room for is dropped: QUIC above takes loss for the sign to slow down."""
        transport = self._transport
        if transport is not None and not transport.is_closing() and transport.get_write_buffer_size() <= UNSENT:
            transport.write(b"".join(in_stream(frame) for frame in frames))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # `asyncio.Protocol`

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=UNSENT)
        sock = transport.get_extra_info("socket")
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        try:
            frames = self._reader.feed(data)
        except BadPeer:
            self.close()
            return
        self._user.frames_received(self, frames)

    def pause_writing(self) -> None:
        self.blocked = True

    def resume_writing(self) -> None:
        self.blocked = False
        self._user.stream_writable()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.blocked = False
        self._user.stream_lost(self)
