"""A device's end of a relay with real sockets, for tests and for the benchmark: over UDP, or over TLS and TCP."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING, Any, TypeVar

from swarm.keys.device import DeviceKey
from swarm.keys.relay import handle_of
from swarm.net import relay_effect as effect
from swarm.net.relay_client import RelayClient
from swarm.net.tls import dialler_context
from swarm.wire.relay_frame import in_stream, stream_reader
from swarm.wire.relay_message import Mode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Told = TypeVar("Told")
PATIENCE = 10.0  # seconds


class Peer(asyncio.DatagramProtocol):
    """One device. `told` is what its client had to say."""

    def __init__(self, address: tuple[str, int], relay_key: bytes, **options: Any) -> None:
        self.device = DeviceKey.create(os.urandom(32))
        self.address = address
        self.handle = handle_of(relay_key, self.device.id)
        self.client = RelayClient(relay_key, self.device, os.urandom, **options)
        self.told: list[Any] = []
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()
        self._transport: Any = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    async def connect(self, *, tcp: bool = False) -> Peer:
        """Begins to register."""
        if tcp:
            reader, self._writer = await asyncio.open_connection(*self.address, ssl=dialler_context())
            self._reading = asyncio.create_task(self._read(reader))
        else:
            self._transport, _ = await self._loop.create_datagram_endpoint(lambda: self, remote_addr=self.address)
        self.do(self.client.start(self._loop.time()))
        return self

    async def registered(self, *, tcp: bool = False) -> Peer:
        await self.connect(tcp=tcp)
        await self.reach(lambda: self.has(effect.Registered))
        return self

    async def open(self, other: Peer) -> int:
        """A channel to another one."""
        self.do(self.client.open(other.handle, self._loop.time()))
        await self.reach(lambda: self.has(effect.ChannelOpened))
        await other.reach(lambda: other.has(effect.ChannelIncoming))
        return self.last(effect.ChannelOpened).channel

    def say(self, channel: int, payloads: Sequence[bytes]) -> None:
        self.do(self.client.send(channel, payloads, self._loop.time()))

    async def hear(self, count: int) -> list[bytes]:
        """So many payloads."""
        await self.reach(lambda: len(self.all(effect.Received)) >= count)
        return [received.payload for received in self.all(effect.Received)]

    async def reach(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def all(self, kind: type[Told]) -> list[Told]:
        return [one for one in self.told if isinstance(one, kind)]

    def last(self, kind: type[Told]) -> Told:
        return self.all(kind)[-1]

    def has(self, kind: type) -> bool:
        return bool(self.all(kind))

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.close()
        if self._reading is not None and self._writer is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
            self._writer.transport.abort()
            await asyncio.gather(self._writer.wait_closed(), return_exceptions=True)

    def do(self, effects: Iterable[effect.Effect]) -> None:
        for one in effects:
            match one:
                case effect.Send(frames):
                    for frame in frames:
                        if self._writer is not None:
                            self._writer.write(in_stream(frame))
                        else:
                            self._transport.sendto(frame)
                case effect.WakeAt(when):
                    if self._timer is not None:
                        self._timer.cancel()
                    self._timer = None if when is None else self._loop.call_at(when, self._tick)
                case _:
                    self.told.append(one)
                    self._changed.set()

    def _tick(self) -> None:
        self.do(self.client.tick(self._loop.time()))

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.do(self.client.frame_received(data, self._loop.time()))

    def error_received(self, error: Exception) -> None:
        """A relay that is not there yet."""

    async def _read(self, reader: asyncio.StreamReader) -> None:
        frames = stream_reader()
        while data := await reader.read(1 << 16):
            for frame in frames.feed(data):
                self.do(self.client.frame_received(frame, self._loop.time()))
        self.do(self.client.stop())


def ask(address: tuple[str, int], question: bytes, timeout: float = 2.0) -> tuple[bytes, tuple[Any, ...]] | None:
    """Sends one datagram, and waits for what comes back from wherever."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout)
        sock.sendto(question, address)
        try:
            return sock.recvfrom(2048)
        except TimeoutError:
            return None


__all__ = ["Mode", "Peer", "ask"]
