"""A gate: this device's registration with one relay. The shell of `swarm.net.relay_client`.

The relay is asked over UDP first, from the socket of all links; where it does not answer, over TLS on TCP, at the same
port number. While TCP is in use, UDP is tried now and then, and gone back to as soon as it works: TCP delivers in
order, which QUIC above does not need and has to wait for. A change of carrier is a new registration, so the channels of
before are gone; the links in them notice, and ask for new ones.

TLS proves nothing here and hides little: what is said to the relay is sealed to its key, and what goes through it to
the peer's. It is there since networks that block UDP like to see it.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from swarm.errors import BadPeer, Unavailable
from swarm.keys.relay import RelayPass
from swarm.net import relay_effect as effects
from swarm.net.gate_state import GateState
from swarm.net.knocks import Knocks
from swarm.net.relay_client import RelayClient, State
from swarm.net.relay_stream import RelayStream
from swarm.wire.hop import Channel
from swarm.wire.relay_frame import ADDRESS, AddressIs, parse, whoami_frame
from swarm.wire.relay_message import WANTS_TOKEN, Mode, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from swarm.config import RelayAddress
    from swarm.keys.device import DeviceKey
    from swarm.net.gate_state import Gatekeeper
    from swarm.net.network import GateWatcher
    from swarm.wire.hop import Address
    from swarm.wire.lane import Via

UDP_PATIENCE = 1.5  # seconds without an answer over UDP until TCP is tried beside it
UDP_DOUBT = 1.0  # the same, of a relay that has answered before, once a link through it has lost its way
UDP_AGAIN = 15.0  # seconds between two questions over UDP while TCP is in use; doubling up to
LATEST_UDP_AGAIN = 240.0
TCP_AGAIN = 5.0  # seconds after TCP failed; doubling up to
LATEST_TCP_AGAIN = 60.0
RESOLVE_AGAIN = 5.0  # seconds after a name could not be looked up
HURRY_PAUSE = 1.0  # seconds between two questions to a relay that is away, while links wait for it
TRANSACTION_BYTES = 8
NOWHERE = ("0.0.0.0", 0)

log = logging.getLogger(__name__)


class RelayGate:
    """Implements `swarm.net.network.Gate` and `swarm.net.hops.Passage`."""

    def __init__(
        self,
        place: RelayAddress,
        device: DeviceKey,
        keeper: Gatekeeper,
        watcher: GateWatcher,
        *,
        reserve: bool,
        topics: Sequence[bytes],
    ) -> None:
        """Raises UserError for a key that is none."""
        pass_ = RelayPass.parse(place.key)
        self.key = pass_.key
        self.title = str(place.address)
        self.state = GateState()
        self._place = place.address
        self._has_token = bool(pass_.token)
        self._keeper = keeper
        self._watcher = watcher
        self._loop = asyncio.get_running_loop()
        self._client = RelayClient(
            pass_.key,
            device,
            os.urandom,
            mode=Mode.RESERVE if reserve else Mode.GUEST,
            token=pass_.token,
            topics=topics,
        )
        self._addresses: list[Address] = []  # where the relay may be
        self._turn = 0  # which of them
        self._via: Via = "udp"
        self._stream: RelayStream | None = None
        self._channels: dict[int, Channel] = {}
        self._knocks = Knocks()
        self._wake: asyncio.TimerHandle | None = None
        self._udp_heard = False  # since the last start over UDP
        self._begun = False
        self._hurried_at = 0.0
        self._doubted_at = math.inf  # a link has lost its way; has anything come over UDP since?
        self._changed = asyncio.Event()
        self._udp_again = UDP_AGAIN
        self._question = b""  # the WHOAMI under way
        self._closed = False
        self.on_close: Callable[[RelayGate], None] = lambda _: None
        self._runner = self._loop.create_task(self._run())
        self._runner.add_done_callback(_report)

    # -- `swarm.net.hops.Passage`

    @property
    def address(self) -> Address:
        """Where the relay is."""
        return self._addresses[self._turn % len(self._addresses)] if self._addresses else NOWHERE

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Where the relay may be, all of them."""
        return tuple(self._addresses)

    @property
    def blocked(self) -> bool:
        """See `swarm.net.hops.Passage`."""
        if self._via == "tcp":
            return self._stream is not None and self._stream.blocked
        return self._keeper.blocked

    def send(self, channel: int, datagrams: Sequence[bytes]) -> None:
        """See `swarm.net.hops.Passage`."""
        self._do(self._client.send(channel, datagrams, self._loop.time()))

    # -- `swarm.net.network.Gate`

    def set_topics(self, topics: Sequence[bytes]) -> None:
        """See `swarm.net.network.Gate`."""
        self._do(self._client.set_topics(topics, self._loop.time()))

    def lookup(self, topics: Sequence[bytes]) -> None:
        """See `swarm.net.network.Gate`."""
        if self.state.via is not None:
            self._do(self._client.lookup(topics, self._loop.time()))

    def check(self) -> None:
        """See `swarm.net.network.Gate`."""
        self._udp_again = UDP_AGAIN
        self._ask_over_udp()
        self._do(self._client.check(self._loop.time()))

    def close(self) -> None:
        """See `swarm.net.network.Gate`."""
        if self._closed:
            return
        self._do(self._client.leave())
        self._closed = True
        self._lose_channels()
        self._runner.cancel()
        if self._wake is not None:
            self._wake.cancel()
        if self._stream is not None:
            self._stream.close()
        self.on_close(self)

    # -- doors

    async def knock(self, handle: bytes, *, urgent: bool) -> Channel:
        """A channel to a device. The answer may take seconds. Raises Unavailable.

        `urgent`: a link has lost its way. The relay is asked now, however long it was away, and may answer later.
        """
        if urgent:
            self._hurry()
        if self._closed or (self.state.via is None and not urgent):
            raise Unavailable(f"the relay {self.title} is not there: {self.why or 'not yet'}")
        answer, first = self._knocks.add(handle)
        if first:
            self._do(self._client.open(handle, self._loop.time()))
        return await answer

    def _hurry(self) -> None:
        """Does not wait for the end of a rest after the relay did not answer, nor for its next sign of life."""
        now = self._loop.time()
        if self._via == "udp" and self._client.state is State.REGISTERED:
            if self._udp_heard:
                self._udp_heard, self._doubted_at = False, now
                self._changed.set()
            self._do(self._client.check(now))
        if self._client.state is State.RESTING and self._begun and now >= self._hurried_at + HURRY_PAUSE:
            self._hurried_at = now
            if self.state.refusal is Refusal.NO_ANSWER:
                self._do(self._client.start(now))

    @property
    def why(self) -> str:
        """What is wrong with it, for people; "" where nothing is known to be."""
        if self.state.refusal is Refusal.TOKEN and not self._has_token:
            return WANTS_TOKEN
        return self.state.trouble or (self.state.refusal.sentence if self.state.refusal else "")

    def drop(self, channel: int) -> None:
        """The channel is not needed any more."""
        if self._channels.pop(channel, None) is not None:
            self._do(self._client.close(channel))

    # -- what the socket and the stream have for us

    def datagram_received(self, data: bytes) -> bool:
        """From the relay's address. False for an answer to somebody else's question."""
        if data[0] == ADDRESS:
            return self._address_received(data)
        if self._via == "udp":
            self._udp_heard = True
            self._do(self._client.frame_received(data, self._loop.time()))
        return True

    def frames_received(self, stream: RelayStream, frames: list[bytes]) -> None:
        """For `RelayStream`."""
        if stream is self._stream and self._via == "tcp":
            now = self._loop.time()
            for data in frames:
                self._do(self._client.frame_received(data, now))
            self._keeper.over()

    def stream_writable(self) -> None:
        """For `RelayStream`."""
        self._keeper.writable()

    def stream_lost(self, stream: RelayStream) -> None:
        """For `RelayStream`."""
        if stream is self._stream:
            self._stream = None
            self._back_to_udp()

    def _address_received(self, data: bytes) -> bool:
        """UDP works again, if it is the answer to our question."""
        try:
            frame = parse(data)
        except BadPeer:
            return True
        if not isinstance(frame, AddressIs) or frame.transaction != self._question:
            return False
        self._question = b""
        self._udp_again = UDP_AGAIN
        if self._via == "tcp":
            self._begin("udp")
        return True

    # -- UDP or TCP

    async def _run(self) -> None:
        """Until it is closed."""
        await self._locate()
        self._begin("udp")
        pause = TCP_AGAIN
        while True:
            if self._via == "tcp":
                await self._sleep(self._udp_again)
                self._ask_over_udp()
                continue
            await self._sleep(UDP_PATIENCE)
            if not self._is_silent():
                pause = TCP_AGAIN
            elif not await self._try_tcp():
                if self._turn + 1 < len(self._addresses):
                    self._turn += 1
                    self._begin("udp")
                    continue
                await self._sleep(pause)
                pause = min(2 * pause, LATEST_TCP_AGAIN)
                if self._turn and self._is_silent():
                    self._turn = 0
                    self._begin("udp")
                await self._locate()

    async def _sleep(self, seconds: float) -> None:
        """Or until something is another."""
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    def _is_silent(self) -> bool:
        """Does the relay not answer over UDP?"""
        if self._udp_heard:
            return False
        registered = self._client.state is State.REGISTERED
        return not registered or self._loop.time() >= self._doubted_at + UDP_DOUBT

    def _ask_over_udp(self) -> None:
        """Whether UDP works again: the answer leads back to it."""
        if self._via == "tcp":
            self._udp_again = min(2 * self._udp_again, LATEST_UDP_AGAIN)
            self._question = os.urandom(TRANSACTION_BYTES)
            self._keeper.send_to_relay([whoami_frame(self._question)], self.address)

    async def _locate(self) -> None:
        """Looks the relay's name up, until there is an answer, now or before."""
        while True:
            try:
                found = await self._keeper.resolve(self._place.host, self._place.port)
            except Unavailable as error:
                if self._addresses:
                    return
                self._change(GateState(trouble=error.message))
                await self._sleep(RESOLVE_AGAIN)
                continue
            if found != self._addresses:
                self._addresses, self._turn = found, 0
                self._keeper.located(self)
                if self._begun:
                    self._begin("udp")
            return

    async def _try_tcp(self) -> bool:
        """True when TCP is in use now."""
        try:
            stream = await RelayStream.dial(self.address, self)
        except Unavailable:
            return False
        if not self._is_silent():
            stream.close()  # UDP has answered meanwhile
            return False
        self._stream = stream
        self._udp_again = UDP_AGAIN
        self._begin("tcp")
        return True

    def _begin(self, via: Via) -> None:
        """Registers anew, over UDP or over the stream."""
        self._begun = True
        self._via = via
        self._changed.set()
        self._udp_heard = False
        if via == "udp" and self._stream is not None:
            stream, self._stream = self._stream, None
            stream.close()
        self._do(self._client.start(self._loop.time()))

    # -- what the client wants done

    def _do(self, wanted: list[effects.Effect]) -> None:
        if self._closed:
            return
        for effect in wanted:
            match effect:
                case effects.Received(number, payload):
                    if (channel := self._channels.get(number)) is not None:
                        self._keeper.from_peer(payload, channel)
                case effects.Send(frames):
                    self._send(frames)
                case effects.WakeAt(when):
                    self._wake_at(when)
                case _:
                    self._heed(effect)

    def _heed(self, effect: effects.Effect) -> None:
        """What happens seldom."""
        match effect:
            case effects.Registered(observed, reserved, refusal):
                self._change(GateState(self._via, reserved, refusal, "", self.address, observed))
                self._keeper.registered(self.key)
            case effects.Observed(address):
                self._change(replace(self.state, observed=address))
            case effects.Failed(refusal):
                self._change(GateState(refusal=refusal, address=self.address))
                if refusal is Refusal.NO_ANSWER:
                    self._udp_heard = False
                    if self._via == "tcp":
                        self._loop.call_soon(self._back_to_udp)
            case effects.Lost(refusal):
                self._lose_channels()
                self._udp_heard = False
                self._change(GateState(refusal=refusal, address=self.address))
            case effects.Found(handles):
                found = tuple(dict.fromkeys(handle for _, some in handles for handle in some))
                if found:
                    self._watcher.gate_found(self, found)
            case effects.ChannelOpened(number, handle) | effects.ChannelIncoming(number, handle):
                self._opened(number, handle)
            case effects.OpenRefused(handle, refusal):
                self._knocks.refused(handle, f"no channel at {self.title}: {refusal.name.lower()}")
            case effects.ChannelClosed(number):
                if (channel := self._channels.pop(number, None)) is not None:
                    self._keeper.channel_lost(channel)
            case effects.RelayDraining():
                for channel in list(self._channels.values()):
                    self._keeper.channel_lost(channel)

    def _opened(self, number: int, handle: bytes) -> None:
        channel = self._channels.setdefault(number, Channel(self.key, number, self._via))
        self._knocks.opened(handle, channel)

    def _lose_channels(self) -> None:
        lost, self._channels = list(self._channels.values()), {}
        for channel in lost:
            self._keeper.channel_lost(channel)
        self._knocks.lost(f"the relay {self.title} was lost")

    def _back_to_udp(self) -> None:
        if self._via == "tcp" and not self._closed:
            self._begin("udp")

    def _send(self, frames: Sequence[bytes]) -> None:
        if self._via == "tcp":
            if self._stream is not None:
                self._stream.send(frames)
        elif self._addresses:
            self._keeper.send_to_relay(frames, self.address)

    def _wake_at(self, when: float | None) -> None:
        if self._wake is not None:
            self._wake.cancel()
        self._wake = None if when is None else self._loop.call_at(when, self._tick)

    def _tick(self) -> None:
        self._wake = None
        self._do(self._client.tick(self._loop.time()))

    def _change(self, state: GateState) -> None:
        if state != self.state:
            self.state = state
            self._watcher.gate_changed(self)


def _report(task: asyncio.Task[None]) -> None:
    """What nobody foresaw ends this gate alone, and is in the log."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a gate has failed", exc_info=error)
