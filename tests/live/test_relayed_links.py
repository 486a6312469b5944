"""Links through a relay over loopback: how they begin, change their route below QUIC, and lose nothing."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from swarm.config import parse_relay
from swarm.errors import Unavailable
from swarm.keys.device import DeviceKey
from swarm.keys.relay import handle_of
from swarm.net.endpoint import Endpoint
from swarm.wire.hop import Door, Places
from swarm.wire.relay_message import Refusal
from tests.live.test_endpoint import Middlebox
from tests.live.tiny_relay import TinyRelay

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from swarm.net.network import Gate
    from swarm.wire.lane import Link

pytestmark = pytest.mark.live

TOPIC = b"t" * 16


class Side:
    """One endpoint, its device, and its gate to the relay."""

    def __init__(self, name: str) -> None:
        self.device = DeviceKey.create(name.encode().ljust(32, b"."))
        self.calls: asyncio.Queue[Link] = asyncio.Queue()
        self.found: asyncio.Queue[Sequence[bytes]] = asyncio.Queue()
        self.changes = asyncio.Event()
        self.endpoint: Endpoint
        self.gate: Gate

    async def open(self, host: str = "127.0.0.1") -> Side:
        self.endpoint = await Endpoint.open(host, 0, on_link=self.calls.put_nowait)
        self.endpoint.own_addresses = lambda: (self.endpoint.address,)
        return self

    def register(self, relay: TinyRelay, place: str | None = None, *, reserve: bool = True) -> None:
        place = place or relay.place
        self.gate = self.endpoint.open_gate(parse_relay(place), self.device, self, reserve=reserve, topics=[TOPIC])

    async def registered(self, via: str = "udp", timeout: float = 10.0) -> None:
        await self.when(lambda: self.gate.state.via == via, timeout)

    async def when(self, condition: Callable[[], bool], timeout: float = 10.0) -> None:
        async with asyncio.timeout(timeout):
            while not condition():
                self.changes.clear()
                await self.changes.wait()

    def gate_changed(self, gate: Gate) -> None:
        self.changes.set()

    def gate_found(self, gate: Gate, handles: Sequence[bytes]) -> None:
        self.found.put_nowait(handles)


class Stage:
    """Two sides and a relay."""

    def __init__(self) -> None:
        self.near, self.far, self.relay = Side("near"), Side("far"), TinyRelay()

    async def set(self, *, deaf: bool = False) -> Stage:
        await self.relay.start()
        self.relay.deaf = deaf
        for side in (self.near, self.far):
            (await side.open()).register(self.relay)
        return self

    def door(self, side: Side) -> Door:
        return Door(self.relay.key, handle_of(self.relay.key, side.device.id))

    async def relayed(self) -> tuple[Link, Link]:
        """A link through the relay, whose ends trust each other."""
        link = await self.near.endpoint.dial_door(self.door(self.far))
        return await self.meet(link)

    async def linked(self) -> tuple[Link, Link]:
        """The same, once both have registered."""
        await self.near.registered()
        await self.far.registered()
        return await self.relayed()

    async def meet(self, link: Link) -> tuple[Link, Link]:
        other = await self.far.calls.get()
        link.trust()
        other.trust()
        return link, other

    async def rest(self, link: Link, other: Link, route: str) -> None:
        """Until both ends take this route."""
        await until(lambda: link.route == other.route == route)

    def tell(self, link: Link, other: Link, *, straight: bool = True, more: TinyRelay | None = None) -> None:
        """Each learns where the other is; at `more` than one relay, perhaps."""
        relays = [self.relay] if more is None else [self.relay, more]
        for one, peer in ((link, self.far), (other, self.near)):
            doors = tuple(Door(relay.key, handle_of(relay.key, peer.device.id)) for relay in relays)
            one.seek(Places((peer.endpoint.address,) if straight else (), (), doors))

    async def close(self) -> None:
        await self.near.endpoint.close()
        await self.far.endpoint.close()
        await self.relay.stop()


def play(scenario: Callable[[Stage], Awaitable[None]], *, deaf: bool = False) -> None:
    async def whole() -> None:
        stage = await Stage().set(deaf=deaf)
        try:
            async with asyncio.timeout(60):
                await scenario(stage)
        finally:
            await stage.close()

    asyncio.run(whole())


async def until(condition: Callable[[], Any], timeout: float = 10.0) -> None:
    async with asyncio.timeout(timeout):
        while not condition():  # noqa: ASYNC110 - of many things, few of which tell
            await asyncio.sleep(0.005)


class Transfer:
    """Bytes that one end writes for as long as it should, and the other reads and counts."""

    def __init__(self, link: Link, other: Link) -> None:
        self._link, self._other = link, other
        self._stop = asyncio.Event()
        self.sent, self.received = hashlib.sha256(), hashlib.sha256()
        self.size = 0
        self.heard_at = 0.0
        self.longest_gap = 0.0
        self._tasks = [asyncio.create_task(self._write()), asyncio.create_task(self._read())]

    async def _write(self) -> None:
        lane = await self._link.open_lane()
        while not self._stop.is_set():
            piece = os.urandom(20_000)
            self.sent.update(piece)
            await lane.write(piece)
            await asyncio.sleep(0.002)
        lane.close()

    async def _read(self) -> None:
        lane = await self._other.accept_lane()
        while data := await lane.read(1 << 18):
            now = time.monotonic()
            if self.heard_at:
                self.longest_gap = max(self.longest_gap, now - self.heard_at)
            self.heard_at = now
            self.received.update(data)
            self.size += len(data)

    async def moves(self, size: int = 200_000) -> None:
        """Until so much more has arrived."""
        goal = self.size + size
        await until(lambda: self.size >= goal or any(task.done() for task in self._tasks), 20.0)
        assert self.size >= goal, [task.exception() for task in self._tasks if task.done()]

    async def finish(self) -> None:
        self._stop.set()
        async with asyncio.timeout(20):
            await asyncio.gather(*self._tasks)
        assert self.sent.digest() == self.received.digest()


def test_two_devices_meet_through_a_relay_and_leave_it_without_losing_a_byte() -> None:
    async def scenario(stage: Stage) -> None:
        link, other = await stage.linked()
        assert (link.route, link.via, link.relay) == ("relayed", "udp", f"127.0.0.1:{stage.relay.port}")
        transfer = Transfer(link, other)
        await transfer.moves()
        changes: list[str] = []
        link.on_route = lambda: changes.append(link.route)
        stage.tell(link, other)
        await until(lambda: link.route == other.route == "direct", 3.0)
        assert changes == ["direct"]
        assert link.address == stage.far.endpoint.address
        carried = stage.relay.carried
        await transfer.moves(2_000_000)
        assert stage.relay.carried - carried < 200_000, "what was under way, and no more"
        await transfer.finish()

    play(scenario)


def test_a_link_whose_straight_way_is_cut_goes_on_through_the_relay_within_two_seconds() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.near.registered()
        await stage.far.registered()
        box = Middlebox(stage.far.endpoint.address, lambda _: True)
        link, other = await stage.meet(await stage.near.endpoint.dial(*box.address))
        await stage.rest(link, other, "direct")
        stage.tell(link, other, straight=False)
        transfer = Transfer(link, other)
        await transfer.moves()
        box.passes = lambda _: False
        await transfer.moves(500_000)
        await stage.rest(link, other, "relayed")
        assert transfer.longest_gap < 2.0
        await transfer.finish()
        box.close()

    play(scenario)


def test_a_relay_that_is_killed_and_started_again_in_mid_transfer_costs_time_and_nothing_else() -> None:
    async def scenario(stage: Stage) -> None:
        link, other = await stage.linked()
        stage.tell(link, other, straight=False)
        transfer = Transfer(link, other)
        await transfer.moves()
        port = stage.relay.port
        await stage.relay.stop()
        await asyncio.sleep(0.5)
        await stage.relay.start(port)
        await transfer.moves(500_000)
        await transfer.finish()

    play(scenario)


def test_a_link_moves_to_another_relay_when_its_own_is_gone() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.near.registered()
        await stage.far.registered()
        other_relay = TinyRelay(b"s" * 32)
        await other_relay.start()
        for side in (stage.near, stage.far):
            side.register(other_relay)
            await side.registered()
        link, other = await stage.relayed()
        stage.tell(link, other, straight=False, more=other_relay)
        transfer = Transfer(link, other)
        await transfer.moves()
        await stage.relay.stop()
        await transfer.moves(500_000)
        assert link.relay == other.relay == f"127.0.0.1:{other_relay.port}"
        assert transfer.longest_gap < 2.0
        await transfer.finish()
        await other_relay.stop()
        await stage.relay.start()

    play(scenario)


def test_a_relay_that_udp_does_not_reach_is_used_over_tcp_and_over_udp_again_when_that_works() -> None:
    async def scenario(stage: Stage) -> None:
        began = time.monotonic()
        await stage.near.registered("tcp")
        await stage.far.registered("tcp")
        assert time.monotonic() - began < 4.0
        link, other = await stage.relayed()
        assert (link.route, link.via) == ("relayed", "tcp")
        stage.tell(link, other, straight=False)
        transfer = Transfer(link, other)
        await transfer.moves(2_000_000)
        stage.relay.deaf = False
        for side in (stage.near, stage.far):
            side.gate.check()
        await stage.near.registered("udp")
        await stage.far.registered("udp")
        await transfer.moves(500_000)
        assert (link.route, link.via) == ("relayed", "udp")
        await transfer.finish()

    play(scenario, deaf=True)


def test_a_network_that_begins_to_block_udp_moves_the_link_to_tcp() -> None:
    async def scenario(stage: Stage) -> None:
        link, other = await stage.linked()
        stage.tell(link, other, straight=False)
        transfer = Transfer(link, other)
        await transfer.moves()
        stage.relay.deaf = True
        await transfer.moves(500_000)
        assert link.via == other.via == "tcp"
        assert transfer.longest_gap < 6.0
        await transfer.finish()

    play(scenario)


def test_what_is_wrong_with_a_relay_is_said_and_it_is_tried_again() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.near.registered()
        side = await Side("third").open()
        wrong = TinyRelay(b"w" * 32).place.partition("~")[2]
        side.register(stage.relay, f"127.0.0.1:{stage.relay.port}~{wrong}")
        await side.when(lambda: side.gate.state.refusal is Refusal.WRONG_KEY)
        side.gate.close()
        stage.relay.refusal = Refusal.FULL
        side.register(stage.relay)
        await side.when(lambda: side.gate.state.refusal is Refusal.FULL)
        stage.relay.refusal = Refusal.NONE
        await side.registered()
        side.gate.close()
        stage.relay.refusal = Refusal.TOKEN
        side.register(stage.relay)
        await side.registered()
        assert (side.gate.state.reserved, side.gate.state.refusal) == (False, Refusal.TOKEN)
        await side.endpoint.close()

    play(scenario)


def test_a_guest_finds_who_is_there_for_a_folder_and_reaches_them() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.far.registered()
        stage.near.gate.close()
        stage.near.register(stage.relay, reserve=False)
        await stage.near.registered()
        stage.near.gate.lookup([TOPIC])
        handles = await stage.near.found.get()
        assert handles == (stage.door(stage.far).handle,)
        await stage.relayed()
        with pytest.raises(Unavailable):
            await stage.far.endpoint.dial_door(stage.door(stage.near))

    play(scenario)
