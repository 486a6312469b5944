"""The relay's TCP port: TLS, and frames behind their length. For networks that block UDP.

A connection is counted from the moment it is accepted: so many in all and from one address, so many seconds for TLS, so
many again until a device has registered over it. What goes to a reader that is too slow is dropped once so many bytes
wait for it: the devices' own connection sees loss, and slows down, as it would at any router. asyncio's TLS is good
enough here, since whoever has UDP uses that.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from typing import TYPE_CHECKING, cast

from relay.path import Stream, address_of
from swarm.errors import BadPeer
from swarm.net.admission import allowance_key
from swarm.net.tcp_listener import PAUSE, listening_socket
from swarm.net.tls import listener_context, tune
from swarm.wire.relay_frame import in_stream, stream_reader

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from relay.count import Counts
    from relay.limits import Limits


class Streams:
    """The TCP connections of one relay."""

    def __init__(
        self,
        sock: socket.socket,
        limits: Limits,
        counts: Counts,
        received: Callable[[bytes, Stream], None],
        closed: Callable[[Stream], None],
        is_registered: Callable[[Stream], bool],
    ) -> None:
        self._socket = sock
        self._limits = limits
        self._counts = counts
        self.received = received
        self._closed = closed
        self.is_registered = is_registered
        self._context, _ = listener_context()
        self._loop = asyncio.get_running_loop()
        self._by_stream: dict[Stream, _Connection] = {}
        self._hosts: Counter[str] = Counter()
        self._number = 0
        self._entering: set[asyncio.Task[None]] = set()
        self.port: int = sock.getsockname()[1]
        self.not_sent = 0  # frames for which there was no room
        self.open = 0  # connections, those that still shake hands included
        self._loop.add_reader(sock, self._accept)

    @classmethod
    def listen(
        cls,
        host: str,
        port: int,
        limits: Limits,
        counts: Counts,
        received: Callable[[bytes, Stream], None],
        closed: Callable[[Stream], None],
        is_registered: Callable[[Stream], bool],
    ) -> Streams:
        """At one address, or at all of them for "". Raises OSError."""
        return cls(listening_socket(host, port), limits, counts, received, closed, is_registered)

    def send(self, frame: bytes | memoryview, stream: Stream) -> None:
        """One frame, unless too much waits for that reader."""
        connection = self._by_stream.get(stream)
        if connection is None:
            return
        transport = connection.transport
        if transport.get_write_buffer_size() + len(frame) > self._limits.stream_buffer:
            self.not_sent += 1
            return
        transport.write(in_stream(bytes(frame)))

    def end(self, stream: Stream) -> None:
        """Closes a connection, after what was written."""
        connection = self._by_stream.get(stream)
        if connection is not None:
            connection.transport.close()

    async def close(self) -> None:
        """All of them."""
        self._loop.remove_reader(self._socket)
        self._socket.close()
        for task in self._entering:
            task.cancel()
        await asyncio.gather(*self._entering, return_exceptions=True)
        for connection in list(self._by_stream.values()):
            connection.transport.abort()

    def _accept(self) -> None:
        try:
            sock, source = self._socket.accept()
        except (BlockingIOError, ConnectionAbortedError, InterruptedError):
            return
        except OSError:  # EMFILE and its kin: the socket stays readable, so asking again at once would spin
            self._loop.remove_reader(self._socket)
            self._loop.call_later(PAUSE, self._resume)
            return
        host, port = address_of(source)
        key = allowance_key(host)
        if self.open >= self._limits.streams or self._hosts[key] >= self._limits.streams_per_address:
            self._forget(key, 0)
            self._counts.streams_refused += 1
            sock.close()
            return
        self.open += 1
        self._hosts[key] += 1
        self._number += 1
        task = self._loop.create_task(self._enter(sock, Stream(host, port, self._number), key))
        self._entering.add(task)
        task.add_done_callback(self._entering.discard)

    def _resume(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.add_reader(self._socket, self._accept)

    async def _enter(self, sock: socket.socket, stream: Stream, key: str) -> None:
        """TLS; from then on the connection looks after itself."""
        try:
            tune(sock)
            await self._loop.connect_accepted_socket(
                lambda: _Connection(self, stream, key),
                sock,
                ssl=self._context,
                ssl_handshake_timeout=self._limits.stream_seconds,
                ssl_shutdown_timeout=1.0,
            )
        except (OSError, ssl.SSLError):
            if stream not in self._by_stream:
                self._counts.streams_failed += 1
                self._leave(key)
        except asyncio.CancelledError:
            sock.close()
            raise

    def entered(self, stream: Stream, connection: _Connection) -> None:
        """TLS is up."""
        self._by_stream[stream] = connection
        self._loop.call_later(self._limits.stream_seconds, self._examine, stream)

    def left(self, stream: Stream, key: str) -> None:
        """The connection is over."""
        del self._by_stream[stream]
        self._leave(key)
        self._closed(stream)

    def _examine(self, stream: Stream) -> None:
        """Has a device registered over it by now?"""
        connection = self._by_stream.get(stream)
        if connection is not None and not self.is_registered(stream):
            self._counts.streams_failed += 1
            connection.transport.abort()

    def _leave(self, key: str) -> None:
        self.open -= 1
        self._forget(key, 1)

    def _forget(self, key: str, step: int) -> None:
        self._hosts[key] -= step
        if not self._hosts[key]:
            del self._hosts[key]


class _Connection(asyncio.Protocol):
    """One of them."""

    def __init__(self, streams: Streams, stream: Stream, key: str) -> None:
        self._streams = streams
        self._stream = stream
        self._key = key
        self._reader = stream_reader()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._streams.entered(self._stream, self)

    def data_received(self, data: bytes) -> None:
        try:
            frames = self._reader.feed(data)
        except BadPeer:
            self.transport.abort()
            return
        for frame in frames:
            self._streams.received(frame, self._stream)

    def connection_lost(self, error: Exception | None) -> None:
        self._streams.left(self._stream, self._key)
