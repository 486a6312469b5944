"""The UDP socket: one for IPv4 and IPv6, read and written many datagrams to a system call.

Linux hands over a run of datagrams from one sender as one buffer (UDP_GRO) and takes a run to one receiver the same way
(UDP_SEGMENT); elsewhere, and where the kernel refuses, each goes by itself. Datagrams are never fragmented: one too
large for the path is lost, as the path MTU discovery above expects. UDP promises nothing, so what cannot be sent is
dropped, except when the send buffer is full: then the rest waits in a bounded queue, and `blocked` says so.

Addresses are (host, port) with IPv4 in its own notation, also on a dual-stack socket, which writes ::ffff:192.0.2.1.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
import sys
from collections import deque
from contextlib import suppress
from ipaddress import IPv4Address, ip_address
from typing import TYPE_CHECKING, Any, Protocol

from swarm.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    Address = tuple[str, int]

BUFFER = 4 << 20  # bytes in the kernel, each way: 40 ms of a gigabit
SUPERFRAMES = 4  # reads a turn; 4 x 64 kB are about 10 ms of decryption at 1,200 bytes
SEGMENTS = 64  # the kernel's limit for one UDP_SEGMENT run
RUN = 65_000  # bytes in a run: one IP datagram, headers included, holds 65,535
QUEUE = 1 << 20  # bytes waiting for room in the socket; several links may add one burst each
READ = 1 << 16

UDP_SEGMENT, UDP_GRO = 103, 104  # linux/udp.h; Python has no names for them
LINUX_FORCE = {socket.SO_RCVBUF: 33, socket.SO_SNDBUF: 32}  # SO_RCVBUFFORCE, SO_SNDBUFFORCE: beyond rmem_max, as root
IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, PROBE = 10, 23, 3  # set DF, and ignore what the kernel believes of the path
MAPPED = "::ffff:"


def plain_address(source: tuple[Any, ...]) -> Address:
    """(host, port) of what the socket reports, IPv4-mapped addresses unwrapped."""
    host: str = source[0]
    return (host[len(MAPPED) :] if host.startswith(MAPPED) and "." in host else host), source[1]


class Receiver(Protocol):
    """Who gets the datagrams."""

    def datagram_received(self, data: bytes, address: Address) -> None:
        """One datagram."""

    def batch_received(self) -> None:
        """The socket is empty for now, or it is somebody else's turn."""

    def socket_writable(self) -> None:
        """There is room in the socket after `blocked`."""


