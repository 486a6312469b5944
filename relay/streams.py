"""The relay's TCP port: TLS, and frames behind their length. For networks that block UDP.

A connection is counted from the moment it is accepted: so many in all and from one address, so many seconds for TLS, so
many again until a device has registered over it. What goes to a reader that is too slow is dropped once so many bytes
wait for it: the devices' own connection sees loss, and slows down, as it would at any router. The loop drives the
sockets itself: asyncio's TLS holds 256 KiB for each connection, whether anything comes or not.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from relay.path import Stream, address_of
from swarm.errors import BadPeer, Unavailable
from swarm.net.acceptor import Acceptor, listening_socket
from swarm.net.admission import allowance_key
from swarm.net.tls import listener_context, shake_hands, tune
from swarm.wire.relay_frame import in_stream, stream_reader

if TYPE_CHECKING:
    from collections.abc import Callable

    from relay.count import Counts
    from relay.limits import Limits

RECORD: Final = 16 << 10  # bytes: the largest record of TLS
READS: Final = 16  # records of one connection a turn, then it is somebody else's
UNSENT: Final = 64 << 10  # bytes that the kernel keeps unsent; it would take megabytes, and hold them for seconds
LINGER: Final = 1.0  # seconds in which a connection that is ended takes what was written


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
        self.not_sent = 0  # frames for which there was no room
        self.open = 0  # connections, those that still shake hands included
        self._acceptor = Acceptor(sock, self._arrived)
        self.port = self._acceptor.port

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
        if connection.unsent + len(frame) > self._limits.stream_buffer:
            self.not_sent += 1
            return
        connection.write(in_stream(bytes(frame)))

    def end(self, stream: Stream) -> None:
        """Closes a connection, after what was written."""
        connection = self._by_stream.get(stream)
        if connection is not None:
            connection.end()

    async def close(self) -> None:
        """All of them."""
        self._acceptor.close()
        for task in self._entering:
            task.cancel()
        await asyncio.gather(*self._entering, return_exceptions=True)
        for connection in list(self._by_stream.values()):
            connection.flush()
            connection.abort()

    def _arrived(self, sock: socket.socket, source: Any) -> None:
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

    async def _enter(self, sock: socket.socket, stream: Stream, key: str) -> None:
        """TLS; from then on the connection looks after itself."""
        try:
            async with asyncio.timeout(self._limits.stream_seconds):
                tune(sock)
                with suppress(AttributeError, OSError):  # a system that has no such thing
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
                secure = await shake_hands(sock, self._context, listener=True)
        except (Unavailable, OSError, TimeoutError):
            self._counts.streams_failed += 1
            self._leave(key)
            return
        self._by_stream[stream] = _Connection(secure, self, stream, key)
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
            connection.abort()

    def _leave(self, key: str) -> None:
        self.open -= 1
        self._forget(key, 1)

    def _forget(self, key: str, step: int) -> None:
        self._hosts[key] -= step
        if not self._hosts[key]:
            del self._hosts[key]


class _Connection:
    """One of them, TLS and all."""

    def __init__(self, sock: ssl.SSLSocket, streams: Streams, stream: Stream, key: str) -> None:
        self._socket = sock
        self._streams = streams
        self._stream = stream
        self._key = key
        self._reader = stream_reader()
        self._waiting = bytearray()  # to be sent
        self._retry: bytes | None = None  # what OpenSSL wants to be given again, just as it was
        self._flushing = False
        self._ending = False
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock, self._readable)
        self._loop.call_soon(self._readable)  # what came with the handshake is in OpenSSL, and wakes nobody

    @property
    def unsent(self) -> int:
        """Bytes that wait for the reader."""
        return len(self._waiting) + len(self._retry or b"")

    def write(self, data: bytes) -> None:
        """Sent with whatever else is written in this turn of the loop: one record, one system call."""
        self._waiting += data
        if not self._flushing and self._retry is None:
            self._flushing = True
            self._loop.call_soon(self.flush)

    def end(self) -> None:
        """Closes after what was written; what still comes is not looked at."""
        if not self._ending:
            self._ending = True
            self._loop.call_later(LINGER, self.abort)
            if not self.unsent:
                self._shut()

    def abort(self) -> None:
        """Closes now."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket.close()
            self._streams.left(self._stream, self._key)

    def flush(self) -> None:
        """Sends what the socket has room for."""
        self._flushing = False
        if self._socket.fileno() < 0:
            return
        try:
            while self.unsent:
                if self._retry is None:
                    self._retry = bytes(self._waiting[:RECORD])
                    del self._waiting[:RECORD]
                self._socket.send(self._retry)  # OpenSSL takes all of a record, or none of it
                self._retry = None
        except ssl.SSLWantWriteError:
            self._loop.add_writer(self._socket, self.flush)
            return
        except ssl.SSLWantReadError:
            return  # the other side wants new keys; `_readable` goes on
        except OSError:
            self.abort()
            return
        self._loop.remove_writer(self._socket)
        if self._ending:
            self._shut()

    def _shut(self) -> None:
        with suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_WR)  # of the socket below TLS, which stays readable

    def _readable(self) -> None:
        for _ in range(READS):
            if self._socket.fileno() < 0:
                return
            try:
                data = self._socket.recv(RECORD)
                frames = self._reader.feed(data)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                break
            except (OSError, BadPeer):
                self.abort()
                return
            if not data:
                self.abort()
                return
            for frame in () if self._ending else frames:
                self._streams.received(frame, self._stream)
        else:
            self._loop.call_soon(self._readable)  # OpenSSL may have more, of which the socket says nothing
        if self._retry is not None and not self._flushing:
            self.flush()
