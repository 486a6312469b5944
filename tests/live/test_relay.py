"""A relay as its owner runs it: a process, real sockets, real devices' clients."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import stat
import time
import urllib.request
from typing import TYPE_CHECKING

import pytest

from swarm.net import relay_effect as effect
from swarm.net.tls import dialler_context
from swarm.wire.relay_frame import AddressIs, in_stream, parse, whoami_frame
from swarm.wire.relay_message import Mode, Refusal
from tests.live.relay_peer import Peer, ask
from tests.live.relay_process import RelayProcess

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.live


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., RelayProcess]]:
    running: list[RelayProcess] = []

    def begin(*options: str, listen: str = "127.0.0.1:0") -> RelayProcess:
        running.append(RelayProcess(tmp_path / "state", *options, listen=listen))
        return running[-1]

    yield begin
    for relay in running:
        relay.close()


def test_it_prints_one_line_keeps_its_key_and_ends_at_once_when_nobody_is_there(
    start: Callable[..., RelayProcess], tmp_path: Path
) -> None:
    first = start()
    assert re.fullmatch(r"relay 127\.0\.0\.1:\d+~[A-Za-z0-9_-]{43}\n", first.line)
    began = time.monotonic()
    code, _ = first.end()
    assert code == 0
    assert time.monotonic() - began < 2
    assert stat.S_IMODE((tmp_path / "state/relay.key").stat().st_mode) == 0o600
    assert start().key == first.key


def test_two_relays_stand_side_by_side_on_one_machine(tmp_path: Path) -> None:
    first = RelayProcess(tmp_path / "first")
    try:
        second = RelayProcess(tmp_path / "second", listen=f"127.0.0.1:{first.address[1] + 1}")
        second.close()
    finally:
        first.close()
    assert second.address[1] == first.address[1] + 1


async def _talk(relay: RelayProcess, ways: tuple[bool, bool]) -> None:
    anna, bob = Peer(relay.address, relay.key), Peer(relay.address, relay.key, mode=Mode.GUEST)
    try:
        await anna.registered(tcp=ways[0])
        await bob.registered(tcp=ways[1])
        channel = await bob.open(anna)
        sent = [os.urandom(1000 + number) for number in range(50)]
        bob.say(channel, sent)
        assert await anna.hear(50) == sent
        anna.say(channel, sent)
        assert await bob.hear(50) == sent
    finally:
        await anna.close()
        await bob.close()


@pytest.mark.parametrize("ways", [(False, False), (True, False), (False, True), (True, True)], ids=str)
def test_two_devices_talk_over_udp_and_over_tcp_and_from_one_to_the_other(
    start: Callable[..., RelayProcess], ways: tuple[bool, bool]
) -> None:
    asyncio.run(_talk(start(), ways))


def test_runs_of_datagrams_come_out_as_they_went_in(start: Callable[..., RelayProcess]) -> None:
    """A sender that uses UDP_SEGMENT: whole runs, runs with a short end, runs of two channels mixed."""
    relay = start()

    async def scene() -> None:
        anna, bob, carl = (Peer(relay.address, relay.key) for _ in range(3))
        try:
            for peer in (anna, bob, carl):
                await peer.registered()
            to_bob, to_carl = await anna.open(bob), 0
            anna.told.clear()
            to_carl = await anna.open(carl)
            sock: socket.socket = anna._transport.get_extra_info("socket")
            sent: dict[int, list[bytes]] = {to_bob: [], to_carl: []}
            for plan in ([to_bob] * 40, [to_carl] * 7, [to_bob, to_carl] * 10, [to_bob] * 9 + [to_carl]):
                frames = []
                for number, channel in enumerate(plan):
                    payload = os.urandom(600 if number == len(plan) - 1 else 1195)
                    sent[channel].append(payload)
                    frames.append(b"\x30" + channel.to_bytes(4, "big") + payload)
                segment = len(frames[0]).to_bytes(2, "little")
                os.set_blocking(sock.fileno(), True)
                real = socket.socket(fileno=os.dup(sock.fileno()))
                with real:
                    real.sendmsg(frames, [(socket.IPPROTO_UDP, 103, segment)])
            assert await bob.hear(len(sent[to_bob])) == sent[to_bob]
            assert await carl.hear(len(sent[to_carl])) == sent[to_carl]
        finally:
            for peer in (anna, bob, carl):
                await peer.close()

    asyncio.run(scene())


def test_ipv4_and_ipv6_meet_at_a_relay_that_listens_everywhere(start: Callable[..., RelayProcess]) -> None:
    relay = start("--public-address", "r.example.net", listen=":0")
    port = int(relay.line.partition("~")[0].rpartition(":")[2])

    async def scene() -> None:
        old, new = Peer(("127.0.0.1", port), relay.key), Peer(("::1", port), relay.key)
        await old.registered()
        try:
            await new.registered()
        except OSError:
            pytest.skip("this machine has no IPv6")
        assert old.last(effect.Registered).observed[0] == "127.0.0.1"
        assert new.last(effect.Registered).observed[0] == "::1"
        channel = await new.open(old)
        for speaker, hearer in ((old, new), (new, old)):
            speaker.say(channel, [b"x" * 500] * 5)
            assert await hearer.hear(5) == [b"x" * 500] * 5
        await old.close()
        await new.close()

    asyncio.run(scene())


def test_sigterm_tells_the_devices_and_ends_within_five_seconds(start: Callable[..., RelayProcess]) -> None:
    relay = start()

    async def scene() -> None:
        anna = await Peer(relay.address, relay.key).registered()
        over_tcp = await Peer(relay.address, relay.key).registered(tcp=True)
        began = time.monotonic()
        relay.process.send_signal(signal.SIGTERM)
        for peer in (anna, over_tcp):
            await peer.reach(lambda p=peer: p.has(effect.RelayDraining))  # type: ignore[misc]
            await peer.reach(lambda p=peer: p.has(effect.Lost))  # type: ignore[misc]
            assert peer.last(effect.Lost).refusal is Refusal.DRAINING
        assert await asyncio.to_thread(relay.process.wait, 5) == 0
        assert time.monotonic() - began < 5
        await anna.close()
        await over_tcp.close()

    asyncio.run(scene())


def test_a_relay_that_comes_back_is_found_again_within_two_seconds(start: Callable[..., RelayProcess]) -> None:
    relay = start()

    async def scene() -> None:
        anna, bob = await Peer(relay.address, relay.key).registered(), await Peer(relay.address, relay.key).registered()
        channel = await anna.open(bob)
        relay.process.kill()
        relay.process.wait()
        start(listen=f"127.0.0.1:{relay.address[1]}")
        began = time.monotonic()
        for peer in (anna, bob):
            peer.say(channel, [b"are you there?"])
            await peer.reach(lambda p=peer: len(p.all(effect.Registered)) == 2)  # type: ignore[misc]
        assert time.monotonic() - began < 2
        await anna.close()
        await bob.close()

    asyncio.run(scene())


def test_whoami_is_answered_from_the_port_that_was_asked_for(start: Callable[..., RelayProcess]) -> None:
    relay = start()
    answer = ask(relay.address, whoami_frame(b"question"))
    assert answer is not None
    told = parse(answer[0])
    assert isinstance(told, AddressIs)
    assert answer[1] == relay.address
    assert told.address[0] == "127.0.0.1"
    alternate = ("127.0.0.1", told.alternate_port)
    from_there = ask(relay.address, whoami_frame(b"question", from_alternate=True))
    assert from_there is not None
    assert from_there[1] == alternate
    at_there = ask(alternate, whoami_frame(b"question"))
    assert at_there is not None
    assert at_there[1] == alternate
    assert ask(alternate, b"\x31" + bytes(63), timeout=0.3) is None


def test_tokens_are_read_again_on_sighup(start: Callable[..., RelayProcess], tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("first\n")
    relay = start("--token-file", str(tokens))

    async def reserved(token: str) -> Refusal:
        peer = await Peer(relay.address, relay.key, token=token).registered()
        await peer.close()
        return peer.last(effect.Registered).refusal

    assert asyncio.run(reserved("first")) is Refusal.NONE
    assert asyncio.run(reserved("second")) is Refusal.TOKEN
    tokens.write_text("second\n")
    relay.process.send_signal(signal.SIGHUP)
    assert relay.process.stderr is not None
    while "again" not in relay.process.stderr.readline():
        pass
    assert asyncio.run(reserved("second")) is Refusal.NONE
    assert asyncio.run(reserved("first")) is Refusal.TOKEN


def test_metrics_are_served_where_told_and_name_nobody(start: Callable[..., RelayProcess]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    relay = start("--metrics", f"127.0.0.1:{port}")

    async def scene() -> str:
        anna, bob = await Peer(relay.address, relay.key).registered(), await Peer(relay.address, relay.key).registered()
        channel = await anna.open(bob)
        anna.say(channel, [b"x" * 100] * 3)
        await bob.hear(3)
        text = await asyncio.to_thread(
            lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
        )
        await anna.close()
        await bob.close()
        assert anna.device.id.hex() not in text
        return str(text)

    text = asyncio.run(scene())
    assert 'swarm_relay_clients{mode="reserve"} 2.0' in text
    assert "swarm_relay_forwarded_packets_total 3.0" in text
    assert "swarm_relay_forwarded_bytes_total 315.0" in text
    assert 'swarm_relay_registrations_total{outcome="reserve"} 2.0' in text
    assert "127.0.0.1" not in text


# -- strangers at the TCP port


def secure(address: tuple[str, int]) -> ssl.SSLSocket:
    return dialler_context().wrap_socket(socket.create_connection(address, timeout=10))


def is_closed(sock: socket.socket, within: float) -> bool:
    sock.settimeout(within)
    try:
        return sock.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_a_stranger_over_tcp_is_gone_within_seconds(start: Callable[..., RelayProcess]) -> None:
    relay = start()
    silent = socket.create_connection(relay.address)
    idle = secure(relay.address)
    try:
        assert is_closed(idle, 7)
        assert is_closed(silent, 7)
    finally:
        idle.close()
        silent.close()


def test_a_stream_that_is_none_of_frames_is_ended_at_once(start: Callable[..., RelayProcess]) -> None:
    relay = start()
    with secure(relay.address) as sock:
        sock.sendall(b"\xff\xff" + bytes(100))
        assert is_closed(sock, 2)
    with secure(relay.address) as sock:
        sock.sendall(in_stream(whoami_frame(b"question")))
        assert len(sock.recv(100)) == 2 + 17


def test_more_connections_than_one_address_may_have_are_refused(start: Callable[..., RelayProcess]) -> None:
    relay = start()
    socks = [socket.create_connection(relay.address) for _ in range(65)]
    try:
        assert is_closed(socks[-1], 2)
        assert not is_closed(socks[0], 0.1)
    finally:
        for sock in socks:
            sock.close()
