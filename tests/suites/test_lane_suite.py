"""What every implementation of links and lanes does: the real one over QUIC, its twin in memory; lanes over TCP too."""

from __future__ import annotations

import asyncio
import hashlib
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from swarm.errors import SwarmError, Unavailable
from swarm.net.endpoint import Endpoint
from swarm.net.memory import MemoryNetwork
from swarm.net.tcp_lane import TcpLane, dial
from swarm.net.tcp_listener import TcpListener

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from swarm.net.network import Network
    from swarm.wire.lane import Lane, Link

    Scenario = Callable[["Stage"], Awaitable[None]]


class Stage:
    """Two endpoints, and what the second one was called for."""

    near: Network
    far: Network

    def __init__(self) -> None:
        self.calls: asyncio.Queue[Link] = asyncio.Queue()

    async def link(self, *, trusted: bool = True) -> tuple[Link, Link]:
        near = await self.near.dial(*self.far.address)
        far = await self.calls.get()
        if trusted:
            near.trust()
            far.trust()
        return near, far

    async def lane(self) -> tuple[Lane, Lane]:
        near, far = await self.link()
        return await joined(near, far)


async def joined(near: Link, far: Link) -> tuple[Lane, Lane]:
    """Both ends of a new lane."""
    here = await near.open_lane()
    await here.write(b"!")
    there = await far.accept_lane()
    assert await there.read(1) == b"!"
    return here, there


def nobody(_link: Link) -> None:
    raise AssertionError("nobody dials this side")


@asynccontextmanager
async def over_quic() -> AsyncIterator[Stage]:
    stage = Stage()
    stage.near = await Endpoint.open("127.0.0.1", 0, on_link=nobody)
    stage.far = await Endpoint.open("127.0.0.1", 0, on_link=stage.calls.put_nowait)
    try:
        yield stage
    finally:
        await stage.near.close()
        await stage.far.close()


@asynccontextmanager
async def in_memory() -> AsyncIterator[Stage]:
    stage, network = Stage(), MemoryNetwork()
    stage.near = network.endpoint(("192.0.2.1", 1), nobody)
    stage.far = network.endpoint(("192.0.2.2", 2), stage.calls.put_nowait)
    yield stage
    await stage.near.close()
    await stage.far.close()


class TcpStage(Stage):
    """Lanes without a link: it is elsewhere, and has told the token."""

    def __init__(self) -> None:
        super().__init__()
        self.listener = TcpListener.open("127.0.0.1", 0)
        self.guests: asyncio.Queue[TcpLane] = asyncio.Queue()
        self.made: list[TcpLane] = []

    def welcome(self, lane: TcpLane) -> None:
        self.guests.put_nowait(lane)

    async def lane(self) -> tuple[Lane, Lane]:
        (token,) = self.listener.invite(self, 1)
        here = await dial("127.0.0.1", self.listener.port, self.listener.fingerprint, token)
        there = await self.guests.get()
        self.made += [here, there]
        return here, there


@asynccontextmanager
async def over_tcp() -> AsyncIterator[Stage]:
    stage = TcpStage()
    try:
        yield stage
    finally:
        for lane in stage.made:
            lane.abort()
        await stage.listener.close()


@pytest.fixture(params=[over_quic, in_memory], ids=["quic", "memory"])
def play(request: pytest.FixtureRequest) -> Callable[[Scenario], None]:
    """Runs a scenario on a fresh stage, in at most 10 seconds."""
    return playing(request.param)


@pytest.fixture(params=[over_quic, in_memory, over_tcp], ids=["quic", "memory", "tcp"])
def play_lane(request: pytest.FixtureRequest) -> Callable[[Scenario], None]:
    """For scenarios that need lanes alone."""
    return playing(request.param)


def playing(stage_of: Callable[[], AbstractAsyncContextManager[Stage]]) -> Callable[[Scenario], None]:
    async def whole(scenario: Scenario) -> None:
        async with asyncio.timeout(10), stage_of() as stage:
            await scenario(stage)

    return lambda scenario: asyncio.run(whole(scenario))


async def read_all(lane: Lane, limit: int = 1 << 16) -> bytes:
    pieces = []
    while piece := await lane.read(limit):
        assert len(piece) <= limit
        pieces.append(piece)
    return b"".join(pieces)


