"""What strangers, and a relay that lies, can do to who uses one: little."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from swarm.config import parse_relay
from swarm.errors import Unavailable
from swarm.keys.relay import printed
from swarm.net.gates import MAX_GATES
from swarm.net.limits import Limits
from swarm.net.relay_stream import UNSENT, RelayStream
from swarm.wire.relay_frame import data_frame
from swarm.wire.relay_message import Closed
from tests.live.test_relayed_links import Side, Stage, Transfer, play, until
from tests.live.tiny_relay import TinyRelay

if TYPE_CHECKING:
    from swarm.net.endpoint import Endpoint
    from swarm.net.relay_gate import RelayGate

pytestmark = pytest.mark.live


def test_strangers_through_one_relay_count_as_one_host() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.near.registered()
        await stage.far.registered()
        limit = Limits().strangers_per_host
        door = stage.door(stage.far)
        for _ in range(limit):
            await stage.near.endpoint.dial_door(door)
        with pytest.raises(Unavailable):
            await stage.near.endpoint.dial_door(door, timeout=1.0)
        third = await Side("third").open("127.0.0.2")
        await third.endpoint.dial(*stage.far.endpoint.address)  # others are let in
        await third.endpoint.close()

    play(scenario)


def test_a_relay_that_makes_up_datagrams_makes_no_link_and_harms_none() -> None:
    async def scenario(stage: Stage) -> None:
        link, other = await stage.linked()
        stage.tell(link, other, straight=False)
        transfer = Transfer(link, other)
        await transfer.moves()
        (number,) = stage.relay.channels
        for member in stage.relay.members.values():
            for size in (1, 52, 1200, 1400):
                for first in (0x00, 0x20, 0x24, 0x25, 0x30, 0x34, 0x40, 0xC0, 0xFF):
                    member.reply(data_frame(number, bytes([first]) + os.urandom(size - 1)))
                    member.reply(bytes([first]) + os.urandom(size))
        await transfer.moves()
        await transfer.finish()
        assert stage.near.endpoint.links == stage.far.endpoint.links == 1

    play(scenario)


def test_a_relay_that_takes_channels_away_is_asked_for_others() -> None:
    async def scenario(stage: Stage) -> None:
        link, other = await stage.linked()
        stage.tell(link, other, straight=False)
        transfer = Transfer(link, other)
        for _ in range(3):
            await transfer.moves(100_000)
            for channel, ends in list(stage.relay.channels.items()):
                del stage.relay.channels[channel]
                for end in ends:
                    end.say(Closed(channel, 10))
        await transfer.moves(100_000)
        await transfer.finish()

    play(scenario)


def test_there_are_so_many_gates_and_no_more() -> None:
    async def scenario(stage: Stage) -> None:
        for number in range(MAX_GATES - 1):
            place = f"127.0.0.1:9~{printed(TinyRelay(bytes([number + 1]) * 32).key)}"
            stage.near.endpoint.open_gate(parse_relay(place), stage.near.device, stage.near, reserve=True, topics=[])
        place = f"127.0.0.1:9~{printed(TinyRelay(b'z' * 32).key)}"
        with pytest.raises(Unavailable, match="in use"):
            stage.near.endpoint.open_gate(parse_relay(place), stage.near.device, stage.near, reserve=True, topics=[])

    play(scenario)


def gates_of(endpoint: Endpoint) -> list[RelayGate]:
    return list(endpoint._gates._gates.values())


def test_what_a_relay_does_not_take_over_tcp_is_dropped_and_not_held() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.near.registered("tcp")
        (gate,) = gates_of(stage.near.endpoint)
        stream = gate._stream
        assert isinstance(stream, RelayStream)
        assert stream._transport is not None
        for writer in stage.relay._streams:
            writer.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(2000):
            stream.send([data_frame(1, bytes(15_000))])
        await until(lambda: stream.blocked)
        assert stream._transport.get_write_buffer_size() < UNSENT + 64_000
        assert gate.blocked

    play(scenario, deaf=True)


def test_a_gate_that_is_closed_leaves_nothing_behind() -> None:
    async def scenario(stage: Stage) -> None:
        link, _ = await stage.linked()
        before = len(asyncio.all_tasks())
        stage.near.gate.close()
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) < before
        assert stage.near.endpoint._hops.gates == {}
        assert stage.near.endpoint._gates._by_address == {}
        link.close()

    play(scenario)
