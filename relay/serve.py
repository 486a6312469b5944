"""One running relay: the hub between its sockets. Everything is wired here, and nothing is decided."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from typing import TYPE_CHECKING, Final

from relay.effect import Send
from relay.hub import Hub
from relay.options import is_loopback
from relay.path import Stream
from relay.streams import Streams
from relay.switch import UNKNOWN, Drop, Switch
from relay.udp import UdpSocket
from swarm.errors import UserError
from swarm.wire.relay_frame import DATA, DATA_HEADER, FIRST_KIND, WHOAMI

if TYPE_CHECKING:
    from collections.abc import Iterable

    from relay.bootstrap import Bootstrap
    from relay.effect import Effect
    from relay.gate import Gate
    from relay.limits import Limits
    from relay.path import Path

TICK: Final = 0.1  # seconds
PORT_TRIES: Final = 20  # for a port that is free for UDP and TCP alike, when any will do
DRAIN_SECONDS: Final = 2.0  # in which devices find another way; with the rest of the end it stays below 5
DRAIN_REPEAT: Final = 0.5  # seconds after which Draining is said again, since it may get lost

log = logging.getLogger("relay")


class Relay:
    """Made by `Relay.start`, inside of a running loop."""

    def __init__(self, hub: Hub, host: str, port: int) -> None:
        """Raises OSError when `port` is not to be had."""
        self._loop = asyncio.get_running_loop()
        self.hub = hub
        self.bootstrap: Bootstrap | None = None
        self._alternate: UdpSocket | None = None
        self._udp = UdpSocket.bind(host, port, hub.switch, self._to_stream, self._datagram_received)
        try:
            self._streams = Streams.listen(
                host,
                self._udp.port,
                hub.limits,
                hub.counts,
                self._frame_received,
                self._stream_closed,
                hub.is_registered,
            )
        except OSError:
            self._udp.close()
            raise
        self._ticks = self._loop.call_later(TICK, self._tick)

    @classmethod
    def start(cls, seed: bytes, gate: Gate, limits: Limits, host: str, port: int) -> Relay:
        """Listens on UDP and TCP; port 0 is any that is free for both. Raises UserError."""
        hub = Hub(seed, gate, limits, os.urandom, asyncio.get_running_loop().time())
        for last in (*(False,) * (PORT_TRIES - 1), True):
            try:
                relay = cls(hub, host, port)
                break
            except OSError as error:
                taken = error.errno == errno.EADDRINUSE
                if port or last or not taken:
                    why = f"cannot listen on {host or 'any address'} port {port}: {error.strerror or error}"
                    what = "port: is a relay running already?" if taken else "address or port:"
                    raise UserError(why, f"name another {what} --listen HOST:PORT") from error
        relay._open_alternate(host)
        return relay

    @property
    def port(self) -> int:
        """UDP and TCP."""
        return self._udp.port

    @property
    def family(self) -> int:
        """Of the UDP socket: AF_INET6 where it speaks both."""
        return self._udp.family

    @property
    def not_sent(self) -> int:
        """Packets for which there was no room."""
        return self._udp.not_sent + self._streams.not_sent

    @property
    def streams(self) -> int:
        """TCP connections."""
        return self._streams.open

    def send_datagram(self, data: bytes, path: Path) -> None:
        """One datagram from the relay's UDP port: for the DHT."""
        self._udp.send(data, path)

    async def drain(self) -> None:
        """Tells everybody, and waits until they are gone, for a moment at most."""
        self._do(self.hub.drain())
        end, again = self._loop.time() + DRAIN_SECONDS, self._loop.time() + DRAIN_REPEAT
        while len(self.hub.clients) and self._loop.time() < end:
            await asyncio.sleep(TICK)
            if self._loop.time() >= again:
                again = end
                self._do(self.hub.drain())
        self._do(self.hub.end())

    async def close(self) -> None:
        """Closes everything."""
        self._ticks.cancel()
        if self.bootstrap is not None:
            await self.bootstrap.close()
        if self._alternate is not None:
            self._alternate.close()
        self._udp.close()
        await self._streams.close()

    def _open_alternate(self, host: str) -> None:
        """Another UDP port, by which a client learns what kind of NAT it is behind. It is no loss if there is none."""
        nothing = Switch(self.hub.limits, self._loop.time())  # no channel has an end there
        alone = is_loopback(host)  # several relays on one machine, to try them: none may take the next one's port
        for port in (0,) if alone else (self._udp.port + 1, 0):
            try:
                self._alternate = UdpSocket.bind(host, port, nothing, self._to_stream, self._asked_at_alternate)
            except (OSError, OverflowError):
                continue
            self.hub.alternate_port = self._alternate.port
            return
        log.warning("there is no second UDP port: devices cannot tell what kind of NAT they are behind")

    # What comes in.

    def _to_stream(self, frame: bytes, stream: Stream) -> None:
        self._streams.send(frame, stream)

    def _datagram_received(self, data: bytes, path: Path, now: float) -> None:
        if data[0] < FIRST_KIND:
            if self.bootstrap is not None:
                self.bootstrap.datagram_received(data, path)
            return
        self._do(self.hub.received(data, path, now))

    def _frame_received(self, frame: bytes, stream: Stream) -> None:
        now = self._loop.time()
        way: Path | Drop = UNKNOWN
        if frame[0] == DATA and len(frame) > DATA_HEADER:
            channel = int.from_bytes(frame[1:DATA_HEADER], "big")
            way = self.hub.switch.forward(channel, stream, len(frame), 1, now)
        if way is UNKNOWN:
            self._do(self.hub.received(frame, stream, now))
        elif isinstance(way, Stream):
            self._streams.send(frame, way)
        elif not isinstance(way, Drop):
            self._udp.send(frame, way)

    def _stream_closed(self, stream: Stream) -> None:
        self._do(self.hub.stream_closed(stream, self._loop.time()))

    def _asked_at_alternate(self, data: bytes, path: Path, now: float) -> None:
        """Nothing but WHOAMI is answered there, and from there."""
        if data[0] == WHOAMI and self._alternate is not None:
            for effect in self.hub.received(data, path, now):
                if isinstance(effect, Send):
                    self._alternate.send(effect.frame, effect.path)

    def _tick(self) -> None:
        self._ticks = self._loop.call_later(TICK, self._tick)
        self._do(self.hub.tick(self._loop.time()))

    # What goes out.

    def _do(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if not isinstance(effect, Send):
                self._streams.end(effect.stream)
            elif isinstance(effect.path, Stream):
                self._streams.send(effect.frame, effect.path)
            elif effect.from_alternate and self._alternate is not None:
                self._alternate.send(effect.frame, effect.path)
            else:
                self._udp.send(effect.frame, effect.path)
