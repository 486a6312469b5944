"""The bounds of a relay's TCP port, on real sockets within one process."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from relay.gate import Gate
from relay.limits import Limits
from relay.serve import Relay
from swarm.net import relay_effect as effect
from tests.live.relay_peer import Peer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.live


def with_relay(scene: Callable[[Relay, tuple[str, int]], Awaitable[None]], **limits: Any) -> None:
    """A relay with these limits, in the loop of the test."""

    async def run() -> None:
        relay = Relay.start(bytes(32), Gate(), dataclasses.replace(Limits(), **limits), "127.0.0.1", 0)
        try:
            await scene(relay, ("127.0.0.1", relay.port))
        finally:
            await relay.close()

    asyncio.run(run())


async def becomes(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is looked at tells nobody
            await asyncio.sleep(0.01)


async def is_ended(reader: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(5):
            return await reader.read(1) == b""
    except OSError:
        return True


@pytest.mark.parametrize("limits", [{"streams": 2}, {"streams_per_address": 2}], ids=str)
def test_there_are_so_many_connections_and_no_more(limits: dict[str, int]) -> None:
    async def scene(relay: Relay, address: tuple[str, int]) -> None:
        open_ones = [await asyncio.open_connection(*address) for _ in range(2)]
        await becomes(lambda: relay.streams == 2)
        reader, writer = await asyncio.open_connection(*address)
        assert await is_ended(reader)
        assert relay.hub.counts.streams_refused == 1
        for _, one in [*open_ones, (reader, writer)]:
            one.close()
        await becomes(lambda: relay.streams == 0)

    with_relay(scene, **limits)


def test_a_stranger_has_so_many_seconds() -> None:
    async def scene(relay: Relay, address: tuple[str, int]) -> None:
        reader, writer = await asyncio.open_connection(*address)
        assert await is_ended(reader)
        await becomes(lambda: relay.streams == 0)
        assert relay.hub.counts.streams_failed == 1
        peer = await Peer(address, relay.hub.key).registered(tcp=True)
        await asyncio.sleep(0.5)  # longer than a stranger has
        assert not peer.has(effect.Lost)
        await peer.close()
        writer.close()

    with_relay(scene, stream_seconds=0.3)


def test_what_a_slow_reader_does_not_take_is_dropped_and_not_kept() -> None:
    async def scene(relay: Relay, address: tuple[str, int]) -> None:
        anna = await Peer(address, relay.hub.key).registered()
        slow = await Peer(address, relay.hub.key).registered(tcp=True)
        channel = await anna.open(slow)
        assert slow._writer is not None
        slow._writer.transport.pause_reading()  # type: ignore[attr-defined]
        connection = next(iter(relay._streams._by_stream.values()))
        for _ in range(2000):
            anna.say(channel, [b"x" * 1200] * 32)
            await asyncio.sleep(0)
            assert connection.unsent <= 64 << 10
            if relay.not_sent > 100:
                break
        assert relay.not_sent > 100
        await anna.close()
        await slow.close()

    with_relay(scene, stream_buffer=64 << 10, client_rate=10**9)
