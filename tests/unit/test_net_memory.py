"""The network in memory: what it can do beyond the suite that it shares with the real one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from swarm.errors import Unavailable
from swarm.net.memory import MemoryNetwork, memory_link_pair

if TYPE_CHECKING:
    from swarm.wire.lane import Link

A, B, C = (("192.0.2.1", 1), ("192.0.2.2", 2), ("192.0.2.3", 3))


class Town:
    """Three endpoints, and who was called."""

    def __init__(self) -> None:
        self.network = MemoryNetwork()
        self.called: list[Link] = []
        self.a, self.b, self.c = (self.network.endpoint(address, self.called.append) for address in (A, B, C))


def test_cutting_two_endpoints_apart_leaves_their_other_links() -> None:
    async def scenario() -> None:
        town = Town()
        ab, ac = await town.a.dial(*B), await town.a.dial(*C)
        ba = await town.b.dial(*A)
        assert town.network.cut(A, B) == 2
        for lost in (ab, ba, town.called[0], town.called[2]):
            await lost.wait_closed()
        await ac.open_lane()
        assert town.network.cut(A) == 1
        with pytest.raises(Unavailable):
            await ac.open_lane()

    asyncio.run(scenario())


def test_the_isolated_neither_dial_nor_are_dialled_until_they_rejoin() -> None:
    async def scenario() -> None:
        town = Town()
        link = await town.b.dial(*A)
        town.network.isolate(A)
        await link.wait_closed()
        for dialler, address in ((town.a, B), (town.b, A)):
            with pytest.raises(Unavailable, match="no answer"):
                await dialler.dial(*address)
        await town.b.dial(*C)
        town.network.rejoin(A)
        await town.a.dial(*B)
        await town.b.dial(*A)

    asyncio.run(scenario())


def test_an_address_is_free_again_once_its_endpoint_is_closed() -> None:
    async def scenario() -> None:
        town = Town()
        with pytest.raises(Unavailable, match="taken"):
            town.network.endpoint(A, town.called.append)
        await town.a.close()
        town.network.endpoint(A, town.called.append)
        with pytest.raises(Unavailable, match="closed"):
            await town.a.dial(*B)

    asyncio.run(scenario())


def test_pairs_are_bound_to_their_serial() -> None:
    async def scenario() -> None:
        one, two = memory_link_pair(A, B), memory_link_pair(A, B, 1)
        assert one[0].binding == one[1].binding
        assert one[0].binding != two[0].binding

    asyncio.run(scenario())


def test_finished_lanes_are_forgotten() -> None:
    async def scenario() -> None:
        near, far = memory_link_pair(A, B)
        near.trust()
        far.trust()
        for _ in range(20):
            here = await near.open_lane()
            await here.write(b"x")
            here.close()
            there = await far.accept_lane()
            there.close()
            assert await there.read(10) == b"x"
        assert len(near._lanes) < 3
        assert len(far._lanes) < 3

    asyncio.run(scenario())
