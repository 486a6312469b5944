"""The UDP socket: addresses, runs of datagrams, and a send buffer that is full."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest

from swarm.errors import Unavailable
from swarm.net import datagrams
from swarm.net.datagrams import QUEUE, SEGMENTS, Datagrams, bind_near, plain_address

ELSEWHERE = ("127.0.0.1", 9)


class Sink:
    def __init__(self) -> None:
        self.got: list[tuple[bytes, tuple[str, int]]] = []
        self.batches = 0
        self.writable = asyncio.Event()
        self.changed = asyncio.Event()

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self.got.append((data, address))

    def batch_received(self) -> None:
        self.batches += 1
        self.changed.set()

    def socket_writable(self) -> None:
        self.writable.set()

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.got) < count:
                self.changed.clear()
                await self.changed.wait()


class FickleSocket:
    """A socket that refuses in ways that a real one does only now and then."""

    family = socket.AF_INET

    def __init__(self, *, segmentation: int = 0, room: int = 10**9, largest: int = 65_000) -> None:
        self.sent: list[bytes] = []
        self.calls = 0
        self.segmentation, self.room, self.largest = segmentation, room, largest
        self._real = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def getsockname(self) -> tuple[str, int]:
        return ("127.0.0.1", 1)

    def setsockopt(self, *_: object) -> None:
        pass

    def fileno(self) -> int:
        return self._real.fileno()

    def close(self) -> None:
        self._real.close()

    def sendmsg(self, run: list[bytes], *_: object) -> None:
        self.calls += 1
        if self.segmentation:
            raise OSError(self.segmentation, "no")
        if max(map(len, run)) > self.largest:
            raise OSError(errno.EINVAL, "too large a segment")
        self._take(run)

    def sendto(self, datagram: bytes, _address: object) -> None:
        self.calls += 1
        if len(datagram) > self.largest:
            raise OSError(errno.EMSGSIZE, "too large")
        self._take([datagram])

    def _take(self, run: list[bytes]) -> None:
        size = sum(map(len, run))
        if size > self.room:
            raise BlockingIOError
        self.room -= size
        self.sent += run


def over(sock: FickleSocket) -> Datagrams:
    return Datagrams(sock)  # type: ignore[arg-type]


def test_mapped_addresses_are_written_as_ipv4() -> None:
    assert plain_address(("::ffff:192.0.2.1", 5, 0, 0)) == ("192.0.2.1", 5)
    assert plain_address(("2001:db8::1", 5, 0, 0)) == ("2001:db8::1", 5)
    assert plain_address(("192.0.2.1", 5)) == ("192.0.2.1", 5)


def test_a_run_ends_with_the_first_smaller_datagram_and_before_a_larger_one() -> None:
    async def scenario() -> None:
        sock = FickleSocket()
        wire = over(sock)
        parts = [b"a" * 10, b"b" * 10, b"c" * 4, b"d" * 10, b"e" * 20]
        assert wire.send(parts, ELSEWHERE) is None
        assert sock.sent == parts
        assert sock.calls == 3
        sock.calls = 0
        wire.send([b"x" * 100] * (2 * SEGMENTS), ELSEWHERE)
        assert sock.calls == 2
        wire.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("refusal", [errno.EIO, errno.EINVAL, errno.EOPNOTSUPP])
def test_without_segmentation_offload_each_datagram_goes_by_itself(refusal: int) -> None:
    async def scenario() -> None:
        sock = FickleSocket(segmentation=refusal)
        wire = over(sock)
        for _ in range(2):
            assert wire.send([b"x" * 10] * 5, ELSEWHERE) is None
        assert len(sock.sent) == 10
        assert sock.calls == 11  # the kernel is asked once
        wire.close()

    asyncio.run(scenario())


def test_datagrams_too_large_for_the_interface_do_not_end_segmentation() -> None:
    async def scenario() -> None:
        sock = FickleSocket(largest=1500)
        wire = over(sock)
        failure = wire.send([b"x" * 2000] * 3, ELSEWHERE)
        assert failure is not None
        assert failure.errno == errno.EMSGSIZE
        sock.calls = 0
        wire.send([b"x" * 1200] * 3, ELSEWHERE)
        assert sock.calls == 1
        wire.close()

    asyncio.run(scenario())


def test_a_full_send_buffer_queues_a_bounded_amount_in_order() -> None:
    async def scenario() -> None:
        sock = FickleSocket(room=3000)
        wire = over(sock)
        sink = Sink()
        wire.start(sink)
        pieces = [bytes([index]) * 1000 for index in range(6)]
        for piece in pieces:
            wire.send([piece], ELSEWHERE)
        blocked = wire.blocked
        assert blocked
        assert sock.sent == pieces[:3]
        for _ in range(QUEUE // 1000 * 2):
            wire.send([b"z" * 1000], ELSEWHERE)
        assert wire._queued <= QUEUE
        sock.room = 10**9
        async with asyncio.timeout(5):
            await sink.writable.wait()
        assert sock.sent[:6] == pieces
        assert not wire.blocked
        wire.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("here", ["127.0.0.1", "::", "::1"])
def test_many_datagrams_at_once_arrive_whole_and_apart(here: str) -> None:
    async def scenario() -> None:
        sink, quiet = Sink(), Sink()
        receiver, sender = Datagrams.bind(here, 0), Datagrams.bind("::", 0)
        receiver.start(sink)
        sender.start(quiet)
        sent = [bytes([index]) * (1200 if index < 99 else 7) for index in range(100)]
        sender.send(sent, ("127.0.0.1" if here != "::1" else "::1", receiver.address[1]))
        await sink.wait_for(100)
        assert [data for data, _ in sink.got] == sent
        assert {address[0] for _, address in sink.got} == {"::1" if here == "::1" else "127.0.0.1"}
        assert sink.batches < 100
        receiver.close()
        sender.close()

    asyncio.run(scenario())


def test_without_ipv6_all_addresses_means_those_of_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    real = datagrams._bound

    def only_ipv4(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "no IPv6")
        return real(family, host, port)

    monkeypatch.setattr(datagrams, "_bound", only_ipv4)

    async def scenario() -> None:
        wire = Datagrams.bind("", 0)
        assert wire.address[0] == "0.0.0.0"
        assert wire.reaches("127.0.0.1")
        assert not wire.reaches("::1")
        wire.close()

    asyncio.run(scenario())


def test_a_taken_port_gives_the_next_free_one_and_a_foreign_address_a_reason() -> None:
    async def scenario() -> None:
        first = bind_near("127.0.0.1", 0, 1)
        second = bind_near("127.0.0.1", first.address[1], 50)
        assert second.address[1] > first.address[1]
        with pytest.raises(Unavailable, match="cannot listen"):
            bind_near("127.0.0.1", first.address[1], 1)
        with pytest.raises(Unavailable, match="cannot listen"):
            bind_near("192.0.2.1", 0, 50)
        first.close()
        second.close()

    asyncio.run(scenario())
