"""A world of DHT nodes: the real code over a network in memory, in virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from swarm.discovery.dht.contact import Contact
from swarm.discovery.dht.dht import Dht
from swarm.discovery.dht.place import Place
from swarm.discovery.dht.provider import DayKeys, day_of
from swarm.ids import DeviceId
from tests.simulation_dht.hostile import KINDS, Gang, aimed_address
from tests.simulation_dht.network import PORT, Network

if TYPE_CHECKING:
    Address = tuple[str, int]

NOON = 20_000 * 86_400.0 + 43_200.0  # seconds since 1970: far from midnight, so that one day counts
SEEDS = 3  # nodes that everybody begins at
STAGGER = 0.05  # seconds between two that start
SETTLE = 60.0  # seconds after the last one has


@dataclass(frozen=True, slots=True)
class Plan:
    """What is simulated."""

    nodes: int = 1000
    seed: int = 0
    clients: float = 0.3  # of the nodes are behind a NAT
    loss: float = 0.0
    churn: float = 0.0  # of the nodes go without a word, after everybody has announced
    hostile: float = 0.0  # of the servers lie
    aimed: int = 0  # liars more, whose networks were chosen to be near the topic of the first folder
    tries: int = 16  # networks out of which each of these was chosen
    folders: int = 20
    devices: int = 5  # of each folder
    lookups: int = 100


@dataclass(slots=True)
class Tally:
    """What was measured."""

    first: list[float] = field(default_factory=list)  # seconds to the first record
    whole: list[float] = field(default_factory=list)
    hops: list[int] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    bytes: list[int] = field(default_factory=list)
    found: list[float] = field(default_factory=list)  # of the devices that are there
    refuted: int = 0
    taken: list[int] = field(default_factory=list)  # nodes that have a record
    datagrams: int = 0
    answered_too_much: int = 0  # answers of more than three times their question
    in_tables: int = 0  # clients in servers' tables
    table: float = 0.0


@dataclass(slots=True)
class Inhabitant:
    """A node."""

    address: Address
    dht: Dht
    device: DeviceId
    is_client: bool
    liar: str
    task: asyncio.Task[None] | None = None


class World:
    """Everybody."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.rng = Random(plan.seed)
        self.network = Network(self.rng, plan.loss)
        self.gang = Gang(self.rng, self.wall)
        self.people: list[Inhabitant] = []
        self.seeds: list[Address] = []

    @staticmethod
    def wall() -> float:
        return NOON + asyncio.get_running_loop().time()

    def settle(self, *, is_client: bool = False, liar: str = "", address: Address | None = None) -> Inhabitant:
        """One more node, not running yet."""
        address = address or self.network.new_address()
        rng = Random(self.rng.random())
        device = DeviceId(rng.randbytes(32))
        send = self.network.attach(address, lambda data, by: dht.datagram_received(data, by), behind_nat=is_client)
        dht = Dht(
            send,
            bootstrap=self.seeds,
            device=device,
            places=lambda: (Place(address[0], PORT),),
            versions=(4,),
            always_server=not is_client,
            public=() if is_client else (address,),
            random=rng.randbytes,
            wall=self.wall,
        )
        one = Inhabitant(address, dht, device, is_client, liar)
        if liar:
            self.gang.recruit(dht, liar)
            self.gang.members.append(Contact(dht.sides[4].overlay.protocol.id, *address))
        self.people.append(one)
        return one

    async def populate(self, topic: bytes) -> None:
        for number in range(self.plan.nodes):
            is_client = number >= SEEDS and self.rng.random() < self.plan.clients
            lies = number >= SEEDS and not is_client and self.rng.random() < self.plan.hostile
            one = self.settle(is_client=is_client, liar=self.rng.choice(KINDS) if lies else "")
            if number < SEEDS:
                self.seeds.append(one.address)
        for _ in range(self.plan.aimed):
            place = aimed_address(topic, self.network.new_address, self.plan.tries)
            self.settle(liar=self.rng.choice(KINDS), address=place)
        self.gang.victims = [one.address for one in self.people]
        for one in self.people:
            self.start(one)
            await asyncio.sleep(STAGGER)
        await asyncio.sleep(SETTLE)

    def start(self, one: Inhabitant) -> None:
        one.task = asyncio.get_running_loop().create_task(one.dht.run())

    async def stop(self, one: Inhabitant) -> None:
        """Off, without a word."""
        self.network.detach(one.address)
        if one.task is not None:
            one.task.cancel()
            await asyncio.gather(one.task, return_exceptions=True)

    async def close(self) -> None:
        for one in self.people:
            await self.stop(one)

    @property
    def honest(self) -> list[Inhabitant]:
        return [one for one in self.people if not one.liar and one.address in self.network.hosts]


async def measure(plan: Plan) -> Tally:
    """Populates a world, announces folders, lets some die, and searches."""
    world, tally = World(plan), Tally()
    names = [world.rng.randbytes(32) for _ in range(plan.folders)]
    await world.populate(DayKeys.derive(names[0], day_of(world.wall())).topic)
    folders = {key: world.rng.sample(world.honest, plan.devices) for key in names}
    for key, devices in folders.items():
        for one in devices:
            one.dht.announce(key)
    await asyncio.sleep(30.0)
    _look_at_tables(world, tally, folders)
    dying = world.rng.sample(world.people[SEEDS:], int(plan.churn * plan.nodes))
    for one in dying:
        await world.stop(one)
    for number in range(plan.lookups):
        key = list(folders)[number % len(folders)]
        await _search(world, key, folders[key], tally)
    await world.close()
    tally.datagrams, tally.answered_too_much = world.network.datagrams, world.network.amplified
    return tally


def _look_at_tables(world: World, tally: Tally, folders: dict[bytes, list[Inhabitant]]) -> None:
    clients = {one.address for one in world.people if one.is_client}
    tables = [[c.address for c in one.dht.sides[4].overlay.protocol.table] for one in world.honest]
    tally.in_tables = sum(address in clients for table in tables for address in table)
    tally.table = sum(map(len, tables)) / len(tables)
    for key in folders:
        topic = DayKeys.derive(key, day_of(world.wall())).topic
        have = [one for one in world.honest if one.dht.store.page(topic, b"", 1, world.wall()) is not None]
        tally.taken.append(len(have))


async def _search(world: World, key: bytes, devices: list[Inhabitant], tally: Tally) -> None:
    loop = asyncio.get_running_loop()
    keys = DayKeys.derive(key, day_of(world.wall()))
    seeker = world.rng.choice([one for one in world.honest if one not in devices])
    begun, before = loop.time(), world.network.hosts[seeker.address].sent + world.network.hosts[seeker.address].received
    moments: list[float] = []
    search = await seeker.dht.sides[4].overlay.search(keys.public_key, lambda _: moments.append(loop.time() - begun))
    host = world.network.hosts[seeker.address]
    tally.whole.append(loop.time() - begun)
    tally.bytes.append(host.sent + host.received - before)
    tally.hops.append(search.lookup.hops)
    tally.asked.append(search.lookup.asked + search.pages)
    tally.refuted += search.refuted
    there = {keys.slot(one.device) for one in devices}
    tally.found.append(len(there & set(search.records)) / len(there))
    if moments:
        tally.first.append(moments[0])