async def settled(task: asyncio.Task[None]) -> None:
    """Gives a task every chance to go on: nothing else is to do in this process."""
    for _ in range(20):
        await asyncio.sleep(0.005)
        if task.done():
            return


def test_both_sides_know_who_dialled_and_share_a_binding(play: Callable[[Scenario], None]) -> None:
    async def scenario(stage: Stage) -> None:
        near, far = await stage.link()
        other, _ = await stage.link()
        assert (near.dialled, far.dialled) == (True, False)
        assert near.binding == far.binding != other.binding
        assert len(near.binding) == 32
        assert near.address == stage.far.address
        assert far.address == stage.near.address
        assert near.route == far.route == "direct"

    play(scenario)


def test_bytes_arrive_in_order_in_both_directions(play_lane: Callable[[Scenario], None]) -> None:
    async def scenario(stage: Stage) -> None:
        here, there = await stage.lane()
        rng = random.Random(1)

        async def send(lane: Lane, data: bytes) -> None:
            position = 0
            while position < len(data):
                size = rng.randrange(1, 20_000)
                await lane.write(data[position : position + size])
                position += size
            lane.close()

        one, two = rng.randbytes(300_000), rng.randbytes(200_000)
        _, _, got_one, got_two = await asyncio.gather(
            send(here, one), send(there, two), read_all(there, 1000), read_all(here, 70_000)
        )
        assert got_one == one
        assert got_two == two

    play_lane(scenario)


def test_the_end_comes_after_the_last_byte_and_stays(play_lane: Callable[[Scenario], None]) -> None:
    async def scenario(stage: Stage) -> None:
        here, there = await stage.lane()
        await here.write(b"last")
        here.close()
        here.close()
        assert await read_all(there) == b"last"
        assert await there.read(1) == b""
        await there.write(b"the other direction is open")
        there.close()
        assert await read_all(here) == b"the other direction is open"

    play_lane(scenario)


def test_a_lane_may_end_without_a_byte(play: Callable[[Scenario], None]) -> None:
    async def scenario(stage: Stage) -> None:
        near, far = await stage.link()
        here = await near.open_lane()
        here.close()
        there = await far.accept_lane()
        assert await there.read(10) == b""

    play(scenario)


def test_a_writer_waits_for_a_reader_that_does_not_read(play_lane: Callable[[Scenario], None]) -> None:
    async def scenario(stage: Stage) -> None:
        here, there = await stage.lane()
        piece, written = bytes(1 << 16), [0]

        async def write() -> None:
            for _ in range(160):
                await here.write(piece)
                written[0] += len(piece)
            here.close()

        task = asyncio.create_task(write())
        await settled(task)
        assert not task.done()
        assert written[0] < 8 << 20
        assert len(await read_all(there)) == 160 * len(piece)
        await task

    play_lane(scenario)


def test_a_full_bulk_lane_does_not_hold_up_the_control_lane(play: Callable[[Scenario], None]) -> None:
    async def scenario(stage: Stage) -> None:
        near, far = await stage.link()
        control, control_there = await joined(near, far)
        bulk, _unread = await joined(near, far)

        async def flood() -> None:
            while True:
                await bulk.write(bytes(1 << 16))

        task = asyncio.create_task(flood())
        await settled(task)
        await control.write(b"still here")
        assert await control_there.read(100) == b"still here"
        task.cancel()

    play(scenario)


def test_writers_of_one_lane_do_not_interleave_within_a_write(play_lane: Callable[[Scenario], None]) -> None:
    async def scenario(stage: Stage) -> None:
        here, there = await stage.lane()
        messages = [bytes([index]) * 150_000 for index in range(8)]

        async def write_all() -> None:
            await asyncio.gather(*(here.write(message) for message in messages))
            here.close()

        _, got = await asyncio.gather(write_all(), read_all(there))
        assert {got[start : start + 150_000] for start in range(0, len(got), 150_000)} == set(messages)

    play_lane(scenario)


def test_many_lanes_carry_their_own_bytes(play: Callable[[Scenario], None]) -> None:
    async def scenario(stage: Stage) -> None:
        near, far = await stage.link()

        async def ask(number: int) -> None:
            lane = await near.open_lane()
            await lane.write(bytes([number]) * 50_000)
            lane.close()
            assert await read_all(lane) == bytes([number]) * 10

        async def answer() -> None:
            lane = await far.accept_lane()
            data = await read_all(lane)
            assert len(data) == 50_000
            assert len(set(data)) == 1
            await lane.write(data[:10])
            lane.close()

        for _ in range(3):  # more than may be open at once
            await asyncio.gather(*(ask(number) for number in range(12)), *(answer() for _ in range(12)))

    play(scenario)


