"""Bulk lanes over TCP with one peer: arranged over the control lane, tried by `LaneChoice`, given to the peer's lanes.

The side that wants content asks for tokens and dials; where that fails it invites, and the other side dials. Either
way it is the same lane. The address is always that of the link: where a peer says that others should go, we do not go.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swarm.errors import Unavailable
from swarm.ids import HASH_BYTES
from swarm.net import tcp_lane
from swarm.node.lane_choice import LaneChoice, Way
from swarm.session.messages import AskTcp, OfferTcp

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm.net.tcp_lane import TcpLane
    from swarm.net.tcp_listener import TcpListener
    from swarm.session.events import TcpOffered
    from swarm.wire.lane import Link

log = logging.getLogger("swarm.peer")

LANES = 2  # that we fetch over, so that small files need not queue behind a large one
MAX_GUESTS = 4  # lanes that the peer fetches over; each may hold a piece of ours in memory


@dataclass(frozen=True, slots=True, eq=False)
class _Door:
    """What becomes of those who come with a token."""

    welcome: Callable[[TcpLane], None]


class TcpLanes:
    """With one peer, as long as its link lasts."""

    def __init__(
        self,
        link: Link,
        listener: TcpListener | None,
        *,
        say: Callable[[AskTcp | OfferTcp], None],
        fetch: Callable[[TcpLane], None],
        answer: Callable[[TcpLane], None],
    ) -> None:
        """`listener`: None where none could be had. `fetch`, `answer`: take a lane for what it is good for; they call
        `gone` when it has ended."""
        self._link = link
        self._listener = listener
        self._say = say
        self._fetch = fetch
        self._answer = answer
        self._loop = asyncio.get_running_loop()
        self._choice = LaneChoice(self._loop.time())
        self._changed = asyncio.Event()
        self._asked = False  # an AskTcp of ours waits for its answer
        self._lanes: set[TcpLane] = set()  # all that are up
        self._guests = 0  # those over which the peer fetches, dials under way included
        self._dials: set[asyncio.Task[None]] = set()
        self._closed = False
        self._fetching = _Door(self._opened)
        self._serving = _Door(self._serve)

    @property
    def carrier(self) -> str:
        """What carries bulk, in either direction: "tcp" or "quic"."""
        return "tcp" if self._lanes else "quic"

    async def run(self) -> None:
        """Tries, now and whenever it is time again, until it is cancelled."""
        while True:
            self._changed.clear()
            match self._choice.turn(self._loop.time()):
                case Way.DIAL:
                    self._ask()
                case Way.INVITE:
                    self._invite()
            pause = self._choice.look_at() - self._loop.time()
            try:
                async with asyncio.timeout(None if pause == float("inf") else max(0.0, pause)):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def rerouted(self) -> None:
        """The link takes another route. TCP that went where it cannot go any more is not waited for."""
        if self._reachable():
            self._choice.begin_anew(self._loop.time())
            self._changed.set()
        else:
            for lane in list(self._lanes):
                lane.abort()

    def close(self) -> None:
        """The link is no more, and with it all that it has arranged."""
        self._closed = True
        for dial in self._dials:
            dial.cancel()
        if self._listener is not None:
            self._listener.withdraw(self._fetching)
            self._listener.withdraw(self._serving)
        for lane in list(self._lanes):
            lane.abort()

    def gone(self, lane: TcpLane, *, fetching: bool) -> None:
        """A lane has ended."""
        lane.abort()
        self._lanes.discard(lane)
        if fetching:
            self._choice.lost(lane, self._loop.time())
            self._changed.set()
        else:
            self._guests -= 1

    def asked(self, lanes: int) -> None:
        """The peer wants to fetch over TCP."""
        room = min(lanes, MAX_GUESTS - self._guests)
        self._say(self._offer(self._serving, room if self._reachable() else 0))

    def offered(self, offer: TcpOffered) -> None:
        """The peer answers, or invites us so that it may fetch."""
        if offer.fetches:
            room = MAX_GUESTS - self._guests
            tokens = offer.tokens[: room if self._reachable() else 0]
            self._guests += len(tokens)
            if tokens:
                self._dial_soon(offer, tokens)
        elif self._asked:
            self._asked = False
            if offer.tokens:
                self._dial_soon(offer, offer.tokens[:LANES])
            else:
                self._failed()

    # -- ways to a lane

    def _ask(self) -> None:
        if not self._reachable():
            self._failed()
            return
        self._asked = True
        self._say(AskTcp(LANES))

    def _invite(self) -> None:
        offer = self._offer(self._fetching, LANES if self._reachable() else 0)
        if offer.tokens:
            self._say(OfferTcp(offer.port, offer.fingerprint, offer.tokens, True))
        else:
            self._failed()

    def _offer(self, door: _Door, lanes: int) -> OfferTcp:
        if self._listener is None or lanes < 1:
            return OfferTcp(0, bytes(HASH_BYTES), (), False)
        return OfferTcp(self._listener.port, self._listener.fingerprint, self._listener.invite(door, lanes), False)

    def _dial_soon(self, offer: TcpOffered, tokens: tuple[bytes, ...]) -> None:
        dial = self._loop.create_task(self._dial(offer, tokens))
        self._dials.add(dial)
        dial.add_done_callback(self._dials.discard)

    async def _dial(self, offer: TcpOffered, tokens: tuple[bytes, ...]) -> None:
        """One after the other: where the first one fails, the others would."""
        unused = len(tokens)
        try:
            for token in tokens:
                lane = await tcp_lane.dial(self._link.address[0], offer.port, offer.fingerprint, token)
                unused -= 1
                if offer.fetches:
                    self._lanes.add(lane)
                    self._answer(lane)
                else:
                    self._opened(lane)
        except Unavailable as error:
            log.debug("%s", error.message)
            if not offer.fetches:
                self._failed()
        finally:
            if offer.fetches:
                self._guests -= unused

    def _reachable(self) -> bool:
        """Whether TCP leads where the link does: not to a relay's address, nor through a hole that UDP has punched."""
        return self._link.route == "direct"

    def _opened(self, lane: TcpLane) -> None:
        """A lane that we fetch over is up."""
        if self._closed or not self._admit(lane, LANES):
            lane.abort()
            return
        self._choice.opened(lane, self._loop.time())
        self._changed.set()
        self._fetch(lane)

    def _serve(self, lane: TcpLane) -> None:
        """A guest who fetches."""
        if self._closed or self._guests >= MAX_GUESTS:
            lane.abort()
            return
        self._guests += 1
        self._lanes.add(lane)
        self._answer(lane)

    def _admit(self, lane: TcpLane, most: int) -> bool:
        if len(self._lanes) - self._guests >= most:
            return False  # those of a try that was given up come late
        self._lanes.add(lane)
        return True

    def _failed(self) -> None:
        self._choice.failed(self._loop.time())
        self._changed.set()
