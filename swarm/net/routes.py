"""Which hop a link's datagrams take: what is known of each, which is best, and when the one in use is dead. Pure.

One QUIC connection lives above, and never knows. The rules:
- A hop is used when the peer has answered an authenticated ping by it (`swarm.net.probe`), and not before.
- The best is used: straight to where one end can be dialled, then through a hole that both punched, then a relay over
  UDP, then one over TLS. Among equals whoever dialled chooses, the quicker one when it is much quicker, and the other
  side follows.
- While a relay is in use, everywhere that the peer may be is pinged: often at first, so that two NATs open for each
  other, then now and then for as long as it lasts. What is pinged stays open in our NAT, so the ends need no clock.
- The hop in use is suspect when something was sent and nothing came back by it for a while, or when the peer has gone
  over to another that is no better. Then all are pinged, new channels are asked for, and the first one that answers is
  used. Silence alone proves nothing: what sends nothing gets nothing back.
- The peer has proved that it is a member, but may lie about addresses; so pings are small, few, and bounded.

Events in, effects out; time is an argument.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, TypeAlias

from swarm.net.probe import TRANSACTION_BYTES, Prober
from swarm.wire.hop import Channel, Hop, Places

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm.wire.hop import Address

HUNT_PAUSE = 0.05  # seconds between pings while a hunt is on
HUNT_SECONDS = 3.0
HUNT_AGAIN = 10.0  # seconds between the beginnings of two hunts: 16 addresses told over and over are 17 kB/s at most
SLOW_PAUSE = 1.0  # seconds between pings after that, doubling
SLOWEST_PAUSE = 15.0  # what a NAT keeps open without a word: 30 s and more (RFC 4787, REQ-5)
HEALING_PAUSE = 4.0  # the same, where a straight way has worked before
SUSPICION = 0.4  # seconds without a sign of life by the hop in use
SUSPICION_TRIPS = 3  # round trips of the same, where those take longer
DOUBT = 0.1  # seconds without one, when the peer sends by a hop that is no better
LULL = 1.0  # seconds without a packet on a relayed link that had some, until the relay is asked, once, for a reason
DOUBT_AGAIN = 1.0  # seconds until the next doubt for that reason
GRACE = 0.15  # seconds that the suspect has, once it is pinged, before another that answers is used
LEAD = 0.05  # seconds more, from the other's answer: a peer that was busy answers all of us at the same time
ALARM_PAUSE = 0.1  # seconds between pings by all hops while the one in use is suspect; later HUNT_SECONDS, then:
LATE_ALARM_PAUSE = 0.5
OPEN_PAUSE = 1.0  # seconds between two calls for new channels
BURNT = 1.0  # seconds in which a hop that failed is not gone back to
FRESH = 2.0  # seconds that an answer counts
MUCH_QUICKER = 0.7  # of the round trip of the hop in use, and
NOT_WORTH = 0.005  # seconds less
MAX_HOPS = 32  # known of one peer: 8 + 8 + 4 told (swarm.session.messages), and some that it was heard from
MAX_PINGS = 512  # under way: a second of hunting
NEVER = -math.inf


class Rank(IntEnum):
    """How good a hop is; less is better."""

    DIRECT = 0
    PUNCHED = 1
    RELAYED = 2
    RELAYED_TCP = 3


@dataclass(frozen=True, slots=True)
class Send:
    """Send this probe by that hop."""

    hop: Hop
    data: bytes


@dataclass(frozen=True, slots=True)
class Use:
    """The link's datagrams go by that hop from now on. `failed`: those under way by the last one are lost."""

    hop: Hop
    failed: bool


@dataclass(frozen=True, slots=True)
class Open:
    """Channels to the peer are wanted, at all relays where it can be had."""


Effect: TypeAlias = Send | Use | Open


@dataclass(slots=True)
class Standing:
    """What is known of one hop."""

    rank: Rank
    answered_at: float = NEVER
    round_trip: float | None = None
    shunned_until: float = NEVER  # it has failed
    worked: bool = False  # it has answered, ever
    told: bool = False  # the peer says that it may be there; else it was there


