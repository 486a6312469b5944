"""The relay's UDP socket: reads runs of datagrams, and passes them on as runs.

The kernel hands over up to 64 datagrams of one sender as one buffer (UDP_GRO), and takes such a one (UDP_SEGMENT).
When all of them are DATA of one channel, the buffer goes out as it came in: one look at the tables, one system call, no
copy. Whatever is anything else is taken apart. What the socket has no room for is dropped, as by any router.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Any, Final

from swarm.net.datagrams import READ, UDP_SEGMENT, bind_socket, receive_runs, segment_size
from swarm.wire.relay_frame import DATA, DATA_HEADER, MAX_FRAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from relay.path import Path

READS: Final = 64  # buffers a turn: a few milliseconds, then it is somebody else's turn


class UdpSocket:
    """A bound socket in the loop. What it reads goes to `forward` first, and to `received` when that says no."""

    def __init__(
        self,
        sock: socket.socket,
        forward: Callable[[memoryview, int, int, Path, float], bool],
        received: Callable[[bytes, Path, float], None],
    ) -> None:
        """forward(run, segment size, datagrams, from where, now): DATA of one channel; False where there is no way.

        received(datagram, from where, now): anything else.
        """
        self._socket = sock
        self._loop = asyncio.get_running_loop()
        self._forward = forward
        self._received = received
        self._buffer = bytearray(READ)
        self._view = memoryview(self._buffer)
        self._control = socket.CMSG_SPACE(4)
        self._segments = True
        self.port: int = sock.getsockname()[1]
        self.family: int = sock.family
        self.not_sent = 0  # datagrams for which the socket had no room, or that were too large for the path
        receive_runs(sock)
        self._loop.add_reader(sock, self._readable)

    @classmethod
    def bind(
        cls,
        host: str,
        port: int,
        forward: Callable[[memoryview, int, int, Path, float], bool],
        received: Callable[[bytes, Path, float], None],
    ) -> UdpSocket:
        """At one address, or at all of them for "". Raises OSError."""
        return cls(bind_socket(host, port), forward, received)

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def send(self, datagram: bytes | memoryview, path: Path) -> None:
        """One datagram."""
        try:
            self._socket.sendto(datagram, path)
        except OSError:  # no room, no route, too large for the path: UDP promises nothing
            self.not_sent += 1

    def send_run(self, run: memoryview, segment: int, path: Path) -> None:
        """Datagrams of `segment` bytes one after the other; the last may be smaller."""
        if self._segments:
            try:
                self._socket.sendmsg([run], [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("H", segment))], 0, path)
                return
            except BlockingIOError:
                self.not_sent += -(-len(run) // segment)
                return
            except OSError:
                pass  # no segmentation offload on this way out, or too large for its path: each by itself
        failed = self.not_sent
        for start in range(0, len(run), segment):
            self.send(run[start : start + segment], path)
        if self.not_sent == failed:
            self._segments = False  # each could be sent, so it was segmentation that the kernel refused

    def _readable(self) -> None:
        receive, buffer, view, control = self._socket.recvmsg_into, self._buffer, self._view, self._control
        buffers = [buffer]
        now = self._loop.time()
        for _ in range(READS):
            try:
                size, ancillary, flags, path = receive(buffers, control)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue  # an ICMP error for something sent earlier
            if flags & socket.MSG_TRUNC or not size:
                continue
            segment = segment_size(ancillary, size) if ancillary else size
            if buffer[0] == DATA and segment > DATA_HEADER and self._whole(size, segment):
                count = -(-size // segment)
                if segment <= MAX_FRAME and self._forward(view[:size], segment, count, path, now):
                    continue
            self._take_apart(size, segment, path, now)

    def _whole(self, size: int, segment: int) -> bool:
        """Are all datagrams in the buffer DATA of one channel?"""
        buffer, head = self._buffer, self._buffer[:DATA_HEADER]
        for start in range(segment, size, segment):
            if buffer[start : start + DATA_HEADER] != head:
                return False
        return not 0 < size % segment <= DATA_HEADER

    def _take_apart(self, size: int, segment: int, path: Any, now: float) -> None:
        view = self._view
        for start in range(0, size, segment):
            end = min(start + segment, size)
            run = view[start:end]
            is_data = run[0] == DATA and DATA_HEADER < len(run) <= MAX_FRAME
            if not (is_data and self._forward(run, len(run), 1, path, now)):
                self._received(bytes(run), path, now)
            if self._socket.fileno() < 0:
                return
