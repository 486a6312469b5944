"""What a node may rely on at relays, by whichever network: the real endpoint with a relay on loopback, and memory."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from swarm.config import parse_relay
from swarm.errors import Unavailable, UserError
from swarm.keys.device import DeviceKey
from swarm.keys.relay import handle_of
from swarm.net.endpoint import Endpoint
from swarm.net.memory import MemoryNetwork
from swarm.wire.hop import Door, Places
from tests.live.tiny_relay import TinyRelay

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from swarm.net.network import Gate, Network
    from swarm.wire.lane import Link

    Ground = Callable[[], "AbstractAsyncContextManager[Stage]"]

DOCS, MUSIC = b"d" * 16, b"m" * 16


class Side:
    """One node's place, and what its gate told."""

    def __init__(self, name: str) -> None:
        self.device = DeviceKey.create(name.encode().ljust(32, b"."))
        self.calls: asyncio.Queue[Link] = asyncio.Queue()
        self.found: asyncio.Queue[Sequence[bytes]] = asyncio.Queue()
        self.changed = asyncio.Event()
        self.network: Network
        self.gate: Gate

    def open(self, place: str, *topics: bytes, reserve: bool = True) -> None:
        self.gate = self.network.open_gate(parse_relay(place), self.device, self, reserve=reserve, topics=topics)

    async def registered(self) -> None:
        while self.gate.state.via is None:
            self.changed.clear()
            await self.changed.wait()

    def gate_changed(self, gate: Gate) -> None:
        self.changed.set()

    def gate_found(self, gate: Gate, handles: Sequence[bytes]) -> None:
        self.found.put_nowait(handles)


class Stage:
    """Two of them, and where the relay is."""

    def __init__(self) -> None:
        self.near, self.far = Side("near"), Side("far")
        self.place = ""

    async def register(self, *, near_reserves: bool = True) -> None:
        self.near.open(self.place, DOCS, reserve=near_reserves)
        self.far.open(self.place, DOCS, MUSIC)
        await self.near.registered()
        await self.far.registered()

    def door(self, side: Side) -> Door:
        return Door(side.gate.key, handle_of(side.gate.key, side.device.id))


@asynccontextmanager
async def on_loopback() -> AsyncIterator[Stage]:
    stage, relay = Stage(), TinyRelay()
    await relay.start()
    stage.place = relay.place
    for side in (stage.near, stage.far):
        side.network = await Endpoint.open("127.0.0.1", 0, on_link=side.calls.put_nowait)
    try:
        yield stage
    finally:
        for side in (stage.near, stage.far):
            await side.network.close()
        await relay.stop()


@asynccontextmanager
async def in_memory() -> AsyncIterator[Stage]:
    stage, network = Stage(), MemoryNetwork()
    stage.place = TinyRelay().place.replace(":0~", ":47470~")
    for number, side in enumerate((stage.near, stage.far)):
        side.network = network.endpoint((f"192.0.2.{number}", 1), side.calls.put_nowait)
    yield stage
    for side in (stage.near, stage.far):
        await side.network.close()


def play(ground: Ground, scenario: Callable[[Stage], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with asyncio.timeout(20), ground() as stage:
            await scenario(stage)

    asyncio.run(whole())


everywhere = pytest.mark.parametrize("ground", [on_loopback, in_memory])


@everywhere
def test_who_is_registered_is_reached(ground: Ground) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.register()
        assert stage.near.gate.state.reserved
        assert stage.near.gate.why == ""
        link = await stage.near.network.dial_door(stage.door(stage.far))
        other = await stage.far.calls.get()
        assert link.route == other.route == "relayed"
        assert link.via == "udp"
        assert link.relay is not None
        assert link.binding == other.binding
        link.trust()
        other.trust()
        link.seek(Places())
        lane = await link.open_lane()
        await lane.write(b"through")
        assert await (await other.accept_lane()).read(100) == b"through"

    play(ground, scenario)


@everywhere
def test_nobody_else_is(ground: Ground) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.register(near_reserves=False)
        with pytest.raises(Unavailable):
            await stage.far.network.dial_door(stage.door(stage.near))
        with pytest.raises(Unavailable):
            await stage.near.network.dial_door(Door(b"x" * 32, stage.door(stage.far).handle))
        stage.far.gate.close()
        with pytest.raises(Unavailable):
            await stage.near.network.dial_door(stage.door(stage.far))

    play(ground, scenario)


@everywhere
def test_members_of_a_folder_are_found_and_guests_are_not(
    ground: Ground,
) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.register(near_reserves=False)
        stage.near.gate.lookup([MUSIC])
        assert tuple(await stage.near.found.get()) == (stage.door(stage.far).handle,)
        stage.far.gate.set_topics([DOCS])
        stage.far.gate.lookup([DOCS])  # a guest is not found
        await asyncio.sleep(0.05)
        stage.near.gate.lookup([MUSIC])
        stage.near.gate.lookup([DOCS])
        assert tuple(await stage.near.found.get()) == (stage.door(stage.far).handle,)
        assert stage.near.found.empty()
        assert stage.far.found.empty()

    play(ground, scenario)


@everywhere
def test_one_relay_is_used_once_and_a_key_that_is_none_not_at_all(
    ground: Ground,
) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.register()
        with pytest.raises(Unavailable):
            stage.near.open(stage.place)
        with pytest.raises(UserError):
            stage.near.open("192.0.2.7:1~KEY")
        stage.near.gate.close()
        stage.near.open(stage.place)
        await stage.near.registered()

    play(ground, scenario)
