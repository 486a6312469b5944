"""The endpoint over real sockets on loopback: dialling, time, paths that lose and swallow, and the loop's patience."""

from __future__ import annotations

import asyncio
import random
import socket
from typing import TYPE_CHECKING, Any

import pytest

from swarm.errors import Unavailable
from swarm.net.endpoint import Endpoint
from swarm.net.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from swarm.wire.lane import Lane, Link

pytestmark = pytest.mark.live


class Middlebox:
    """Forwards datagrams between one dialler and one listener, if `passes` says so."""

    def __init__(self, target: tuple[str, int], passes: Callable[[bytes], bool]) -> None:
        self.passes = passes
        self._loop = asyncio.get_running_loop()
        self._target = target
        self._dialler: tuple[str, int] | None = None
        self._outside, self._inside = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        for sock, forward in ((self._outside, self._inward), (self._inside, self._outward)):
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            sock.bind(("127.0.0.1", 0))
            self._loop.add_reader(sock, forward)
        self.address: tuple[str, int] = self._outside.getsockname()

    def _inward(self) -> None:
        data, self._dialler = self._outside.recvfrom(65_536)
        if self.passes(data):
            self._inside.sendto(data, self._target)

    def _outward(self) -> None:
        data = self._inside.recv(65_536)
        if self.passes(data) and self._dialler is not None:
            self._outside.sendto(data, self._dialler)

    def rebind(self) -> None:
        """As a NAT that has forgotten the dialler: another port outside, and nothing comes in by the old one."""
        old, self._inside = self._inside, socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._loop.remove_reader(old)
        old.close()
        self._inside.setblocking(False)
        self._inside.bind(("127.0.0.1", 0))
        self._loop.add_reader(self._inside, self._outward)

    def close(self) -> None:
        for sock in (self._outside, self._inside):
            self._loop.remove_reader(sock)
            sock.close()


class CrowdedSocket:
    """A real socket whose send buffer is full now and then."""

    def __init__(self, real: socket.socket) -> None:
        self._real = real
        self._rng = random.Random(7)
        self.refusals = 0

    def sendmsg(self, *arguments: Any) -> int:
        self._refuse()
        return self._real.sendmsg(*arguments)

    def sendto(self, *arguments: Any) -> int:
        self._refuse()
        return self._real.sendto(*arguments)

    def _refuse(self) -> None:
        if self._rng.random() < 0.2:
            self.refusals += 1
            raise BlockingIOError

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class Stage:
    """A listener, a dialler, and perhaps something between them."""

    def __init__(self) -> None:
        self.calls: asyncio.Queue[Link] = asyncio.Queue()
        self.others: asyncio.Queue[tuple[bytes, tuple[str, int]]] = asyncio.Queue()
        self._open: list[Endpoint] = []
        self._boxes: list[Middlebox] = []

    async def endpoint(self, host: str = "127.0.0.1", port: int = 0, limits: Limits | None = None) -> Endpoint:
        endpoint = await Endpoint.open(
            host,
            port,
            on_link=self.calls.put_nowait,
            on_other=lambda data, address: self.others.put_nowait((data, address)),
            limits=limits,
        )
        self._open.append(endpoint)
        return endpoint

    def box(self, target: Endpoint, passes: Callable[[bytes], bool]) -> Middlebox:
        box = Middlebox(target.address, passes)
        self._boxes.append(box)
        return box

    async def link(self, near: Endpoint, address: tuple[str, int]) -> tuple[Link, Link]:
        dialled = await near.dial(*address)
        called = await self.calls.get()
        dialled.trust()
        called.trust()
        return dialled, called

    async def lane(self, near: Endpoint, address: tuple[str, int]) -> tuple[Lane, Lane]:
        dialled, called = await self.link(near, address)
        here = await dialled.open_lane()
        await here.write(b"!")
        there = await called.accept_lane()
        assert await there.read(1) == b"!"
        return here, there

    async def close(self) -> None:
        for endpoint in self._open:
            await endpoint.close()
        for box in self._boxes:
            box.close()


def play(scenario: Callable[[Stage], Awaitable[None]]) -> None:
    async def whole() -> None:
        stage = Stage()
        try:
            async with asyncio.timeout(15):
                await scenario(stage)
        finally:
            await stage.close()

    asyncio.run(whole())