class Routes:
    """The hops to one peer."""

    def __init__(
        self, prober: Prober, hop: Hop, *, random: Callable[[int], bytes], own: Callable[[], tuple[Address, ...]]
    ) -> None:
        """`hop`: in use. `own`: the addresses at which this machine is reached without a NAT's help."""
        self._leads = prober.dialled
        self.active = hop
        self.known: dict[Hop, Standing] = {hop: Standing(rank_of(hop) if isinstance(hop, Channel) else Rank.DIRECT)}
        self._prober = prober
        self._random = random
        self._own = own
        self._places = Places()
        self._pings: dict[bytes, tuple[Hop, float]] = {}
        self._hunted_at = NEVER
        self._hunt_until = NEVER
        self._hunt_due = math.inf
        self._hunt_pause = SLOW_PAUSE
        self._alive_at = NEVER  # the last sign of life by the hop in use
        self._doubted_at = NEVER  # when the peer's choice last made us doubt it
        self._carried_at = NEVER  # the last packet by it, and
        self._asked_at = NEVER  # when we asked, after that, whether there is none for a reason
        self._unanswered_since: float | None = None
        self._suspect_since: float | None = None
        self._alarm_due = math.inf
        self._open_due = NEVER

    @property
    def rank(self) -> Rank:
        """Of the hop in use."""
        return self.known[self.active].rank

    @property
    def failing(self) -> bool:
        """Is the hop in use suspect?"""
        return self._suspect_since is not None

    def has_answered(self, hop: Hop) -> bool:
        """Has the peer ever answered a ping by it?"""
        standing = self.known.get(hop)
        return standing is not None and standing.answered_at != NEVER

    # -- what happens

    def seek(self, places: Places, now: float) -> list[Effect]:
        """The peer says where it may be."""
        self._places = places
        told = dict.fromkeys((*places.own, *places.seen))
        for hop in [hop for hop, standing in self.known.items() if standing.told and hop not in told]:
            if hop != self.active and self.known[hop].answered_at == NEVER:
                del self.known[hop]
        for hop in told:
            if hop not in self.known and self._has_room():
                self.known[hop] = Standing(Rank.DIRECT if hop in places.own else Rank.PUNCHED, told=True)
        return self.hunt(now)

    def hunt(self, now: float) -> list[Effect]:
        """Looks for something better with might, if what is used is not the best there can be."""
        if self._content() or not self._straight():
            return []
        self._hunt_pause = SLOW_PAUSE
        self._hunt_due = now
        if now >= self._hunted_at + HUNT_AGAIN:
            self._hunted_at, self._hunt_until = now, now + HUNT_SECONDS
        return self.turn(now)

    def add(self, channel: Channel, now: float) -> list[Effect]:
        """There is a channel to the peer."""
        if channel not in self.known:
            if not self._has_room():
                return []
            self.known[channel] = Standing(rank_of(channel))
        return [self._ping(channel, now)]

    def drop(self, hop: Hop, now: float) -> list[Effect]:
        """A channel is no more. The one in use is suspect at once."""
        if hop != self.active:
            self.known.pop(hop, None)
            return []
        self.known[hop].shunned_until = math.inf
        return self.doubt(now)

    def moved(self, hop: Hop, now: float) -> None:
        """The peer was followed to another address, as it has proved above (`swarm.net.rebinding`)."""
        rank = self.rank if rank_of(hop) < Rank.RELAYED else rank_of(hop)
        if hop not in self.known:
            self._make_room()
            self.known[hop] = Standing(rank)
        self._take(hop, now)

    def heard(self, hop: Hop, now: float) -> list[Effect]:
        """An authentic packet of the peer came by it, newer than those before."""
        if hop == self.active:
            self.carried(now)
            return []
        standing = self.known.get(hop)
        if standing is None:
            if not self._has_room():
                return []
            self.known[hop] = Standing(rank_of(hop))
            return [self._ping(hop, now)]
        if standing.rank < self.rank or self._suspect_since is not None:
            return []
        current = self.known[self.active]
        if standing.rank == current.rank and not self._leads:
            if now >= standing.answered_at + FRESH:
                return [] if self._is_asked(hop, now) else [self._ping(hop, now)]
            self._take(hop, now)
            return [Use(hop, failed=False)]
        if now < max(self._alive_at + DOUBT, self._doubted_at + DOUBT_AGAIN):
            return []
        self._doubted_at = now
        return self.doubt(now)  # the peer thinks so; what we only acknowledge would never make us ask

    def doubt(self, now: float) -> list[Effect]:
        """Something happened that may have ended every hop: it is seen to now."""
        if self._suspect_since is None:
            self._suspect_since = self._alarm_due = now
        return self.turn(now)

    def sent(self, now: float) -> None:
        """Something that asks for an answer went out by the hop in use."""
        if self._unanswered_since is None:
            self._unanswered_since = now

    def probe(self, data: bytes, hop: Hop, now: float) -> list[Effect]:
        """A datagram that may be a probe of the peer came by `hop`."""
        probe = self._prober.read(data)
        if probe is None:
            return []
        if probe.is_pong:
            return self._answered(probe.transaction, hop, probe.seen, now)
        effects: list[Effect] = [Send(hop, self._prober.pong(probe.transaction, _address(hop)))]
        standing = self.known.get(hop)
        if standing is None:
            if not self._has_room():
                return effects
            standing = self.known[hop] = Standing(rank_of(hop))
        if hop != self.active and now >= standing.answered_at + FRESH and not self._is_asked(hop, now):
            effects.append(self._ping(hop, now))  # it is through to us: perhaps we are to it
        return effects

    def turn(self, now: float) -> list[Effect]:
        """To be called at `look_at`, or earlier."""
        effects: list[Effect] = []
        self._forget_pings(now)
        if self._suspect_since is None and now >= self._suspect_at():
            self._suspect_since = self._alarm_due = now
        elif self._suspect_since is not None:
            effects += self._fail_over(now)
        if self._suspect_since is not None and now >= self._alarm_due:
            late = now >= self._suspect_since + HUNT_SECONDS
            self._alarm_due = now + (LATE_ALARM_PAUSE if late else ALARM_PAUSE)
            effects += [self._ping(hop, now) for hop in self.known]
            if now >= self._open_due:
                self._open_due = now + OPEN_PAUSE
                effects.append(Open())
        if now >= self._hunt_due:
            effects += self._hunt_on(now)
        if now >= self._ask_at():
            self._asked_at = now
            self.sent(now)
            effects.append(self._ping(self.active, now))
        return effects

    def look_at(self) -> float:
        """When `turn` has something to say; math.inf for not before something happens."""
        if self._suspect_since is None:
            return min(self._suspect_at(), self._hunt_due, self._ask_at())
        return min(self._alarm_due, self._hunt_due, self._verdict_at())

    # -- pings

    def _ping(self, hop: Hop, now: float) -> Send:
        transaction = self._random(TRANSACTION_BYTES)
        self._pings[transaction] = hop, now
        while len(self._pings) > MAX_PINGS:
            del self._pings[next(iter(self._pings))]
        return Send(hop, self._prober.ping(transaction))

    def _forget_pings(self, now: float) -> None:
        for transaction, (_, sent_at) in list(self._pings.items()):
            if now < sent_at + HUNT_AGAIN:
                return
            del self._pings[transaction]

    def _is_asked(self, hop: Hop, now: float) -> bool:
        return any(asked == hop and now < sent_at + HUNT_PAUSE for asked, sent_at in self._pings.values())

    def _answered(self, transaction: bytes, hop: Hop, seen: Address | None, now: float) -> list[Effect]:
        asked, sent_at = self._pings.pop(transaction, (None, now))
        standing = self.known.get(hop)
        if asked != hop or standing is None:
            return []  # late; or it answers from where it was not asked, as behind a NAT with a port for each peer
        standing.answered_at = now
        standing.worked = True
        sample = now - sent_at
        standing.round_trip = min(sample, standing.round_trip or sample)
        if rank_of(hop) is Rank.PUNCHED and hop != self.active:
            dialled = hop in self._places.own or seen in self._own()
            standing.rank = Rank.DIRECT if dialled else Rank.PUNCHED
        if hop == self.active:
            self._alive(now)
            return []
        if self._suspect_since is not None:
            return self._fail_over(now)
        return self._improve(hop, standing, now)

    def _improve(self, hop: Hop, standing: Standing, now: float) -> list[Effect]:
        current = self.known[self.active]
        if now < standing.shunned_until or standing.rank > current.rank:
            return []
        if standing.rank == current.rank:
            if not self._leads:
                return []
            ours, theirs = current.round_trip, standing.round_trip
            if ours is None or theirs is None or theirs > MUCH_QUICKER * ours - NOT_WORTH:
                return []
        self._take(hop, now)
        return [Use(hop, failed=False)]

    # -- hunting

    def _straight(self) -> list[Hop]:
        return [hop for hop in self.known if not isinstance(hop, Channel)]

    def _content(self) -> bool:
        return self.rank <= Rank.PUNCHED

    def _hunt_on(self, now: float) -> list[Effect]:
        if self._content():
            self._hunt_due = math.inf
            return []
        if now < self._hunt_until:
            self._hunt_due = now + HUNT_PAUSE
        else:
            self._hunt_due = now + self._hunt_pause
            worked = any(self.known[hop].worked for hop in self._straight())
            self._hunt_pause = min(2 * self._hunt_pause, HEALING_PAUSE if worked else SLOWEST_PAUSE)
        return [self._ping(hop, now) for hop in self._straight()]

    # -- death

    def _ask_at(self) -> float:
        """Who only receives sends nothing, and would not notice that a relay has forgotten it."""
        if self._suspect_since is not None or self._asked_at >= self._carried_at or self.rank < Rank.RELAYED:
            return math.inf
        return self._carried_at + LULL

    def _suspect_at(self) -> float:
        if self._unanswered_since is None:
            return math.inf
        return self._unanswered_since + max(SUSPICION, SUSPICION_TRIPS * (self.known[self.active].round_trip or 0.0))

    def carried(self, now: float) -> None:
        """An authentic packet came by the hop in use."""
        self._carried_at = now
        self._alive(now)

    def _alive(self, now: float) -> None:
        self._alive_at = now
        self._unanswered_since = self._suspect_since = None
        self._alarm_due = math.inf
        self._open_due = NEVER

    def _fail_over(self, now: float) -> list[Effect]:
        if now < self._verdict_at():
            return []
        answered = self._alternatives()
        failed = self.known[self.active]
        if failed.shunned_until == math.inf:
            del self.known[self.active]
        failed.shunned_until, failed.answered_at = now + BURNT, NEVER
        best = min(answered, key=lambda hop: (self.known[hop].rank, self.known[hop].round_trip or 0.0))
        self._take(best, now)
        return [Use(best, failed=True)]

    def _alternatives(self) -> list[Hop]:
        """What has answered since the hop in use is suspect."""
        since = math.inf if self._suspect_since is None else self._suspect_since
        return [hop for hop, s in self.known.items() if s.answered_at >= since and hop != self.active]

    def _verdict_at(self) -> float:
        """When the suspect has had its time; math.inf without an alternative."""
        answers = [self.known[hop].answered_at for hop in self._alternatives()]
        if self._suspect_since is None or not answers:
            return math.inf
        return max(self._suspect_since + GRACE, min(answers) + LEAD)

    def _take(self, hop: Hop, now: float) -> None:
        self.active = hop
        self._alive(now)
        if self._content():
            self._hunt_due = math.inf
        elif self._hunt_due == math.inf and self._straight():
            self._hunted_at, self._hunt_until = now, now + HUNT_SECONDS
            self._hunt_due, self._hunt_pause = now, SLOW_PAUSE

    # -- room

    def _has_room(self) -> bool:
        return len(self.known) < MAX_HOPS

    def _make_room(self) -> None:
        """For a hop that must be known. What never answered goes first."""
        if not self._has_room():
            resting = [hop for hop in self.known if hop != self.active]
            del self.known[min(resting, key=lambda hop: self.known[hop].answered_at)]


def rank_of(hop: Hop) -> Rank:
    """At first sight. An address counts as punched until it is known better."""
    if isinstance(hop, Channel):
        return Rank.RELAYED if hop.via == "udp" else Rank.RELAYED_TCP
    return Rank.PUNCHED


def _address(hop: Hop) -> Address | None:
    return None if isinstance(hop, Channel) else hop
