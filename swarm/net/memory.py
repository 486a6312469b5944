"""The network's twin in memory: links and lanes without sockets, for tests of whole nodes.

It behaves as the real one where a node can tell: bytes in order, writers that wait for readers, a lane that the peer
sees from its first byte, a stranger who gets one lane and 4 KiB through, what arrived before a loss still read. It has
no clock of its own: the five seconds of a stranger and a peer's silence do not pass here.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from typing import TYPE_CHECKING

from swarm.errors import Bug, SwarmError, Unavailable
from swarm.net.limits import Limits
from swarm.net.memory_relay import MemoryGate, MemoryRelays

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from swarm.config import RelayAddress
    from swarm.keys.device import DeviceKey
    from swarm.net.network import Gate, GateWatcher
    from swarm.wire.hop import Door, Places
    from swarm.wire.lane import Link, Route, Via

Address = tuple[str, int]

WINDOW = 256 << 10  # bytes unread on one lane until its writer waits
STRANGER_BYTES = Limits().stranger_bytes


class MemoryLane:
    """Implements `swarm.wire.lane.Lane`: one end of it."""

    def __init__(self, link: MemoryLink) -> None:
        self.link = link
        self.peer: MemoryLane | None = None  # the other end, once it has heard of us
        self._inbox = bytearray()
        self._complete = False
        self._closed = False
        self._changed = asyncio.Event()

    async def read(self, limit: int) -> bytes:
        """See `swarm.wire.lane.Lane`."""
        if limit < 1:
            raise Bug(f"a read of {limit} bytes")
        while not (allowed := min(limit, len(self._inbox), self.link.allowance())):
            if not self._inbox:
                if self._complete:
                    return b""
                self.link.check()
            self._changed.clear()
            await self._changed.wait()
        data = bytes(self._inbox[:allowed])
        del self._inbox[:allowed]
        self.link.spend(allowed)
        if self.peer is not None:
            self.peer.wake()
        return data

    async def write(self, data: bytes) -> None:
        """See `swarm.wire.lane.Lane`."""
        if self._closed:
            raise Bug("write after close")
        self.link.check()
        peer = self._reach()
        peer._inbox += data
        peer.wake()
        while len(peer._inbox) > WINDOW:
            self._changed.clear()
            await self._changed.wait()
            self.link.check()

    def close(self) -> None:
        """See `swarm.wire.lane.Lane`."""
        if not self._closed:
            self._closed = True
            if self.link.alive:
                peer = self._reach()
                peer._complete = True
                peer.wake()

    def wake(self) -> None:
        """Something is different: whoever waits looks again."""
        self._changed.set()

    @property
    def over(self) -> bool:
        """Ended in both directions, and read."""
        return self._closed and self._complete and not self._inbox

    def _reach(self) -> MemoryLane:
        if self.peer is None:
            self.peer = self.link.far.offer(self)
        return self.peer


class MemoryLink:
    """Implements `swarm.wire.lane.Link`: one end of it."""

    dialled: bool
    binding: bytes
    route: Route
    address: Address
    relay: str | None
    via: Via | None
    on_route: Callable[[], None] | None
    places: Places | None  # what the peer has said of itself
    far: MemoryLink

    def __init__(self, *, dialled: bool, binding: bytes, address: Address) -> None:
        """For `memory_link_pair`. `address`: the peer's."""
        self.dialled = dialled
        self.binding = binding
        self.route = "direct"
        self.address = address
        self.relay = self.via = self.on_route = self.places = None
        self._lanes: list[MemoryLane] = []
        self._offered: deque[MemoryLane] = deque()
        self._offer = asyncio.Event()
        self._trusted = False
        self._received = 0
        self._closed = asyncio.Event()
        self._failure: SwarmError | None = None

    async def open_lane(self) -> MemoryLane:
        """See `swarm.wire.lane.Link`."""
        self.check()
        return self._add(MemoryLane(self))

    async def accept_lane(self) -> MemoryLane:
        """See `swarm.wire.lane.Link`."""
        while not self._offered:
            self.check()
            self._offer.clear()
            await self._offer.wait()
        return self._offered.popleft()

    def trust(self) -> None:
        """See `swarm.wire.lane.Link`."""
        self._trusted = True
        for lane in self._lanes:
            lane.wake()

    def seek(self, places: Places) -> None:
        """See `swarm.wire.lane.Link`. There is one way in memory."""
        self.places = places

    def reroute(self, route: Route, relay: str | None = None) -> None:
        """As if another way had been found, on both sides."""
        for link in (self, self.far):
            link.route, link.relay, link.via = route, relay, "udp" if relay else None
            if link.on_route is not None:
                link.on_route()

    def round_trip(self) -> float | None:
        """See `swarm.wire.lane.Link`."""
        return 0.001

    def close(self, reason: str = "") -> None:
        """See `swarm.wire.lane.Link`."""
        suffix = f": {reason}" if reason else ""
        self.fail(Unavailable(f"the link was closed{suffix}"))
        self.far.fail(Unavailable(f"the peer closed the link{suffix}"))

    async def wait_closed(self) -> None:
        """See `swarm.wire.lane.Link`."""
        await self._closed.wait()

    @property
    def alive(self) -> bool:
        return self._failure is None

    def fail(self, failure: SwarmError) -> None:
        """The link is lost, for this end."""
        if self._failure is None:
            self._failure = failure
            self._closed.set()
            self._offer.set()
            for lane in self._lanes:
                lane.wake()

    def check(self) -> None:
        """Raises what the link was lost to."""
        if self._failure is not None:
            raise type(self._failure)(self._failure.message, self._failure.hint)

    def allowance(self) -> int:
        """How many bytes may still be read: a stranger's bytes wait at the door."""
        return WINDOW if self._trusted else STRANGER_BYTES - self._received

    def spend(self, size: int) -> None:
        """`size` bytes were read."""
        self._received += 0 if self._trusted else size

    def offer(self, opener: MemoryLane) -> MemoryLane:
        """The peer's lane has its first byte: makes our end of it."""
        lane = self._add(MemoryLane(self))
        lane.peer = opener
        self._offered.append(lane)
        self._offer.set()
        return lane

    def _add(self, lane: MemoryLane) -> MemoryLane:
        self._lanes = [*(old for old in self._lanes if not old.over), lane]
        return lane