async def transfer(here: Lane, there: Lane, size: int) -> None:
    data = random.Random(3).randbytes(size)
    got = bytearray()

    async def write() -> None:
        for start in range(0, size, 1 << 16):
            await here.write(data[start : start + (1 << 16)])
        here.close()

    async def read() -> None:
        while piece := await there.read(1 << 18):
            got.extend(piece)

    await asyncio.gather(write(), read())
    assert bytes(got) == data


@pytest.mark.parametrize(
    ("listen", "dial", "seen"),
    [
        ("::", "127.0.0.1", "127.0.0.1"),
        ("::", "::1", "::1"),
        ("::", "::ffff:127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "localhost", "127.0.0.1"),
    ],
)
def test_one_socket_serves_both_families_and_names(listen: str, dial: str, seen: str) -> None:
    async def scenario(stage: Stage) -> None:
        near, far = await stage.endpoint("::"), await stage.endpoint(listen)
        dialled, called = await stage.link(near, (dial, far.address[1]))
        assert dialled.address == (seen, far.address[1])
        assert called.address == (seen, near.address[1])
        assert near.links == far.links == 1

    play(scenario)


def test_a_taken_port_gives_the_next_one() -> None:
    async def scenario(stage: Stage) -> None:
        first = await stage.endpoint()
        second = await stage.endpoint(port=first.address[1])
        assert first.address[1] < second.address[1] < first.address[1] + 50

    play(scenario)


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("127.0.0.1", 0),
        ("127.0.0.1", 70_000),
        ("::1", 4),
        ("0.0.0.0", 4),
        ("224.0.0.1", 4),
        ("no.such.host.invalid", 4),
        ("x" * 300, 4),
        ("a..b", 4),
        ("", 4),
        ("255.255.255.255", 4),
    ],
)
def test_what_cannot_be_dialled_is_unavailable_with_a_reason(host: str, port: int) -> None:
    async def scenario(stage: Stage) -> None:
        endpoint = await stage.endpoint()
        with pytest.raises(Unavailable) as failure:
            await endpoint.dial(host, port, timeout=1.0)
        assert failure.value.message
        assert endpoint.links == 0

    play(scenario)


def test_a_dial_that_is_cancelled_leaves_nothing() -> None:
    async def scenario(stage: Stage) -> None:
        near, far = await stage.endpoint(), await stage.endpoint()
        box = stage.box(far, lambda data: False)
        task = asyncio.create_task(near.dial(*box.address))
        await asyncio.sleep(0.05)
        assert near.links == 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert near.links == 0

    play(scenario)


def test_an_endpoint_may_dial_itself() -> None:
    async def scenario(stage: Stage) -> None:
        endpoint = await stage.endpoint()
        here, there = await stage.lane(endpoint, endpoint.address)
        await transfer(here, there, 1 << 20)

    play(scenario)


def test_what_is_not_quic_goes_to_whoever_asked_for_it() -> None:
    async def scenario(stage: Stage) -> None:
        near, far = await stage.endpoint("::"), await stage.endpoint()
        near.send_other(b"\x00dht", far.address)
        assert await stage.others.get() == (b"\x00dht", ("127.0.0.1", near.address[1]))
        near.send_other(b"\x40not", far.address)
        near.send_other(b"\x3fours", far.address)
        assert (await stage.others.get())[0] == b"\x3fours"

    play(scenario)


def test_a_stranger_who_is_never_trusted_is_closed() -> None:
    async def scenario(stage: Stage) -> None:
        near, far = await stage.endpoint(), await stage.endpoint(limits=Limits(stranger_seconds=0.2))
        dialled = await near.dial(*far.address)
        called = await stage.calls.get()
        await dialled.wait_closed()
        await called.wait_closed()
        assert near.links == far.links == 0

    play(scenario)


def test_the_trusted_outlive_the_strangers_deadline() -> None:
    async def scenario(stage: Stage) -> None:
        limits = Limits(stranger_seconds=0.1)
        near, far = await stage.endpoint(limits=limits), await stage.endpoint(limits=limits)
        here, there = await stage.lane(near, far.address)
        await asyncio.sleep(0.3)
        await here.write(b"x")
        assert await there.read(1) == b"x"

    play(scenario)


