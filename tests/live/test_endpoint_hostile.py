"""The endpoint against those who mean harm: floods of handshakes, garbage, rules broken from inside."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from aioquic.buffer import Buffer  # type: ignore[attr-defined]
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet import QuicPacketType, pull_quic_header

from swarm.errors import BadPeer, SwarmError, Unavailable
from swarm.net.connection import Connection
from swarm.net.endpoint import ALPN, Endpoint
from swarm.net.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from swarm.wire.lane import Link

pytestmark = pytest.mark.live

CONFIGURATION = QuicConfiguration(alpn_protocols=[ALPN], verify_mode=0, supported_versions=[1])


class Stage:
    def __init__(self, endpoint: Endpoint, calls: asyncio.Queue[Link]) -> None:
        self.endpoint = endpoint
        self.calls = calls
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.bind(("127.0.0.1", 0))

    def send(self, data: bytes) -> None:
        self.sock.sendto(data, self.endpoint.address)

    def answers(self) -> list[bytes]:
        """What the endpoint has sent back so far."""
        got = []
        while True:
            try:
                got.append(self.sock.recv(65_536))
            except BlockingIOError:
                return got

    async def honest(self) -> None:
        """Somebody who means no harm is still served."""
        other = await Endpoint.open("127.0.0.1", 0, on_link=lambda link: None)
        try:
            link = await other.dial(*self.endpoint.address, timeout=5.0)
            lane = await link.open_lane()
            await lane.write(b"hello")
            while True:
                called = await self.calls.get()
                if called.address == other.address:
                    break
            assert await (await called.accept_lane()).read(5) == b"hello"
        finally:
            await other.close()


def play(scenario: Callable[[Stage], Awaitable[None]], limits: Limits | None = None) -> None:
    async def whole() -> None:
        faults: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: faults.append(context))
        calls: asyncio.Queue[Link] = asyncio.Queue()
        endpoint = await Endpoint.open("127.0.0.1", 0, on_link=calls.put_nowait, limits=limits)
        stage = Stage(endpoint, calls)
        try:
            async with asyncio.timeout(15):
                await scenario(stage)
        finally:
            await endpoint.close()
            stage.sock.close()
        assert not faults

    asyncio.run(whole())


async def turn(times: int = 3) -> None:
    for _ in range(times):
        await asyncio.sleep(0.005)


def first_flight(configuration: QuicConfiguration = CONFIGURATION) -> tuple[QuicConnection, bytes]:
    client = QuicConnection(configuration=replace(configuration))
    client.connect(("peer", 0), 0.0)
    return client, client.datagrams_to_send(0.0)[0][0]


def packet_type(datagram: bytes) -> QuicPacketType:
    return pull_quic_header(Buffer(data=datagram), host_cid_length=8).packet_type


def test_half_open_handshakes_of_one_host_are_bounded_and_end_by_themselves() -> None:
    async def scenario(stage: Stage) -> None:
        for _ in range(20):
            stage.send(first_flight()[1])
        await turn()
        assert stage.endpoint.links == 5  # the rest were asked to prove their address
        kinds = [packet_type(answer) for answer in stage.answers()]
        assert kinds.count(QuicPacketType.RETRY) == 15
        await asyncio.sleep(0.4)
        assert stage.endpoint.links == 0
        await stage.honest()

    play(scenario, Limits(stranger_seconds=0.3))


def test_under_load_an_honest_dialler_answers_the_retry_and_gets_in() -> None:
    async def scenario(stage: Stage) -> None:
        for _ in range(20):
            stage.send(first_flight()[1])
        await turn()
        assert stage.endpoint.links == 5
        await stage.honest()

    play(scenario)


def test_proved_addresses_are_bounded_too() -> None:
    async def scenario(stage: Stage) -> None:
        other = await Endpoint.open("127.0.0.1", 0, on_link=lambda link: None)
        dials = await asyncio.gather(
            *(other.dial(*stage.endpoint.address, timeout=1.0) for _ in range(12)), return_exceptions=True
        )
        assert sum(isinstance(link, Connection) for link in dials) == 8
        assert all(isinstance(link, (Connection, Unavailable)) for link in dials)
        assert stage.endpoint.links == 8
        for _ in range(8):
            (await stage.calls.get()).trust()
        await stage.honest()  # whoever is trusted takes no stranger's place
        await other.close()

    play(scenario)


def test_links_in_all_are_bounded() -> None:
    async def scenario(stage: Stage) -> None:
        other = await Endpoint.open("127.0.0.1", 0, on_link=lambda link: None)
        for _ in range(3):
            await other.dial(*stage.endpoint.address)
            (await stage.calls.get()).trust()
        with pytest.raises(Unavailable):
            await other.dial(*stage.endpoint.address, timeout=0.3)
        await other.close()
        await turn()
        await stage.honest()

    play(scenario, Limits(links=3))


def test_a_forged_token_proves_nothing() -> None:
    async def scenario(stage: Stage) -> None:
        for _ in range(5):
            stage.send(first_flight()[1])
        for length in (1, 12, 40, 100):
            stage.send(first_flight(replace(CONFIGURATION, token=bytes(length)))[1])
        await turn()
        assert stage.endpoint.links == 5

    play(scenario)


def test_an_unknown_version_is_answered_only_at_full_size_and_with_less() -> None:
    async def scenario(stage: Stage) -> None:
        packet = bytearray(first_flight()[1])
        packet[1:5] = b"\x1a\x2a\x3a\x4a"
        stage.send(bytes(packet[:1199]))
        await turn()
        assert stage.answers() == []
        stage.send(bytes(packet))
        await turn()
        (answer,) = stage.answers()
        assert packet_type(answer) is QuicPacketType.VERSION_NEGOTIATION
        assert len(answer) < 60
        assert stage.endpoint.links == 0

    play(scenario)


def test_a_first_packet_that_does_not_decrypt_leaves_nothing_and_gets_no_answer() -> None:
    async def scenario(stage: Stage) -> None:
        packet = bytearray(first_flight()[1])
        packet[100] ^= 1
        stage.send(bytes(packet))
        await turn()
        assert stage.endpoint.links == 0
        assert stage.answers() == []
        assert not stage.endpoint._by_id

    play(scenario)


def test_a_short_unknown_datagram_gets_no_answer() -> None:
    async def scenario(stage: Stage) -> None:
        for data in (
            b"",
            b"\x40",
            b"\x80",
            b"\xc0" * 6,
            b"\xff" * 7,
            b"\x40" * 1300,
            b"\xc0\0\0\0\1\xff" + bytes(1300),
        ):
            stage.send(data)
        await turn()
        assert stage.answers() == []

    play(scenario)


def test_another_protocol_name_is_refused() -> None:
    async def scenario(stage: Stage) -> None:
        stage.send(first_flight(replace(CONFIGURATION, alpn_protocols=["h3"]))[1])
        await turn()
        assert stage.endpoint.links == 0
        assert stage.calls.empty()

    play(scenario)


def test_garbage_and_mutated_packets_raise_nothing_and_leave_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(stage: Stage) -> None:
        rng = random.Random(5)
        near = await Endpoint.open("127.0.0.1", 0, on_link=lambda link: None)
        link = await near.dial(*stage.endpoint.address)
        called = await stage.calls.get()
        link.trust()
        called.trust()
        assert isinstance(called, Connection)
        known = [stage.endpoint.address[1].to_bytes(2, "big") * 4, *called._claimed]
        real = [first_flight()[1] for _ in range(8)]
        for index in range(3000):
            kind = index % 3
            if kind == 0:
                data = rng.randbytes(rng.choice([1, 7, 20, 100, 1200, 1400]))
            elif kind == 1:
                mutated = bytearray(rng.choice(real))
                for _ in range(rng.randrange(1, 10)):
                    mutated[rng.randrange(60 if rng.random() < 0.7 else len(mutated))] = rng.randrange(256)
                data = bytes(mutated)
            else:  # to a connection that exists
                data = bytes([0x40 | rng.randrange(64)]) + rng.choice(known) + rng.randbytes(rng.randrange(1300))
            stage.send(data)
            if index % 50 == 0:
                await asyncio.sleep(0)
        await asyncio.sleep(0.5)
        assert stage.endpoint.links <= 1 + 8
        lane = await link.open_lane()
        await lane.write(b"unimpressed")
        assert await (await called.accept_lane()).read(100) == b"unimpressed"
        await asyncio.sleep(0.5)
        assert stage.endpoint.links == 1
        await near.close()
        await turn()
        assert stage.endpoint.links == 0
        assert not stage.endpoint._touched

    play(scenario, Limits(stranger_seconds=0.4))
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_packets_mutated_inside_the_encryption_end_that_link_only() -> None:
    """A peer with valid keys sends random frames."""

    async def scenario(stage: Stage) -> None:
        rng = random.Random(6)
        near = await Endpoint.open("127.0.0.1", 0, on_link=lambda link: None)
        outcomes: set[type] = set()
        for _ in range(60):
            link = await near.dial(*stage.endpoint.address)
            called = await stage.calls.get()
            called.trust()
            assert isinstance(link, Connection)
            quic = link._quic
            frames = b"".join(
                rng.choice([rng.randbytes(rng.randrange(1, 40)), bytes([rng.randrange(0x20)])]) for _ in range(6)
            )
            crypto = next(pair for epoch, pair in quic._cryptos.items() if epoch.name == "ONE_RTT")
            header = bytes([0x41]) + quic._peer_cid.cid + quic._packet_number.to_bytes(2, "big")
            stage.send(crypto.encrypt_packet(header, frames + bytes(4), quic._packet_number))
            await turn(2)
            link.close()
            await called.wait_closed()
            try:
                await called.open_lane()
            except SwarmError as failure:
                outcomes.add(type(failure))
        assert BadPeer in outcomes
        await near.close()
        await stage.honest()

    play(scenario)


def test_a_peer_that_breaks_the_rules_is_named_as_such() -> None:
    async def scenario(stage: Stage) -> None:
        near = await Endpoint.open("127.0.0.1", 0, on_link=lambda link: None)
        link = await near.dial(*stage.endpoint.address)
        called = await stage.calls.get()
        assert isinstance(link, Connection)
        link._quic._remote_max_data = 1 << 20  # more than we were granted
        lane = await link.open_lane()
        await lane.write(bytes(8000))
        await called.wait_closed()
        with pytest.raises(BadPeer):
            await called.open_lane()
        await link.wait_closed()
        await near.close()

    play(scenario)


def test_lanes_that_are_reset_before_anybody_accepts_them_do_not_pile_up() -> None:
    async def scenario(stage: Stage) -> None:
        near = await Endpoint.open("127.0.0.1", 0, on_link=lambda link: None)
        link = await near.dial(*stage.endpoint.address)
        called = await stage.calls.get()
        link.trust()
        called.trust()
        assert isinstance(link, Connection)
        assert isinstance(called, Connection)
        for _ in range(60):
            lane = await link.open_lane()
            await lane.write(b"x")
            await turn(1)
            link._quic.reset_stream(lane.stream_id, 0)
            link._quic.stop_stream(lane.stream_id, 0)
            link.transmit()
            await turn(1)
        assert len(called._lanes._offered) <= 16
        assert len(called._lanes._lanes) <= 16
        await near.close()

    play(scenario)


def test_a_callback_that_fails_costs_only_that_link(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        def broken(*_: object) -> None:
            raise RuntimeError("our own mistake")

        endpoint = await Endpoint.open("127.0.0.1", 0, on_link=broken, on_other=broken)
        near = await Endpoint.open("127.0.0.1", 0, on_link=lambda link: None)
        near.send_other(b"\x00", endpoint.address)
        link = await near.dial(*endpoint.address)
        async with asyncio.timeout(5):
            await link.wait_closed()
        assert endpoint.links == 0
        await near.close()
        await endpoint.close()

    asyncio.run(scenario())
    assert "our own mistake" in caplog.text
