"""Who waits for a channel at one relay."""

from __future__ import annotations

import asyncio

import pytest

from swarm.errors import Unavailable
from swarm.net.knocks import Knocks
from swarm.wire.hop import Channel

ONE, OTHER = b"1" * 16, b"2" * 16
CHANNEL = Channel(b"r" * 32, 7, "udp")


def test_the_relay_is_asked_once_and_its_answer_is_everybodys() -> None:
    async def story() -> None:
        knocks = Knocks()
        (mine, first), (yours, second) = knocks.add(ONE), knocks.add(ONE)
        elsewhere, third = knocks.add(OTHER)
        assert (first, second, third) == (True, False, True)
        knocks.opened(ONE, CHANNEL)
        assert await mine == await yours == CHANNEL
        assert not elsewhere.done()
        assert knocks.add(ONE)[1], "what was answered is over"

    asyncio.run(story())


def test_a_refusal_is_for_those_who_asked_for_that_device_and_a_loss_for_all() -> None:
    async def story() -> None:
        knocks = Knocks()
        (refused, _), (lost, _) = knocks.add(ONE), knocks.add(OTHER)
        knocks.refused(ONE, "too many")
        assert not lost.done()
        knocks.lost("the relay was lost")
        with pytest.raises(Unavailable, match="too many"):
            await refused
        with pytest.raises(Unavailable, match="was lost"):
            await lost

    asyncio.run(story())


def test_whoever_has_stopped_waiting_hinders_nobody() -> None:
    async def story() -> None:
        knocks = Knocks()
        (gone, _), (here, _) = knocks.add(ONE), knocks.add(ONE)
        gone.cancel()
        knocks.opened(ONE, CHANNEL)
        assert await here == CHANNEL

    asyncio.run(story())