def test_a_peer_that_falls_silent_is_noticed_and_an_idle_one_is_kept() -> None:
    async def scenario(stage: Stage) -> None:
        limits = Limits(quiet_seconds=0.1, lost_seconds=0.4)
        near, far = await stage.endpoint(limits=limits), await stage.endpoint(limits=limits)
        alive = [True]
        box = stage.box(far, lambda data: alive[0])
        dialled, called = await stage.link(near, box.address)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(asyncio.ensure_future(dialled.wait_closed())), 1.5)
        alive[0] = False
        start = asyncio.get_running_loop().time()
        await dialled.wait_closed()
        await called.wait_closed()
        assert asyncio.get_running_loop().time() - start < 1.5
        with pytest.raises(Unavailable, match="does not answer"):
            await dialled.open_lane()
        assert near.links == far.links == 0

    play(scenario)


def test_a_lost_goodbye_is_said_again() -> None:
    async def scenario(stage: Stage) -> None:
        near, far = await stage.endpoint(), await stage.endpoint()
        lose = [0]

        def passes(data: bytes) -> bool:
            lose[0] -= 1
            return lose[0] < 0

        box = stage.box(far, passes)
        dialled, called = await stage.link(near, box.address)
        await asyncio.sleep(0.1)
        lose[0] = 1
        dialled.close("bye")
        lane = await called.open_lane()
        await lane.write(b"are you there?")
        await called.wait_closed()
        with pytest.raises(Unavailable, match="bye"):
            await called.open_lane()

    play(scenario)


def test_a_path_that_loses_datagrams_costs_no_data() -> None:
    async def scenario(stage: Stage) -> None:
        near, far = await stage.endpoint(), await stage.endpoint()
        rng = random.Random(4)
        box = stage.box(far, lambda data: rng.random() > 0.02)
        here, there = await stage.lane(near, box.address)
        await transfer(here, there, 2 << 20)

    play(scenario)


def test_a_send_buffer_that_is_full_now_and_then_costs_no_data() -> None:
    async def scenario(stage: Stage) -> None:
        near, far = await stage.endpoint(), await stage.endpoint()
        here, there = await stage.lane(near, far.address)
        crowded = CrowdedSocket(near._datagrams._socket)
        near._datagrams._socket = crowded  # type: ignore[assignment]
        await transfer(here, there, 4 << 20)
        assert crowded.refusals > 3
        assert not near._datagrams.blocked

    play(scenario)


async def exchange(one: Lane, other: Lane) -> None:
    for writer, reader in ((one, other), (other, one)):
        await writer.write(b"anything")
        assert await reader.read(8) == b"anything"


def test_a_link_follows_a_dialler_whose_nat_forgot_it() -> None:
    async def scenario(stage: Stage) -> None:
        near, far = await stage.endpoint(), await stage.endpoint()
        box = stage.box(far, lambda _: True)
        dialled, called = await stage.link(near, box.address)
        here = await dialled.open_lane()
        await here.write(b"!")
        there = await called.accept_lane()
        assert await there.read(1) == b"!"
        before = called.address
        for _ in range(3):
            box.rebind()
            async with asyncio.timeout(2):  # of which a lost answer may take a quarter of a second
                await exchange(here, there)
            assert called.address != before
            before = called.address

    play(scenario)


def test_a_link_follows_who_only_listens_after_a_word_of_it() -> None:
    async def scenario(stage: Stage) -> None:
        near, far = await stage.endpoint(), await stage.endpoint()
        box = stage.box(far, lambda _: True)
        dialled, called = await stage.link(near, box.address)
        here = await dialled.open_lane()
        await here.write(b"!")
        there = await called.accept_lane()
        assert await there.read(1) == b"!"
        before = called.address
        box.rebind()
        near.wake()
        async with asyncio.timeout(2):
            await exchange(there, here)
        assert called.address != before

    play(scenario)