def test_both_sides_may_open_lanes(play: Callable[[Scenario], None]) -> None:
    async def scenario(stage: Stage) -> None:
        near, far = await stage.link()
        await joined(near, far)
        await joined(far, near)

    play(scenario)


def test_a_large_transfer_arrives_whole(play_lane: Callable[[Scenario], None]) -> None:
    async def scenario(stage: Stage) -> None:
        here, there = await stage.lane()
        data = random.Random(2).randbytes(1 << 20)
        sent, got = hashlib.blake2b(), hashlib.blake2b()

        async def write() -> None:
            for _ in range(32):
                await here.write(data)
                sent.update(data)
            here.close()

        async def read() -> None:
            while piece := await there.read(1 << 18):
                got.update(piece)

        await asyncio.gather(write(), read())
        assert got.digest() == sent.digest()

    play_lane(scenario)


def test_a_stranger_gets_four_kilobytes_of_one_lane_through(play: Callable[[Scenario], None]) -> None:
    async def scenario(stage: Stage) -> None:
        near, far = await stage.link(trusted=False)
        control, second = await near.open_lane(), await near.open_lane()
        await control.write(bytes(10_000))
        await second.write(b"x")
        there = await far.accept_lane()
        got = 0
        while got < 4096:
            got += len(await there.read(10_000))
        assert got == 4096

        async def more() -> None:
            await there.read(10_000)

        task = asyncio.create_task(more())
        await settled(task)
        assert not task.done()
        far.trust()
        near.trust()
        await task
        assert await (await far.accept_lane()).read(1) == b"x"

    play(scenario)


def test_closing_a_link_ends_everything_that_waits_on_either_side(play: Callable[[Scenario], None]) -> None:
    async def scenario(stage: Stage) -> None:
        near, far = await stage.link()
        here, there = await joined(near, far)

        async def write_for_ever() -> None:
            while True:
                await here.write(bytes(1 << 16))

        waiting = [
            asyncio.create_task(coroutine)
            for coroutine in (here.read(1), near.accept_lane(), far.accept_lane(), write_for_ever(), far.wait_closed())
        ]
        await asyncio.sleep(0.05)
        near.close("enough")
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [Unavailable] * 4 + [type(None)]
        assert "enough" in str(outcomes[2])
        for attempt in (far.open_lane(), there.write(b"x"), near.open_lane(), here.write(b"x")):
            with pytest.raises(Unavailable):
                await attempt
        await near.wait_closed()

    play(scenario)


def test_what_arrived_before_the_link_was_lost_is_still_read(play: Callable[[Scenario], None]) -> None:
    async def scenario(stage: Stage) -> None:
        near, far = await stage.link()
        here, there = await joined(near, far)
        await here.write(b"before")
        assert await there.read(1) == b"b"
        near.close()
        await far.wait_closed()
        assert await there.read(100) == b"efore"
        with pytest.raises(Unavailable):
            await there.read(100)

    play(scenario)


def test_closing_an_endpoint_ends_its_links(play: Callable[[Scenario], None]) -> None:
    async def scenario(stage: Stage) -> None:
        near, far = await stage.link()
        await stage.far.close()
        await near.wait_closed()
        await far.wait_closed()
        with pytest.raises(Unavailable):
            await stage.far.dial(*stage.near.address)

    play(scenario)


def test_dialling_where_nobody_listens_says_so(play: Callable[[Scenario], None]) -> None:
    async def scenario(stage: Stage) -> None:
        address = stage.far.address
        await stage.far.close()
        with pytest.raises(Unavailable, match="no answer"):
            await stage.near.dial(*address, timeout=0.2)

    play(scenario)


def test_misuse_is_ours_and_not_the_networks(play_lane: Callable[[Scenario], None]) -> None:
    async def scenario(stage: Stage) -> None:
        here, _ = await stage.lane()
        here.close()
        with pytest.raises(SwarmError, match="write after close"):
            await here.write(b"x")
        with pytest.raises(SwarmError, match="a read of 0 bytes"):
            await here.read(0)

    play_lane(scenario)
