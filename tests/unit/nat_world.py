"""Two route machines and the NATs between them, in virtual time."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from swarm.net.probe import Prober
from swarm.net.routes import Effect, Open, Routes, Send, Use
from swarm.wire.hop import Channel, Places

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm.wire.hop import Address, Hop

BINDING = bytes(range(32))
STEP = 0.01  # seconds one way
RELAY_STEP = 0.03


@dataclass(slots=True)
class Nat:
    """A machine's way to the world. kind: none, cone (anybody may answer), restricted (who was sent to), symmetric
    (another port for each destination), blocked (no UDP at all)."""

    kind: str
    inner: Address
    public: str
    ports: dict[Address, int] = field(default_factory=dict)
    opened: set[tuple[int, Address]] = field(default_factory=set)
    next_port: int = 20_000

    def out(self, destination: Address) -> Address | None:
        if self.kind == "none":
            return self.inner
        if self.kind == "blocked":
            return None
        key = destination if self.kind == "symmetric" else ("", 0)
        if key not in self.ports:
            self.ports[key] = self.next_port
            self.next_port += 1
        self.opened.add((self.ports[key], destination))
        return self.public, self.ports[key]

    def lets_in(self, destination: Address, source: Address) -> bool:
        if self.kind == "none":
            return destination == self.inner
        if destination[0] != self.public or self.kind == "blocked":
            return False
        return (self.kind == "cone" and destination[1] in self.ports.values()) or (
            destination[1],
            source,
        ) in self.opened

    def forget(self) -> None:
        """The router restarts: every mapping is another."""
        self.ports.clear()
        self.opened.clear()


class Side:
    """One end of the link."""

    def __init__(self, world: World, name: str, nat: Nat, *, dialled: bool, hop: Hop) -> None:
        self.world, self.name, self.nat = world, name, nat
        source = random.Random(name)
        self.routes = Routes(
            Prober(BINDING, dialled=dialled), hop, random=source.randbytes, own=lambda: (self.nat.inner,)
        )
        self.sent: list[Send] = []
        self.used: list[tuple[float, Use]] = []
        self.opens = 0
        self.data: list[tuple[float, str, Hop]] = []  # payloads that arrived

    def places(self) -> Places:
        seen = self.nat.out(("203.0.113.1", 47470))
        return Places((self.nat.inner,), () if seen is None or seen == self.nat.inner else (seen,))

    def act(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(hop, data):
                    self.sent.append(effect)
                    self.world.carry(self, hop, partial(_probe, data))
                case Use():
                    self.used.append((self.world.now, effect))
                case Open():
                    self.opens += 1
                    self.world.open(self)

    def say(self, text: str) -> None:
        """A packet of the connection above, which the other side acknowledges."""
        self.routes.sent(self.world.now)
        self.world.carry(self, self.routes.active, lambda side, by: side.hear(text, by))

    def hear(self, text: str, by: Hop) -> None:
        self.data.append((self.world.now, text, by))
        self.act(self.routes.heard(by, self.world.now))
        if not text.startswith("ack"):
            self.world.carry(self, self.routes.active, lambda side, by: side.hear("ack " + text, by))


def _probe(data: bytes, side: Side, by: Hop) -> None:
    side.act(side.routes.probe(data, by, side.world.now))


class World:
    """Both ends, one relay, and the time."""

    def __init__(self, one: str, other: str, *, relayed: bool = True) -> None:
        self.now = 0.0
        self.cut: set[str] = set()  # "straight", "relay"
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = count()
        self.channel = Channel(b"r" * 32, 7, "udp")
        self.channels = {self.channel}
        nat_a = Nat(one, ("198.51.100.1", 1) if one == "none" else ("10.0.1.2", 1), "198.51.100.1")
        nat_b = Nat(other, ("198.51.100.2", 2) if other == "none" else ("10.0.2.2", 2), "198.51.100.2")
        self.a = Side(self, "a", nat_a, dialled=True, hop=self.channel if relayed else nat_b.inner)
        self.b = Side(self, "b", nat_b, dialled=False, hop=self.channel if relayed else nat_a.inner)

    def other(self, side: Side) -> Side:
        return self.b if side is self.a else self.a

    def meet(self) -> None:
        """Each learns where the other says it is."""
        self.a.act(self.a.routes.seek(self.b.places(), self.now))
        self.b.act(self.b.routes.seek(self.a.places(), self.now))

    def open(self, side: Side) -> None:
        """The relay makes a channel, where it lives."""
        if "relay" not in self.cut:
            fresh = Channel(self.channel.relay, self.channel.number + 1, "udp")
            self.channel = fresh
            self.channels.add(fresh)
            self.at(self.now + 2 * RELAY_STEP, lambda: side.act(side.routes.add(fresh, self.now)))

    def carry(self, side: Side, hop: Hop, arrive: Callable[[Side, Hop], None]) -> None:
        to = self.other(side)
        if isinstance(hop, Channel):
            if "relay" not in self.cut and (hop in self.channels or hop.via == "tcp"):
                self.at(self.now + RELAY_STEP, lambda: arrive(to, hop))
            return
        source = side.nat.out(hop)
        if source is None or "straight" in self.cut:
            return

        def land() -> None:
            if to.nat.lets_in(hop, source):
                arrive(to, source)

        self.at(self.now + STEP, land)

    def at(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (when, next(self._serial), what))

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while True:
            looks = [(side.routes.look_at(), side) for side in (self.a, self.b)]
            when, side = min(looks, key=lambda look: look[0])
            if self._queue and self._queue[0][0] <= when:
                when = self._queue[0][0]
                if when > end:
                    break
                self.now, _, what = heapq.heappop(self._queue)
                what()
                continue
            if when > end:
                break
            self.now = max(self.now, when)
            side.act(side.routes.turn(self.now))
        self.now = end
