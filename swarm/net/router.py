"""What carries one connection's datagrams: the layer below QUIC, where routes change and QUIC never knows.

aioquic takes addresses for opaque and compares them only; every connection is given the same one for life, and its
router decides where a datagram really goes. Until the peer is trusted, that is where it was dialled or first heard
from. From then on `swarm.net.routes` looks for the best hop, and `swarm.net.rebinding` follows a peer whose address
changes below us; here is the shell of both.
"""

from __future__ import annotations

import asyncio
import math
import os
from typing import TYPE_CHECKING, Protocol

from swarm.net.rebinding import Rebinding
from swarm.net.routes import Effect, Open, Rank, Routes, Send, Use
from swarm.wire.hop import Channel, Places

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from swarm.net.capped import CappedConnection
    from swarm.net.hops import Hops
    from swarm.net.probe import Prober
    from swarm.wire.hop import Address, Door, Hop
    from swarm.wire.lane import Route, Via

VIRTUAL_ADDRESS = ("peer", 0)  # what aioquic sees; not an IP address, so that no preferred address is ever followed
CHALLENGE_BYTES = 8  # RFC 9000, section 19.17
NAMES: dict[Rank, Route] = {Rank.DIRECT: "direct", Rank.PUNCHED: "punched"}


class Doorkeeper(Protocol):
    """The endpoint, as a router sees it."""

    def own_addresses(self) -> tuple[Address, ...]:
        """At which this machine is reached without a NAT's help."""
        ...

    def knock(self, router: Router, doors: Sequence[Door]) -> None:
        """A channel to each of these is wanted. What can be had is given to `Router.add`."""


class Router:
    """Of one connection."""

    def __init__(self, quic: CappedConnection, hops: Hops, hop: Hop, keeper: Doorkeeper) -> None:
        self._quic = quic
        self._hops = hops
        self._keeper = keeper
        self._loop = asyncio.get_running_loop()
        self._rebinding = Rebinding(hops.address(hop))
        self._routes: Routes | None = None
        self._doors: tuple[Door, ...] = ()
        self.hop = hop
        self.on_change: Callable[[], None] = lambda: None  # another hop is in use

    # -- what is carried

    @property
    def blocked(self) -> bool:
        """Is there no room now?"""
        return self._hops.blocked(self.hop)

    def send(self, datagrams: Sequence[bytes]) -> OSError | None:
        """Sends or drops each; returns why, when the system refused some."""
        return self._hops.send(datagrams, self.hop)

    # -- what is said of it

    @property
    def route(self) -> Route:
        if isinstance(self.hop, Channel):
            return "relayed"
        return NAMES.get(self._routes.rank, "direct") if self._routes is not None else "direct"

    @property
    def address(self) -> Address:
        """Where the peer is, or the relay that leads to it."""
        return self._hops.address(self.hop)

    @property
    def relay(self) -> str | None:
        """The relay in use."""
        return self._hops.relay(self.hop)

    @property
    def via(self) -> Via | None:
        """How that is reached."""
        return self.hop.via if isinstance(self.hop, Channel) else None

    @property
    def channels(self) -> tuple[Channel, ...]:
        """All those to this peer."""
        known = self._routes.known if self._routes is not None else (self.hop,)
        return tuple(hop for hop in known if isinstance(hop, Channel))

    @property
    def has_doors(self) -> bool:
        """Is there another way to try when the one in use fails?"""
        return bool(self._doors)

    # -- what the connection tells

    def trusted(self, prober: Prober) -> None:
        """The peer is who it should be: from here on the best hop is looked for."""
        self._routes = Routes(prober, self.hop, random=os.urandom, own=self._keeper.own_addresses)

    def follow(self, hop: Hop) -> None:
        """An authentic packet, newer than all before, came from there. Only after `trusted`."""
        routes = self._routes
        assert routes is not None
        if hop == self.hop and not self._rebinding.in_question:  # nearly every packet
            routes.carried(self._loop.time())
            return
        now = self._loop.time()
        if not isinstance(self.hop, Channel) and not isinstance(hop, Channel):
            if self._quic.challenge_met() and (proved := self._rebinding.proved()) is not None:
                routes.moved(proved, now)
                self._take(proved)
                self._quic.send_ping(0)  # what was lost on the old way is noticed at once
                return
            if not routes.has_answered(hop):
                if self._rebinding.heard(hop, now):
                    self._hops.send(self._quic.challenge(os.urandom(CHALLENGE_BYTES), now), hop)
                if hop != self.hop:
                    return
        self._do(routes.heard(hop, now))

    def sent(self, now: float) -> None:
        """Something that asks for an answer was sent."""
        if self._routes is not None:
            self._routes.sent(now)

    def probe(self, data: bytes, hop: Hop) -> None:
        """It may be the peer's."""
        if self._routes is not None:
            self._do(self._routes.probe(data, hop, self._loop.time()))

    def seek(self, places: Places) -> None:
        """The peer says where it may be reached."""
        if self._routes is not None:
            self._doors = places.doors
            self._do(self._routes.seek(places, self._loop.time()))

    def add(self, channel: Channel) -> None:
        """There is a channel to the peer."""
        if self._routes is not None:
            self._do(self._routes.add(channel, self._loop.time()))

    def drop(self, channel: Channel) -> None:
        """There is not any more."""
        if self._routes is not None and channel in self._routes.known:
            self._do(self._routes.drop(channel, self._loop.time()))

    def relay_there(self, relay: bytes) -> None:
        """The relay of that key is there, perhaps again: a link that looks for a way asks it at once."""
        doors = [door for door in self._doors if door.relay == relay]
        if doors and self._routes is not None and self._routes.failing:
            self._keeper.knock(self, doors)

    def wake(self) -> None:
        """This machine slept, or its addresses changed: every hop is in doubt."""
        if self._routes is not None:
            self._do(self._routes.doubt(self._loop.time()))

    def look_at(self) -> float:
        """When `turn` has something to do; math.inf for not before something happens."""
        return self._routes.look_at() if self._routes is not None else math.inf

    def turn(self, now: float) -> None:
        """To be called then, or earlier."""
        if self._routes is not None and now >= self._routes.look_at():
            self._do(self._routes.turn(now))

    def _do(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(hop, data):
                    self._hops.send([data], hop)
                case Use(hop, failed):
                    self._take(hop)
                    self._quic.rerouted(self._loop.time(), failed=failed)
                case Open():
                    if self._doors:
                        self._keeper.knock(self, self._doors)

    def _take(self, hop: Hop) -> None:
        self.hop = hop
        self._rebinding = Rebinding(self._hops.address(hop))
        self.on_change()
