"""A link over one QUIC connection: drives aioquic's state machine between the socket, the clock and the lanes.

aioquic does no I/O: datagrams go in, datagrams and events come out, and a timer says when to come again. The rules:
- Everything happens on the loop's thread, and nothing here waits. Work per turn is bounded by the socket's batch on the
  way in and by the pacer's turn on the way out.
- After whatever happens: `_settle` (handle the events), then one `transmit` for all of it.
- Whatever aioquic raises ends this connection and goes no further: its input was written by a stranger.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from aioquic.quic import events

from swarm.errors import BadPeer, SwarmError, Unavailable
from swarm.net.binding import binding_of
from swarm.net.lanes import Lanes
from swarm.net.patience import Judgement, Patience
from swarm.net.probe import Prober
from swarm.net.router import VIRTUAL_ADDRESS

if TYPE_CHECKING:
    import io
    from collections.abc import Callable

    from aioquic.quic.events import ConnectionTerminated, QuicEvent

    from swarm.net.capped import CappedConnection
    from swarm.net.lane import QuicLane
    from swarm.net.limits import Limits
    from swarm.net.owner import Owner
    from swarm.net.router import Router
    from swarm.wire.hop import Channel, Hop, Places
    from swarm.wire.lane import Route, Via

LONGEST_REASON = 120  # characters of what a peer gives as its reason for closing
FAREWELLS = 3  # times that our close is repeated to a peer that still sends, in the LINGER seconds after it
LINGER = 2.0
SHORTEST_SLEEP = 0.001  # seconds: the loop's timers are no finer, and a full socket must not make it spin


class Connection:
    """Implements `swarm.wire.lane.Link`."""

    dialled: bool
    binding: bytes
    on_route: Callable[[], None] | None

    def __init__(
        self,
        quic: CappedConnection,
        secrets: io.StringIO,
        router: Router,
        owner: Owner,
        limits: Limits,
        *,
        dialled: bool,
    ) -> None:
        """`secrets`: the log of TLS secrets that the configuration of `quic` was given."""
        self._loop = asyncio.get_running_loop()
        self._quic = quic
        self._secrets: io.StringIO | None = secrets
        self.router = router
        router.on_change = self._rerouted
        self._owner = owner
        self._limits = limits
        self.dialled = dialled
        self.binding = b""
        self.on_route = None
        self.tag = b""  # of the probes of this link; known once the peer is trusted
        self._lanes = Lanes(quic, limits.lanes, self._transmit_soon)
        self._established = asyncio.Event()
        self._closed = asyncio.Event()
        self._failure: SwarmError | None = None
        self._claimed: set[bytes] = set()
        self._farewell: list[bytes] = []
        self._farewells = 0
        self._soon: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._patience = Patience(limits, self._loop.time(), dialled=dialled)
        self._claim(quic.host_cid)

    # What the session above uses: `swarm.wire.lane.Link`.

    @property
    def route(self) -> Route:
        """See `swarm.wire.lane.Link`."""
        return self.router.route

    @property
    def address(self) -> tuple[str, int]:
        """See `swarm.wire.lane.Link`."""
        return self.router.address

    @property
    def relay(self) -> str | None:
        """See `swarm.wire.lane.Link`."""
        return self.router.relay

    @property
    def via(self) -> Via | None:
        """See `swarm.wire.lane.Link`."""
        return self.router.via

    async def open_lane(self) -> QuicLane:
        """A new lane; the first one of the side that dialled is the control lane. Raises Unavailable."""
        return self._lanes.open()

    async def accept_lane(self) -> QuicLane:
        """See `swarm.wire.lane.Link`."""
        return await self._lanes.accept()

    def trust(self) -> None:
        """See `swarm.wire.lane.Link`."""
        if self._failure is None and not self._quic.trusted:
            self._quic.trust(self._loop.time())
            self._patience.trusted()
            prober = Prober(self.binding, dialled=self.dialled)
            self.tag = prober.tag
            self.router.trusted(prober)
            self._owner.trusted(self)
            self._transmit_soon()

    def seek(self, places: Places) -> None:
        """See `swarm.wire.lane.Link`."""
        if self._failure is None:
            self.router.seek(places)
            self._look_soon()

    def round_trip(self) -> float | None:
        """See `swarm.wire.lane.Link`."""
        return self._quic.round_trip

    def close(self, reason: str = "") -> None:
        """Ends the link now; what lanes have queued is not sent. `reason` goes to the peer."""
        self._end(Unavailable("the link was closed" + (f": {reason}" if reason else "")), reason)

    async def wait_closed(self) -> None:
        """See `swarm.wire.lane.Link`."""
        await self._closed.wait()

    # What the endpoint uses.

    def begin(self, addressed_to: bytes, datagram: bytes) -> None:
        """The first datagram of somebody who dialled us. Nothing is kept of one that does not decrypt."""
        self._claim(addressed_to)  # the peer's choice, until it knows an id of ours
        self.receive(datagram, self.router.hop)
        if not self._quic.begun:
            self._end(Unavailable("not a handshake"), tell=False)

    async def establish(self) -> None:
        """Dials. Returns when the handshake is complete; raises Unavailable."""
        self._quic.connect(VIRTUAL_ADDRESS, self._loop.time())
        self.transmit()
        await self._established.wait()
        if self._failure is not None:
            raise Unavailable(self._failure.message)

    def receive(self, datagram: bytes, hop: Hop) -> None:
        """One datagram for this connection, by `hop`. `batch_received` must follow."""
        if self._failure is not None:
            if self._farewells:
                self._farewells -= 1
                self.router.send(self._farewell)
            return
        newest = self._quic.newest
        try:
            self._quic.receive_datagram(datagram, VIRTUAL_ADDRESS, self._loop.time())
            if self._quic.trusted and self._quic.newest > newest:
                self.router.follow(hop)
        except Exception as error:  # whatever a stranger's bytes can provoke in a library ends here
            self._end(BadPeer(f"the peer's packet could not be handled: {type(error).__name__}"), "bad packet")

    def probe(self, data: bytes, hop: Hop) -> None:
        """A datagram with our tag came by `hop`."""
        if self._failure is None:
            self.router.probe(data, hop)
            self._look_soon()

    def opened(self, channel: Channel) -> None:
        """There is a channel to the peer."""
        if self._failure is None:
            self.router.add(channel)
            self._look_soon()

    def lost(self, channel: Channel) -> None:
        """There is not any more."""
        if self._failure is None:
            self.router.drop(channel)
            self._look_soon()

    def _rerouted(self) -> None:
        """Another hop is in use."""
        self._transmit_soon()
        if self.on_route is not None:
            self.on_route()

    def _look_soon(self) -> None:
        """The router may want to be asked earlier than before."""
        if self._failure is None:
            self._arm(self._loop.time())

    def wake(self) -> None:
        """See `swarm.net.network.Network`."""
        now = self._loop.time()
        if self._failure is None and self._quic.trusted:
            self.router.wake()
            if self._patience.hasten(now, has_doors=self.router.has_doors):
                self._quic.send_ping(0)
            self._arm(now)
            self._transmit_soon()

    def batch_received(self) -> None:
        """All that the socket had for us went through `receive`."""
        if self._failure is None:
            self._settle()
            self.transmit()

    def transmit(self) -> None:
        """Sends what QUIC has to send now, and sets the timer for what comes later."""
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        if self._failure is not None:
            return
        if self.router.blocked:
            self._owner.stalled(self)
            return
        now = self._loop.time()
        try:
            datagrams = [data for data, _ in self._quic.datagrams_to_send(now)]
        except Exception as error:
            self._end(BadPeer(f"the peer's state could not be handled: {type(error).__name__}"), "bad state")
            return
        if datagrams:
            refusal = self.router.send(datagrams)
            if self._quic.awaits:
                self.router.sent(now)
            if refusal is not None and not self._established.is_set():
                self._end(Unavailable(f"the network refuses: {refusal.strerror or refusal}"), tell=False)
                return
            self._settle()  # new connection ids are claimed before the peer can use them
            self._lanes.sent()
        if self._failure is None:
            self._arm(now)
            if self._quic.turn_over:
                self._transmit_soon()

    # Events.

    def _settle(self) -> None:
        while self._failure is None and (event := self._quic.next_event()) is not None:
            self._handle(event)
        if self._failure is None and (reason := self._quic.excess()) is not None:
            self._end(BadPeer(f"the peer sent {reason}"), "limits exceeded")
        if self._failure is None and (ending := self._quic.ending) is not None:
            self._end(self._verdict(ending), tell=self._quic.at_fault)

    def _handle(self, event: QuicEvent) -> None:
        match event:
            case events.StreamDataReceived(data=data, end_stream=complete, stream_id=stream_id):
                try:
                    self._lanes.arrived(stream_id, data, complete)
                except BadPeer as error:
                    self._end(error, "limits exceeded")
            case events.StreamReset(stream_id=stream_id):
                self._lanes.reset(stream_id)
            case events.StopSendingReceived():
                self._lanes.sent()  # a writer of that lane waits for nothing now
            case events.ConnectionIdIssued(connection_id=connection_id):
                self._claim(connection_id)
            case events.ConnectionIdRetired(connection_id=connection_id):
                self._claimed.discard(connection_id)
                self._owner.release(connection_id)
            case events.HandshakeCompleted():
                self._complete_handshake()
            case _:
                pass  # ping answers, ALPN: nothing to do

    def _complete_handshake(self) -> None:
        assert self._secrets is not None
        self.binding = binding_of(self._secrets.getvalue())
        self._secrets = self._quic.configuration.secrets_log_file = None
        self._patience.established(self._loop.time())
        self._established.set()
        self._owner.established(self)

    # Time.

    def _arm(self, now: float) -> None:
        wanted = max(
            min(
                self._patience.look_at(self._quic.heard_at),
                self._quic.get_timer() or math.inf,
                self.router.look_at(),
            ),
            now + SHORTEST_SLEEP,
        )
        if self._timer is not None:
            if self._timer.when() <= wanted:
                return  # it comes early, looks, and is set again: cheaper than a new timer for every packet
            self._timer.cancel()
        self._timer = self._loop.call_at(wanted, self._tick)

    def _tick(self) -> None:
        self._timer = None
        now = self._loop.time()
        self._watch(now)
        if self._failure is not None:
            return
        try:
            timer = self._quic.get_timer()
            if timer is not None and now >= timer:
                self._quic.handle_timer(now)
            self.router.turn(now)
        except Exception as error:
            self._end(BadPeer(f"the peer's state could not be handled: {type(error).__name__}"), "bad state")
            return
        self._settle()
        self.transmit()
        if self._failure is None and self._timer is None:
            self._arm(now)  # `transmit` had no room

    def _watch(self, now: float) -> None:
        """Strangers that take too long, and peers that fell silent."""
        seconds = self._limits.stranger_seconds
        match self._patience.judge(self._quic.heard_at, now):
            case Judgement.PING:
                self._quic.send_ping(0)
            case Judgement.NO_HANDSHAKE:
                self._end(Unavailable(f"no answer within {seconds:g} seconds"), "too slow")
            case Judgement.NO_TRUST:
                self._end(Unavailable(f"no word of who it is within {seconds:g} seconds"), "too slow")
            case Judgement.SILENT:
                self._end(Unavailable("the peer does not answer any more"), "silence")
            case Judgement.WAIT:
                pass

    def _transmit_soon(self) -> None:
        if self._soon is None and self._failure is None:
            self._soon = self._loop.call_soon(self._transmit_now)

    def _transmit_now(self) -> None:
        self._soon = None
        self.transmit()

    # The end.

    def _verdict(self, ending: ConnectionTerminated) -> SwarmError:
        reason = "".join(c for c in ending.reason_phrase[:LONGEST_REASON] if c.isprintable())
        if self._quic.at_fault and self._established.is_set():
            return BadPeer(f"the peer broke QUIC's rules: {reason}")
        if self._quic.at_fault or ending.error_code:
            return Unavailable(f"the connection failed: {reason or f'error {ending.error_code}'}")
        return Unavailable("the peer closed the link" + (f": {reason}" if reason else ""))

    def _end(self, failure: SwarmError, reason: str = "", tell: bool = True) -> None:
        """Nothing comes or goes any more. `tell`: the peer gets a CONNECTION_CLOSE with `reason`."""
        if self._failure is not None:
            return
        self._failure = failure
        for handle in (self._soon, self._timer):
            if handle is not None:
                handle.cancel()
        self._soon = self._timer = None
        self._owner.ended(self)
        if tell and self._say_farewell(reason):
            self._loop.call_later(LINGER, self._release)
        else:
            self._release()
        self._lanes.fail(failure)
        self._established.set()
        self._closed.set()

    def _say_farewell(self, reason: str) -> bool:
        """Sends our close; True when there was one to send."""
        try:
            self._quic.close(reason_phrase=reason[:LONGEST_REASON])
            self._farewell = [data for data, _ in self._quic.datagrams_to_send(self._loop.time())]
        except Exception:
            return False  # its state is what we close it for
        if self._farewell:
            self._farewells = FAREWELLS
            self.router.send(self._farewell)
        return bool(self._farewell)

    def _claim(self, connection_id: bytes) -> None:
        self._claimed.add(connection_id)
        self._owner.claim(connection_id, self)

    def _release(self) -> None:
        for connection_id in self._claimed:
            self._owner.release(connection_id)
        self._claimed.clear()
        self._farewells = 0