def memory_link_pair(address_a: Address, address_b: Address, serial: int = 0) -> tuple[MemoryLink, MemoryLink]:
    """The two ends of one link, dialled by `a`. Pairs with different `serial`s have different bindings."""
    binding = hashlib.blake2b(repr((address_a, address_b, serial)).encode(), digest_size=32).digest()
    a = MemoryLink(dialled=True, binding=binding, address=address_b)
    b = MemoryLink(dialled=False, binding=binding, address=address_a)
    a.far, b.far = b, a
    return a, b


class MemoryNetwork:
    """All the endpoints that can reach one another, and the power to cut them off."""

    def __init__(self) -> None:
        self._endpoints: dict[Address, MemoryEndpoint] = {}
        self._unreachable: set[Address] = set()
        self._links: list[tuple[Address, Address, MemoryLink]] = []
        self._serial = 0
        self.relays = MemoryRelays()

    def endpoint(self, address: Address, on_link: Callable[[Link], None]) -> MemoryEndpoint:
        """A new place in this network."""
        if address in self._endpoints:
            raise Unavailable(f"{address[0]} port {address[1]} is taken")
        endpoint = self._endpoints[address] = MemoryEndpoint(self, address, on_link)
        return endpoint

    def isolate(self, address: Address) -> None:
        """Cuts every link of an endpoint, and lets nobody dial it, nor it anybody, until `rejoin`."""
        self._unreachable.add(address)
        self.cut(address)

    def rejoin(self, address: Address) -> None:
        self._unreachable.discard(address)

    def cut(self, one: Address, other: Address | None = None) -> int:
        """Ends the links between two endpoints, or all of `one`; both sides see them lost. Returns how many."""
        ends = {one} if other is None else {one, other}
        doomed = [entry for entry in self._links if ends <= {entry[0], entry[1]}]
        for entry in doomed:
            for link in (entry[2], entry[2].far):
                link.fail(Unavailable("the peer does not answer any more"))
        self._sweep()
        return len(doomed)

    def connect(self, caller: MemoryEndpoint, address: Address) -> MemoryLink:
        """For `MemoryEndpoint.dial`."""
        callee = self._endpoints.get(address)
        if callee is None or address in self._unreachable or caller.address in self._unreachable:
            raise Unavailable(f"no answer from {address[0]} port {address[1]}")
        self._sweep()
        self._serial += 1
        near, far = memory_link_pair(caller.address, address, self._serial)
        self._links.append((caller.address, address, near))
        callee.on_link(far)
        return near

    def remove(self, endpoint: MemoryEndpoint) -> None:
        """For `MemoryEndpoint.close`."""
        self._endpoints.pop(endpoint.address, None)
        for one, other, link in self._links:
            if one == endpoint.address:
                link.close("shutting down")
            elif other == endpoint.address:
                link.far.close("shutting down")
        self._sweep()

    def _sweep(self) -> None:
        self._links = [entry for entry in self._links if entry[2].alive]


class MemoryEndpoint:
    """Implements `swarm.net.network.Network`."""

    def __init__(self, network: MemoryNetwork, address: Address, on_link: Callable[[Link], None]) -> None:
        """For `MemoryNetwork.endpoint`."""
        self._network = network
        self._address = address
        self._closed = False
        self._gates: list[MemoryGate] = []
        self.on_link = on_link
        self.own_addresses: Callable[[], tuple[Address, ...]] = tuple

    @property
    def address(self) -> Address:
        """See `swarm.net.network.Network`."""
        return self._address

    async def dial(self, host: str, port: int, timeout: float = 5.0) -> Link:
        """See `swarm.net.network.Network`. Answers, or fails, at once whatever `timeout` is."""
        await asyncio.sleep(0)
        if self._closed or timeout <= 0:
            raise Unavailable("this endpoint is closed" if self._closed else "no time to dial")
        return self._network.connect(self, (host, port))

    async def dial_door(self, door: Door, timeout: float = 8.0) -> Link:
        """See `swarm.net.network.Network`. Answers, or fails, at once whatever `timeout` is."""
        await asyncio.sleep(0)
        if self._closed or timeout <= 0:
            raise Unavailable("this endpoint is closed" if self._closed else "no time to dial")
        link = self._network.connect(self, self._network.relays.behind(door, self._address))
        link.reroute("relayed", "relay")
        return link

    def open_gate(
        self, place: RelayAddress, device: DeviceKey, watcher: GateWatcher, *, reserve: bool, topics: Sequence[bytes]
    ) -> Gate:
        """See `swarm.net.network.Network`."""
        gate = MemoryGate(self._network.relays, place, self._address, device, watcher, reserve=reserve, topics=topics)
        self._network.relays.register(gate)
        self._gates.append(gate)
        return gate

    def send_other(self, data: bytes, address: Address) -> None:
        """See `swarm.net.network.Network`. Lost: nobody in memory listens for what is not a link."""

    def wake(self) -> None:
        """See `swarm.net.network.Network`. Nothing sleeps here, and a cut is known at once."""

    async def close(self) -> None:
        """See `swarm.net.network.Network`."""
        if not self._closed:
            self._closed = True
            for gate in self._gates:
                gate.close()
            self._network.remove(self)
