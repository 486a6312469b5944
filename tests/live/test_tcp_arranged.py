"""Two sides arrange lanes over TCP: who dials, who is invited, and who gets none."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from swarm.errors import Unavailable
from swarm.net.tcp_lane import TcpLane, dial
from swarm.net.tcp_listener import TcpListener
from swarm.node.tcp_lanes import LANES, MAX_GUESTS, TcpLanes
from swarm.session.events import TcpOffered
from swarm.session.messages import MAX_TOKENS, AskTcp, OfferTcp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

pytestmark = pytest.mark.live


class FakeLink:
    """The address and route of a link, which is all that is looked at."""

    def __init__(self, route: str) -> None:
        self.address = ("127.0.0.1", 1)
        self.route = route


class Side:
    """One device: what it says arrives at the other at once."""

    def __init__(self, route: str, *, listens: bool = True) -> None:
        self.listener = TcpListener.open("127.0.0.1", 0) if listens else None
        self.fetching: list[TcpLane] = []
        self.answering: list[TcpLane] = []
        self.said: list[AskTcp | OfferTcp] = []
        self.other: Side | None = None
        self.link = FakeLink(route)
        self.lanes = TcpLanes(
            self.link,  # type: ignore[arg-type]
            self.listener,
            say=self.say,
            fetch=self.fetching.append,
            answer=self.answering.append,
        )
        self.task = asyncio.create_task(self.lanes.run())

    def say(self, message: AskTcp | OfferTcp) -> None:
        self.said.append(message)
        if self.other is not None:
            asyncio.get_running_loop().call_soon(self.other.hear, message)

    def hear(self, message: AskTcp | OfferTcp) -> None:
        match message:
            case AskTcp(lanes):
                self.lanes.asked(lanes)
            case OfferTcp(port, fingerprint, tokens, fetches):
                self.lanes.offered(TcpOffered(port, fingerprint, tokens, fetches))

    async def end(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task
        self.lanes.close()
        if self.listener is not None:
            await self.listener.close()


def behind_nat(side: Side) -> None:
    """What it tells of its port leads nowhere."""
    assert side.listener is not None
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        side.listener.port = closed.getsockname()[1]


@asynccontextmanager
async def sides(route: str = "direct", *, one: bool = True, other: bool = True) -> AsyncIterator[tuple[Side, Side]]:
    pair = Side(route, listens=one), Side(route, listens=other)
    pair[0].other, pair[1].other = pair[1], pair[0]
    try:
        async with asyncio.timeout(10):
            yield pair
    finally:
        for side in pair:
            await side.end()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what is waited for knows nothing of this test
        await asyncio.sleep(0.005)


def play(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(scenario())  # type: ignore[arg-type]


def test_each_side_fetches_over_lanes_of_its_own() -> None:
    async def scenario() -> None:
        async with sides() as (one, other):
            assert one.lanes.carrier == "quic"
            for side in (one, other):
                await until(lambda side=side: len(side.fetching) == len(side.answering) == LANES)  # type: ignore[misc]
                assert side.lanes.carrier == "tcp"
            await one.fetching[0].write(b"a request")
            assert await other.answering[0].read(100) == b"a request"

    play(scenario)


def test_one_that_cannot_be_dialled_dials() -> None:
    async def scenario() -> None:
        async with sides() as (inside, outside):
            behind_nat(inside)
            for side in (inside, outside):
                await until(lambda side=side: len(side.fetching) == len(side.answering) == LANES)  # type: ignore[misc]
            assert [message.fetches for message in outside.said if isinstance(message, OfferTcp)].count(True) == 1

    play(scenario)


def test_one_without_a_listener_fetches_and_is_fetched_from() -> None:
    async def scenario() -> None:
        async with sides(one=False) as (one, other):
            for side in (one, other):
                await until(lambda side=side: len(side.fetching) == len(side.answering) == LANES)  # type: ignore[misc]

    play(scenario)


def test_over_a_relay_nobody_dials() -> None:
    async def scenario() -> None:
        async with sides("relayed") as (one, other):
            one.lanes.asked(LANES)
            await asyncio.sleep(0.05)
            assert other.lanes.carrier == one.lanes.carrier == "quic"
            assert [message.tokens for message in one.said if isinstance(message, OfferTcp)] == [()]

    play(scenario)


def test_an_old_peer_that_says_nothing_costs_one_question() -> None:
    async def scenario() -> None:
        side = Side("direct")
        await until(lambda: bool(side.said))
        await asyncio.sleep(0.05)
        assert side.said == [AskTcp(LANES)]
        await side.end()

    play(scenario)


def test_a_peer_that_asks_without_end_gets_no_more_than_its_share() -> None:
    async def scenario() -> None:
        side = Side("direct")
        for _ in range(50):
            side.lanes.asked(MAX_TOKENS)
        offers = [message for message in side.said if isinstance(message, OfferTcp)]
        tokens = [token for offer in offers for token in offer.tokens]
        assert len(tokens) < 50
        assert side.listener is not None
        lanes = []
        for token in tokens:
            with suppress(Unavailable):
                lanes.append(await dial("127.0.0.1", side.listener.port, side.listener.fingerprint, token))
        await until(lambda: len(side.answering) == MAX_GUESTS)
        await asyncio.sleep(0.05)
        assert len(side.answering) == MAX_GUESTS
        for lane in lanes:
            lane.abort()
        await side.end()

    play(scenario)


def test_a_peer_that_invites_without_end_makes_us_dial_no_more_than_its_share() -> None:
    async def scenario() -> None:
        side, host = Side("direct"), Side("direct")
        assert host.listener is not None
        for _ in range(20):
            side.lanes.offered(TcpOffered(host.listener.port, host.listener.fingerprint, (bytes(32),) * 4, True))
        assert len(side.lanes._dials) <= MAX_GUESTS
        await until(lambda: not side.lanes._dials)
        assert side.lanes._guests == len(side.answering)
        for each in (side, host):
            await each.end()

    play(scenario)


def test_an_offer_that_was_not_asked_for_is_ignored() -> None:
    async def scenario() -> None:
        side, host = Side("relayed"), Side("direct")
        assert host.listener is not None
        side.lanes.offered(TcpOffered(host.listener.port, host.listener.fingerprint, (bytes(32),), False))
        assert not side.lanes._dials
        for each in (side, host):
            await each.end()

    play(scenario)


def test_lanes_come_with_a_straight_route_and_go_with_it() -> None:
    async def scenario() -> None:
        async with sides("relayed") as (one, other):
            await asyncio.sleep(0.05)
            for side in (one, other):
                side.link.route = "direct"
                side.lanes.rerouted()
            for side in (one, other):
                await until(lambda side=side: len(side.fetching) == len(side.answering) == LANES)  # type: ignore[misc]
            one.link.route = "relayed"
            one.lanes.rerouted()
            for lane in (*one.fetching, *one.answering):
                with pytest.raises(Unavailable):
                    await lane.read(1)

    play(scenario)