def test_packets_that_somebody_copies_and_sends_from_elsewhere_move_no_link() -> None:
    async def scenario(stage: Stage) -> None:
        near, far = await stage.endpoint(), await stage.endpoint()
        thief = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        thief.setblocking(False)
        thief.bind(("127.0.0.1", 0))
        copying = [False]

        def passes(data: bytes) -> bool:
            if copying[0] and not data[0] & 0x80:
                thief.sendto(data, far.address)  # always the first to arrive
            return True

        box = stage.box(far, passes)
        dialled, called = await stage.link(near, box.address)
        here = await dialled.open_lane()
        await here.write(b"!")
        there = await called.accept_lane()
        assert await there.read(1) == b"!"
        before = called.address
        copying[0] = True
        await asyncio.gather(transfer(here, there, 1 << 20), transfer(there, here, 1 << 20))
        assert called.address == before
        got = 0
        while True:
            try:
                got += len(thief.recv(65_536))
            except BlockingIOError:
                break
        thief.close()
        assert 0 < got < 5000  # questions, a small one every 100 ms, and nothing else

    play(scenario)


def test_a_silent_path_that_comes_back_is_noticed_at_once() -> None:
    async def scenario(stage: Stage) -> None:
        near, far = await stage.endpoint(), await stage.endpoint()
        open_ = [True]
        box = stage.box(far, lambda _: open_[0])
        dialled, called = await stage.link(near, box.address)
        here = await dialled.open_lane()
        await here.write(b"!")
        there = await called.accept_lane()
        assert await there.read(1) == b"!"
        open_[0] = False
        await here.write(b"while nothing passes")
        await asyncio.sleep(4.0)  # QUIC's own probes would be more than two seconds apart by now
        open_[0] = True
        async with asyncio.timeout(0.8):
            assert await there.read(20) == b"while nothing passes"

    play(scenario)


def test_a_link_to_nobody_ends_soon_after_waking() -> None:
    async def scenario(stage: Stage) -> None:
        near, far = await stage.endpoint(limits=Limits(wake_seconds=0.3)), await stage.endpoint()
        open_ = [True]
        box = stage.box(far, lambda _: open_[0])
        dialled, _ = await stage.link(near, box.address)
        open_[0] = False
        near.wake()
        async with asyncio.timeout(2):
            await dialled.wait_closed()

    play(scenario)


def test_a_link_to_somebody_outlives_waking() -> None:
    async def scenario(stage: Stage) -> None:
        near, far = await stage.endpoint(limits=Limits(wake_seconds=0.3)), await stage.endpoint()
        here, there = await stage.lane(near, far.address)
        for _ in range(3):
            near.wake()
            await asyncio.sleep(0.2)
        await exchange(here, there)

    play(scenario)


def test_a_path_of_1400_bytes_that_shrinks_to_1280_costs_no_data() -> None:
    async def scenario(stage: Stage) -> None:
        near, far = await stage.endpoint(), await stage.endpoint()
        mtu, largest = [1372], [0]

        def passes(data: bytes) -> bool:
            if len(data) <= mtu[0]:
                largest[0] = max(largest[0], len(data))
            return len(data) <= mtu[0]

        box = stage.box(far, passes)
        dialled, called = await stage.link(near, box.address)
        for size in (1372, 1232):
            mtu[0], largest[0] = size, 0
            here = await dialled.open_lane()
            await here.write(b"!")
            there = await called.accept_lane()
            assert await there.read(1) == b"!"
            await transfer(here, there, 1 << 20)
            assert largest[0] == size

    play(scenario)


def test_the_loop_is_never_held_for_long() -> None:
    async def scenario(stage: Stage) -> None:
        near, far = await stage.endpoint(), await stage.endpoint()
        box = stage.box(far, lambda data: len(data) <= 1200)  # small datagrams are the most work
        lanes = [await stage.lane(near, box.address if turn else far.address) for turn in range(2)]
        loop = asyncio.get_running_loop()
        delays: list[float] = []

        async def watch() -> None:
            while True:
                before = loop.time()
                await asyncio.sleep(0.001)
                delays.append(loop.time() - before - 0.001)

        watcher = asyncio.create_task(watch())
        await asyncio.gather(transfer(*lanes[0], 16 << 20), transfer(*lanes[1], 4 << 20))
        watcher.cancel()
        delays.sort()
        assert delays[int(len(delays) * 0.9)] < 0.05  # the machine's other work may explain a few

    play(scenario)