class Datagrams:
    """A bound UDP socket in an asyncio loop."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._loop = asyncio.get_running_loop()
        self.family: int = sock.family
        self.address = plain_address(sock.getsockname())
        self._receiver: Receiver | None = None
        self._buffer = bytearray(READ)
        self._view = memoryview(self._buffer)
        self._control = socket.CMSG_SPACE(4)
        self._queue: deque[tuple[Sequence[bytes], Address]] = deque()
        self._queued = 0
        self._segments = sys.platform == "linux"
        receive_runs(sock)

    @classmethod
    def bind(cls, host: str, port: int) -> Datagrams:
        """Binds to one address, or to all of them for "" and "::". OSError where that cannot be."""
        return cls(bind_socket(host, port))

    def start(self, receiver: Receiver) -> None:
        """Begins to read."""
        self._receiver = receiver
        self._loop.add_reader(self._socket, self._readable)

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._queue.clear()
        self._queued = 0
        self._socket.close()

    @property
    def blocked(self) -> bool:
        """Is the send buffer full? `Receiver.socket_writable` tells when it no longer is."""
        return bool(self._queue)

    def reaches(self, host: str) -> bool:
        """Can this socket send to such an address at all?"""
        return self.family == socket.AF_INET6 or isinstance(ip_address(host), IPv4Address)

    def send(self, datagrams: Sequence[bytes], address: Address) -> OSError | None:
        """Sends what it can and drops the rest; returns the last failure that was not for want of room."""
        failure: OSError | None = None
        position = 0
        while position < len(datagrams):
            run = self._next_run(datagrams, position)
            if self._queue:
                self._enqueue(run, address)
            else:
                failure = self._send_run(run, address) or failure
            position += len(run)
        return failure

    def _next_run(self, datagrams: Sequence[bytes], start: int) -> Sequence[bytes]:
        """The longest run that UDP_SEGMENT takes: equal sizes, the last one may be smaller."""
        size = len(datagrams[start])
        stop, total = start + 1, size
        if self._segments:
            limit = min(len(datagrams), start + SEGMENTS)
            while stop < limit and len(datagrams[stop]) <= size and total + len(datagrams[stop]) <= RUN:
                total += len(datagrams[stop])
                stop += 1
                if len(datagrams[stop - 1]) < size:
                    break
        return datagrams[start:stop]

    def _send_run(self, run: Sequence[bytes], address: Address) -> OSError | None:
        if len(run) > 1:
            segment = struct.pack("H", len(run[0]))
            try:
                self._socket.sendmsg(run, [(socket.IPPROTO_UDP, UDP_SEGMENT, segment)], 0, self._destination(address))
                return None
            except (BlockingIOError, InterruptedError):
                self._enqueue(run, address)
                return None
            except OSError:
                pass  # no segmentation offload here, or one of them is too large for the path: each by itself
        failure: OSError | None = None
        for index, datagram in enumerate(run):
            try:
                self._socket.sendto(datagram, self._destination(address))
            except (BlockingIOError, InterruptedError):
                self._enqueue(run[index:], address)
                return failure
            except OSError as error:
                failure = error
        if len(run) > 1 and failure is None:
            self._segments = False  # each of them could be sent, so it was segmentation that the kernel refused
        return failure

    def _destination(self, address: Address) -> Address:
        host, port = address
        return (MAPPED + host, port) if self.family == socket.AF_INET6 and ":" not in host else address

    def _enqueue(self, run: Sequence[bytes], address: Address) -> None:
        size = sum(map(len, run))
        if self._queued + size > QUEUE:
            return  # congestion, of which loss is the signal
        if not self._queue:
            self._loop.add_writer(self._socket, self._writable)
        self._queue.append((run, address))
        self._queued += size

    def _writable(self) -> None:
        waiting, self._queue, self._queued = self._queue, deque(), 0
        while waiting and not self._queue:
            self._send_run(*waiting.popleft())
        for run, address in waiting:
            self._enqueue(run, address)
        if not self._queue:
            self._loop.remove_writer(self._socket)
            if self._receiver is not None:
                self._receiver.socket_writable()

    def _readable(self) -> None:
        receiver = self._receiver
        assert receiver is not None
        for _ in range(SUPERFRAMES):
            try:
                size, ancillary, flags, source = self._socket.recvmsg_into([self._buffer], self._control)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                continue  # an ICMP error for something sent earlier; it was reported by being asked for
            if flags & socket.MSG_TRUNC:
                continue
            segment = segment_size(ancillary, size)
            address = plain_address(source)
            for start in range(0, size, max(segment, 1)):
                receiver.datagram_received(bytes(self._view[start : min(start + segment, size)]), address)
            if self._socket.fileno() < 0:
                return  # the receiver closed us
        receiver.batch_received()


def bind_socket(host: str, port: int) -> socket.socket:
    """A UDP socket that never blocks and never fragments, at one address or at all ("" and "::"). Raises OSError."""
    everywhere = host in ("", "::")
    if everywhere or ":" in host:
        try:
            return _bound(socket.AF_INET6, "::" if everywhere else host, port)
        except OSError as error:
            if not everywhere or error.errno == errno.EADDRINUSE:
                raise
            host = ""  # a machine without IPv6
    return _bound(socket.AF_INET, host, port)


def receive_runs(sock: socket.socket) -> None:
    """Lets the kernel hand over runs of datagrams, where it can."""
    with suppress(OSError):
        sock.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)


def segment_size(ancillary: list[tuple[int, int, bytes]], size: int) -> int:
    """How large the datagrams of a run of `size` bytes are (the last may be smaller): what recvmsg said beside it."""
    for level, kind, data in ancillary:
        if level == socket.IPPROTO_UDP and kind == UDP_GRO and len(data) >= 4:
            return int(struct.unpack("i", data[:4])[0])
    return size


def _bound(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            _grow(sock, option)
        _forbid_fragments(sock, family)
        sock.bind((host, port))
    except BaseException:
        sock.close()
        raise
    return sock


def _grow(sock: socket.socket, option: int) -> None:
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, option, BUFFER)
    if sys.platform == "linux":
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, LINUX_FORCE[option], BUFFER)


def _forbid_fragments(sock: socket.socket, family: int) -> None:
    if sys.platform != "linux":
        return
    with suppress(OSError):
        sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PROBE)
    if family == socket.AF_INET6:
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, PROBE)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_DONTFRAG, 1)


def bind_near(host: str, port: int, tries: int) -> Datagrams:
    """Binds to `port`, or to the next free one. Raises Unavailable when none of `tries` is free."""
    error: OSError | None = None
    for candidate in range(port, min(port + tries, 65_536)) if port else (0,):
        try:
            return Datagrams.bind(host, candidate)
        except OSError as refusal:
            error = refusal
            if refusal.errno != errno.EADDRINUSE:
                break
    why = (error.strerror or str(error)) if error is not None else "there is none"
    raise Unavailable(f"cannot listen on UDP port {port} of {host or 'this machine'}: {why}", "name another port")
