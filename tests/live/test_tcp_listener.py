"""Who knocks at the TCP port without an invitation gets nothing, costs little, and keeps nobody else out."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from swarm.errors import Unavailable
from swarm.net.invitations import TOKEN_BYTES
from swarm.net.limits import Limits
from swarm.net.tcp_lane import TcpLane, dial
from swarm.net.tcp_listener import TcpListener
from swarm.net.tls import dialler_context, shake_hands

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

pytestmark = pytest.mark.live

SHORT = Limits(stranger_seconds=0.3)


class Door:
    """Where guests arrive."""

    def __init__(self) -> None:
        self.guests: list[TcpLane] = []

    def welcome(self, lane: TcpLane) -> None:
        self.guests.append(lane)


@asynccontextmanager
async def listening(limits: Limits | None = None) -> AsyncIterator[tuple[TcpListener, Door]]:
    listener, door = TcpListener.open("127.0.0.1", 0, limits), Door()
    try:
        async with asyncio.timeout(10):
            yield listener, door
    finally:
        for lane in door.guests:
            lane.abort()
        await listener.close()


async def knock(listener: TcpListener) -> socket.socket:
    sock = socket.socket()
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", listener.port))
    return sock


async def secured(listener: TcpListener) -> ssl.SSLSocket:
    return await shake_hands(await knock(listener), dialler_context(), listener=False)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what is waited for knows nothing of this test
        await asyncio.sleep(0.005)


async def is_sent_away(sock: socket.socket | ssl.SSLSocket) -> None:
    """The other side closes, and says nothing before it."""
    while True:
        try:
            assert sock.recv(1) == b""
            return
        except (ssl.SSLWantReadError, BlockingIOError):
            await asyncio.sleep(0.005)
        except OSError:
            return


async def drain(lane: TcpLane) -> None:
    while await lane.read(1 << 20):
        pass


def play(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(scenario())  # type: ignore[arg-type]


def test_a_guest_with_a_token_is_welcome() -> None:
    async def scenario() -> None:
        async with listening() as (listener, door):
            (token,) = listener.invite(door, 1)
            lane = await dial("127.0.0.1", listener.port, listener.fingerprint, token)
            await lane.write(b"hello")
            await until(lambda: bool(door.guests))
            assert await door.guests[0].read(100) == b"hello"
            assert listener.strangers == 0
            lane.abort()

    play(scenario)


@pytest.mark.parametrize("token", [bytes(TOKEN_BYTES), b"x" * 1000, b"GET / HTTP/1.1\r\nHost: example\r\n\r\n"])
def test_a_wrong_token_gets_no_answer(token: bytes) -> None:
    async def scenario() -> None:
        async with listening() as (listener, door):
            listener.invite(door, 1)
            with await secured(listener) as sock:
                sock.send(token)
                await is_sent_away(sock)
            await until(lambda: listener.strangers == 0)
            assert not door.guests

    play(scenario)


def test_a_token_works_once() -> None:
    async def scenario() -> None:
        async with listening() as (listener, door):
            (token,) = listener.invite(door, 1)
            first = await dial("127.0.0.1", listener.port, listener.fingerprint, token)
            await until(lambda: bool(door.guests))
            with await secured(listener) as sock:
                sock.send(token)
                await is_sent_away(sock)
            assert len(door.guests) == 1
            assert first.alive
            first.abort()

    play(scenario)


def test_who_withdraws_has_no_guests() -> None:
    async def scenario() -> None:
        async with listening() as (listener, door):
            (token,) = listener.invite(door, 1)
            listener.withdraw(door)
            with await secured(listener) as sock:
                sock.send(token)
                await is_sent_away(sock)
            assert not door.guests

    play(scenario)


def test_a_token_that_comes_drop_by_drop_has_five_seconds_and_no_more() -> None:
    async def scenario() -> None:
        async with listening(SHORT) as (listener, door):
            (token,) = listener.invite(door, 1)
            sock = await secured(listener)

            async def drip() -> None:
                with suppress(OSError):
                    for at in range(TOKEN_BYTES):
                        sock.send(token[at : at + 1])
                        await asyncio.sleep(0.05)

            with sock:
                began = asyncio.get_running_loop().time()
                await asyncio.gather(drip(), is_sent_away(sock))
                assert asyncio.get_running_loop().time() - began >= 0.2
            assert not door.guests
            assert listener.strangers == 0

    assert Limits().stranger_seconds == 5.0
    play(scenario)


@pytest.mark.parametrize("words", [b"", b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\xff\xff" + bytes(100)])
def test_who_does_not_speak_tls_is_sent_away(words: bytes) -> None:
    async def scenario() -> None:
        async with listening(SHORT) as (listener, _):
            with await knock(listener) as sock:
                sock.send(words)
                await until(lambda: listener.strangers == 0)

    play(scenario)


def test_one_host_has_so_many_strangers_and_guests_do_not_count() -> None:
    async def scenario() -> None:
        async with listening(Limits(strangers_per_host=3, stranger_seconds=0.5)) as (listener, door):
            (token,) = listener.invite(door, 1)
            lane = await dial("127.0.0.1", listener.port, listener.fingerprint, token)
            await until(lambda: bool(door.guests))
            held = [await knock(listener) for _ in range(3)]
            await until(lambda: listener.strangers == 3)
            with await knock(listener) as fourth:
                await is_sent_away(fourth)
            assert listener.strangers == 3
            await lane.write(b"goes on")
            assert await door.guests[0].read(100) == b"goes on"
            await until(lambda: listener.strangers == 0)
            (token,) = listener.invite(door, 1)
            second = await dial("127.0.0.1", listener.port, listener.fingerprint, token)
            for sock in held:
                sock.close()
            for each in (lane, second):
                each.abort()

    play(scenario)


def test_strangers_of_all_hosts_together_are_bounded() -> None:
    async def scenario() -> None:
        async with listening(Limits(strangers=2, stranger_seconds=0.3)) as (listener, _):
            held = [await knock(listener) for _ in range(2)]
            await until(lambda: listener.strangers == 2)
            with await knock(listener) as third:
                await is_sent_away(third)
            await until(lambda: listener.strangers == 0)
            for sock in held:
                sock.close()

    play(scenario)


def test_the_token_goes_to_nobody_with_another_certificate() -> None:
    async def scenario() -> None:
        async with listening() as (listener, door), listening() as (impostor, trap):
            (token,) = listener.invite(door, 1)
            with pytest.raises(Unavailable, match="somebody else"):
                await dial("127.0.0.1", impostor.port, listener.fingerprint, token)
            lane = await dial("127.0.0.1", listener.port, listener.fingerprint, token)  # unused
            lane.abort()
            assert not trap.guests

    play(scenario)


def test_a_dial_that_nobody_answers_ends() -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            with pytest.raises(Unavailable, match=r"within 0\.2 seconds"):
                await dial("127.0.0.1", silent.getsockname()[1], bytes(32), bytes(32), timeout=0.2)
            port = silent.getsockname()[1]
        with pytest.raises(Unavailable, match="no TCP"):
            await dial("127.0.0.1", port, bytes(32), bytes(32))

    play(scenario)


def test_a_taken_port_is_replaced_by_another() -> None:
    async def scenario() -> None:
        async with listening() as (listener, _):
            other = TcpListener.open("127.0.0.1", listener.port)
            assert other.port != listener.port
            await other.close()

    play(scenario)


def test_a_lane_whose_connection_ends_is_lost_and_does_not_just_end() -> None:
    async def scenario() -> None:
        async with listening() as (listener, door):
            (token,) = listener.invite(door, 1)
            lane = await dial("127.0.0.1", listener.port, listener.fingerprint, token)
            await lane.write(b"whole")
            await until(lambda: bool(door.guests))
            assert await door.guests[0].read(100) == b"whole"
            waiting = asyncio.create_task(door.guests[0].read(1))
            await asyncio.sleep(0)
            lane.abort()
            with pytest.raises(Unavailable):
                await waiting
            with pytest.raises(Unavailable):
                await door.guests[0].write(b"x")
            with pytest.raises(Unavailable):
                await lane.read(1)

    play(scenario)


def test_both_ends_of_a_lane_that_has_ended_let_go_of_their_sockets() -> None:
    async def scenario() -> None:
        async with listening() as (listener, door):
            (token,) = listener.invite(door, 1)
            lane = await dial("127.0.0.1", listener.port, listener.fingerprint, token)
            lane.close()
            await until(lambda: bool(door.guests))
            guest = door.guests[0]
            assert await guest.read(1) == b""
            guest.close()
            assert await lane.read(1) == b""
            assert (lane._socket.fileno(), guest._socket.fileno()) == (-1, -1)

    play(scenario)


def test_after_a_write_that_was_cancelled_the_lane_is_lost() -> None:
    async def scenario() -> None:
        async with listening() as (listener, door):
            (token,) = listener.invite(door, 1)
            lane = await dial("127.0.0.1", listener.port, listener.fingerprint, token)
            writing = asyncio.create_task(lane.write(bytes(64 << 20)))
            await until(lambda: bool(door.guests))
            assert await door.guests[0].read(100) == bytes(100)
            assert not writing.done()
            writing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await writing
            with pytest.raises(Unavailable):
                await lane.write(b"x")
            with pytest.raises(Unavailable):
                await drain(door.guests[0])

    play(scenario)
