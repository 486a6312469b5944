"""A relay's hub and devices' clients, joined in virtual time by a network that loses, doubles and overtakes."""

from __future__ import annotations

import dataclasses
import heapq
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

from relay.effect import Send as RelaySends
from relay.gate import Gate
from relay.hub import Hub
from relay.limits import Limits
from relay.switch import Drop
from swarm.keys.device import DeviceKey
from swarm.keys.relay import handle_of
from swarm.keys.signature import key_pair
from swarm.net import relay_effect as effect
from swarm.net.relay_client import RelayClient
from swarm.wire.relay_frame import DATA, DATA_HEADER
from swarm.wire.relay_message import Mode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from relay.path import Path, Stream

Told = TypeVar("Told")

SEED = bytes(range(32))
TOPIC = b"T" * 16
OPEN_GATE = Gate()


class Node:
    """A device with one client of the relay."""

    def __init__(self, world: World, name: str, path: Path, client: RelayClient) -> None:
        self.world = world
        self.name = name
        self.path = path
        self.client = client
        self.told: list[Any] = []  # effects that are for whoever uses the client
        self.wake_at: float | None = None
        self.handle = handle_of(world.hub.key, DeviceKey.create(name.encode().ljust(32, b".")).id)

    def do(self, effects: Iterable[effect.Effect]) -> None:
        for one in effects:
            match one:
                case effect.Send(frames):
                    for frame in frames:
                        self.world.to_relay(self, frame)
                case effect.WakeAt(when):
                    self.wake_at = when
                case _:
                    self.told.append(one)

    def all(self, kind: type[Told]) -> list[Told]:
        return [one for one in self.told if isinstance(one, kind)]

    def last(self, kind: type[Told]) -> Told:
        return self.all(kind)[-1]

    def has(self, kind: type) -> bool:
        return bool(self.all(kind))


class World:
    """One relay, some devices."""

    def __init__(
        self,
        *,
        seed: int = 1,
        gate: Gate = OPEN_GATE,
        loss: float = 0.0,
        doubles: float = 0.0,
        slowest: float = 0.01,
        **limits: Any,
    ) -> None:
        self.rng = Random(seed)
        self.now = 1000.0
        self.loss, self.doubles, self.slowest = loss, doubles, slowest
        self.limits = dataclasses.replace(Limits(), **limits)
        self.gate = gate
        self.hub = self.new_hub()
        self.up = True
        self.nodes: dict[str, Node] = {}
        self.sent_by_relay: list[tuple[Path, bytes]] = []
        self.closed: list[Stream] = []
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0
        self._tick_at = self.now

    def new_hub(self) -> Hub:
        return Hub(SEED, self.gate, self.limits, self.rng.randbytes, self.now)

    def restart_relay(self) -> None:
        self.hub = self.new_hub()

    def node(
        self,
        name: str,
        *,
        mode: Mode = Mode.RESERVE,
        token: str = "",
        topics: tuple[bytes, ...] = (),
        path: Path | None = None,
        start: bool = True,
        key: bytes | None = None,
    ) -> Node:
        device = DeviceKey.create(name.encode().ljust(32, b"."))
        relay_key = key or key_pair(SEED)[0]
        client = RelayClient(relay_key, device, self.rng.randbytes, mode=mode, token=token, topics=topics)
        where = path or (f"192.0.2.{len(self.nodes) + 1}", 40_000)
        node = Node(self, name, where, client)
        self.nodes[f"{name}{len(self.nodes)}"] = node
        if start:
            node.do(client.start(self.now))
        return node

    def registered(self, *names: str, **options: Any) -> list[Node]:
        nodes = [self.node(name, **options) for name in names]
        self.reach(lambda: all(node.has(effect.Registered) for node in nodes))
        return nodes

    def joined(self, one: str = "anna", other: str = "bob") -> tuple[Node, Node, int]:
        """Two devices and a channel between them."""
        anna, bob = self.registered(one, other)
        anna.do(anna.client.open(bob.handle, self.now))
        self.reach(lambda: anna.has(effect.ChannelOpened))
        return anna, bob, anna.last(effect.ChannelOpened).channel

    # The network.

    def to_relay(self, node: Node, frame: bytes) -> None:
        path = node.path
        self._carry(lambda: self.arrive(frame, path))

    def arrive(self, frame: bytes, path: Path) -> None:
        """A frame reaches the relay."""
        if not self.up:
            return
        if frame[0] == DATA and len(frame) > DATA_HEADER:
            way = self.hub.switch.forward(int.from_bytes(frame[1:DATA_HEADER], "big"), path, len(frame), 1, self.now)
            if not isinstance(way, Drop):
                self._to_path(way, frame)
                return
            if way is Drop.OVER_RATE:
                return
        self.relay_does(self.hub.received(frame, path, self.now))

    def relay_does(self, effects: Iterable[Any]) -> None:
        for one in effects:
            if isinstance(one, RelaySends):
                self._to_path(one.path, one.frame)
            else:
                self.closed.append(one.stream)

    def _to_path(self, path: Path, frame: bytes) -> None:
        self.sent_by_relay.append((path, frame))

        def deliver() -> None:
            for node in self.nodes.values():
                if node.path == path:
                    node.do(node.client.frame_received(frame, self.now))

        self._carry(deliver)

    def _carry(self, deliver: Callable[[], None]) -> None:
        copies = 0 if self.rng.random() < self.loss else 2 if self.rng.random() < self.doubles else 1
        for _ in range(copies):
            self._order += 1
            at = self.now + self.rng.uniform(0.001, self.slowest)
            heapq.heappush(self._queue, (at, self._order, deliver))

    # Time.

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """For so long, or until that is so."""
        end = self.now + seconds
        while not until():
            wakes = [node.wake_at for node in self.nodes.values() if node.wake_at is not None]
            then = min([self._tick_at, *wakes, *(entry[0] for entry in self._queue[:1])])
            if then > end:
                self.now = end
                break
            self.now = max(self.now, then)
            if self._queue and self._queue[0][0] <= self.now:
                heapq.heappop(self._queue)[2]()
                continue
            if self._tick_at <= self.now:
                self._tick_at = self.now + 0.1
                if self.up:
                    self.relay_does(self.hub.tick(self.now))
            for node in self.nodes.values():
                if node.wake_at is not None and node.wake_at <= self.now:
                    node.wake_at = None
                    node.do(node.client.tick(self.now))

    def reach(self, until: Callable[[], bool], seconds: float = 60.0) -> None:
        """Until that is so, which must be within that time."""
        self.run(seconds, until)
        assert until(), "it did not come to that in time"
