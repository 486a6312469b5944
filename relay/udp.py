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

from relay.path import Stream
from relay.switch import OVER_RATE, UNKNOWN, Drop
from swarm.net.datagrams import READ, UDP_SEGMENT, bind_socket, receive_runs, segment_size
from swarm.wire.relay_frame import DATA, DATA_HEADER, MAX_FRAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from relay.path import Path
    from relay.switch import Switch

_CHANNEL: Final = struct.Struct("!I")
READS: Final = 64  # buffers a turn: a few milliseconds, then it is somebody else's turn


class UdpSocket:
    """A bound socket in the loop. It passes DATA on by itself, when `switch` knows a way that is UDP too."""

    def __init__(
        self,
        sock: socket.socket,
        switch: Switch,
        to_stream: Callable[[bytes, Stream], None],
        received: Callable[[bytes, Path, float], None],
    ) -> None:
        """to_stream(frame, where to): DATA for a TCP connection. received(datagram, from where, now): all the rest."""
        self._socket = sock
        self._loop = asyncio.get_running_loop()
        self._switch = switch
        self._to_stream = to_stream
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
        switch: Switch,
        to_stream: Callable[[bytes, Stream], None],
        received: Callable[[bytes, Path, float], None],
    ) -> UdpSocket:
        """At one address, or at all of them for "". Raises OSError."""
        return cls(bind_socket(host, port), switch, to_stream, received)

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
        forward, send, channel_at = self._switch.forward, self._socket.sendto, _CHANNEL.unpack_from
        buffers = [buffer]
        now = self._loop.time()
        for _ in range(READS):
            try:
                size, ancillary, flags, path = receive(buffers, control)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue  # an ICMP error for something sent earlier
            if ancillary or flags or buffer[0] != DATA or not DATA_HEADER < size <= MAX_FRAME:
                self._whatever(size, ancillary, flags, path, now)
                if self._socket.fileno() < 0:
                    return
                continue
            # one datagram of DATA: the same as `_pass_on`, without a call
            way = forward(channel_at(buffer, 1)[0], path, size, 1, now)
            if type(way) is tuple:
                try:
                    send(view[:size], way)
                except OSError:
                    self.not_sent += 1
            elif way is not OVER_RATE:
                self._no_udp(way, size, size, path, now)

    def _whatever(self, size: int, ancillary: list[tuple[int, int, bytes]], flags: int, path: Any, now: float) -> None:
        """What came is a run, or no DATA."""
        if flags & socket.MSG_TRUNC or not size:
            return
        segment = segment_size(ancillary, size)
        if self._is_one_channel(size, segment):
            self._pass_on(size, segment, path, now)
        else:
            for start in range(0, size, segment):
                self._one(bytes(self._view[start : min(start + segment, size)]), path, now)

    def _is_one_channel(self, size: int, segment: int) -> bool:
        """Are all datagrams in the buffer DATA of one channel?"""
        buffer, head = self._buffer, self._buffer[:DATA_HEADER]
        if buffer[0] != DATA or not DATA_HEADER < segment <= MAX_FRAME or 0 < size % segment <= DATA_HEADER:
            return False
        return all(buffer[start : start + DATA_HEADER] == head for start in range(segment, size, segment))

    def _pass_on(self, size: int, segment: int, path: Path, now: float) -> None:
        """A run of DATA of one channel."""
        channel: int = _CHANNEL.unpack_from(self._buffer, 1)[0]
        way = self._switch.forward(channel, path, size, -(-size // segment), now)
        if type(way) is tuple:
            self.send_run(self._view[:size], segment, way)
        elif way is not OVER_RATE:
            self._no_udp(way, size, segment, path, now)

    def _no_udp(self, way: Path | Drop, size: int, segment: int, path: Path, now: float) -> None:
        """DATA for a TCP connection, or for nobody."""
        for start in range(0, size, segment):
            frame = bytes(self._view[start : min(start + segment, size)])
            if isinstance(way, Stream):
                self._to_stream(frame, way)
            else:
                self._received(frame, path, now)

    def _one(self, datagram: bytes, path: Path, now: float) -> None:
        """A datagram out of a mixed run."""
        if self._socket.fileno() < 0:
            return
        if datagram[0] != DATA or not DATA_HEADER < len(datagram) <= MAX_FRAME:
            self._received(datagram, path, now)
            return
        way = self._switch.forward(_CHANNEL.unpack_from(datagram, 1)[0], path, len(datagram), 1, now)
        if isinstance(way, Stream):
            self._to_stream(datagram, way)
        elif way is UNKNOWN:
            self._received(datagram, path, now)
        elif not isinstance(way, Drop):
            self.send(datagram, way)
