"""The DHT as the node uses it: announced, found, moved, withdrawn, over hours of virtual time."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING

from swarm.discovery.dht.contact import Contact, make_id
from swarm.discovery.dht.dht import Dht
from swarm.discovery.dht.messages import Ping
from swarm.discovery.dht.place import Place
from swarm.discovery.dht.provider import DAY, LIFETIME
from swarm.discovery.dht.remembered import MAX_NODES, Remembered
from swarm.discovery.dht.standing import STABLE
from swarm.ids import DeviceId
from tests.simulation_dht.network import Network
from tests.simulation_dht.virtual_time import run

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    Address = tuple[str, int]

FOLDER = b"f" * 32
NODE, ANNA, BOB = ("8.8.8.8", 47474), ("20.1.1.1", 47474), ("30.1.1.1", 47474)
NODE6, ANNA6, BOB6 = ("2606:4700::1", 47474), ("2a00:1450::1", 47474), ("2a02:26f0::1", 47474)
NOON = 20_000.0 * DAY + DAY / 2


class Stage:
    """A network, and nodes on it."""

    def __init__(self, wall: float = NOON) -> None:
        self.rng = Random(7)
        self.network = Network(self.rng)
        self.loop = asyncio.get_running_loop()
        self.begun = wall - self.loop.time()
        self.tasks: dict[Dht, asyncio.Task[None]] = {}

    def add(
        self,
        *addresses: Address,
        to: tuple[Address, ...] = (NODE,),
        places: Callable[[], list[Place]] | None = None,
        device: bytes = b"",
        remembered: Remembered | None = None,
        server: bool = False,
        behind_nat: bool = False,
        idle: bool = False,
    ) -> Dht:
        """A node that runs, or merely answers."""

        def receive(data: bytes, by: Address) -> None:
            dht.datagram_received(data, by)

        attach = self.network.attach
        ways = {":" in address[0]: attach(address, receive, behind_nat=behind_nat) for address in addresses}

        def send(data: bytes, address: Address) -> None:
            way = ways.get(":" in address[0])
            if way is not None:
                way(data, address)

        dht = Dht(
            send,
            bootstrap=[address for address in to if address not in addresses],
            device=DeviceId(device or addresses[0][0].encode().ljust(32)),
            places=places or (lambda: [Place(*address) for address in addresses]),
            remembered=remembered,
            always_server=server,
            public=addresses if server else (),
            random=Random(self.rng.random()).randbytes,
            wall=lambda: self.begun + self.loop.time(),
        )
        if not idle:
            self.tasks[dht] = self.loop.create_task(dht.run())
        return dht

    async def stop(self, dht: Dht, *addresses: Address) -> None:
        for address in addresses:
            self.network.detach(address)
        self.tasks[dht].cancel()
        await asyncio.gather(self.tasks.pop(dht), return_exceptions=True)

    async def found(self, dht: Dht, folder: bytes = FOLDER) -> set[tuple[Place, ...]]:
        seen: set[tuple[Place, ...]] = set()
        await dht.find(folder, seen.add)
        return seen

    async def close(self) -> None:
        for dht in list(self.tasks):
            await self.stop(dht)


def play(scenario: Callable[[Stage], Coroutine[None, None, None]], wall: float = NOON) -> None:
    async def whole() -> None:
        stage = Stage(wall)
        try:
            await scenario(stage)
        finally:
            await stage.close()

    run(whole())


def test_two_behind_one_node_find_each_other_at_once() -> None:
    async def scenario(stage: Stage) -> None:
        stage.add(NODE)
        anna, bob = stage.add(ANNA), stage.add(BOB)
        anna.announce(FOLDER)
        bob.announce(FOLDER)
        await asyncio.sleep(2.0)
        assert await stage.found(bob) == {(Place(*ANNA),)}  # and not himself
        assert await stage.found(anna) == {(Place(*BOB),)}
        assert await stage.found(bob, b"x" * 32) == set()

    play(scenario)


def test_a_node_that_others_begin_at_finds_them_and_is_found_though_it_knows_nobody() -> None:
    """A server at home that all other devices name, and that names none of them."""

    async def scenario(stage: Stage) -> None:
        home = stage.add(NODE)
        home.announce(FOLDER)
        anna = stage.add(ANNA)
        anna.announce(FOLDER)
        await asyncio.sleep(2.0)
        assert await stage.found(anna) == {(Place(*NODE),)}
        assert await stage.found(home) == {(Place(*ANNA),)}

    play(scenario)


def test_a_server_that_names_nobody_publishes_once_others_have_come() -> None:
    async def scenario(stage: Stage) -> None:
        first = stage.add(NODE, server=True)
        first.announce(FOLDER)
        second = stage.add(ANNA, server=True)
        await asyncio.sleep(120.0)
        assert len(second.store) == 1

    play(scenario)


def test_a_search_that_begins_before_anybody_answers_waits_a_little() -> None:
    async def scenario(stage: Stage) -> None:
        stage.add(NODE)
        anna = stage.add(ANNA)
        anna.announce(FOLDER)
        await asyncio.sleep(2.0)
        bob = stage.add(BOB)
        assert len(await stage.found(bob)) == 1

    play(scenario)


def test_what_is_announced_stays_found_and_what_is_withdrawn_ends() -> None:
    async def scenario(stage: Stage) -> None:
        stage.add(NODE)
        anna, bob = stage.add(ANNA), stage.add(BOB)
        anna.announce(FOLDER)
        await asyncio.sleep(3 * LIFETIME)
        assert len(await stage.found(bob)) == 1
        anna.withdraw(FOLDER)
        await asyncio.sleep(LIFETIME + 60)
        assert await stage.found(bob) == set()

    play(scenario)


def test_midnight_hides_nobody() -> None:
    async def scenario(stage: Stage) -> None:
        stage.add(NODE)
        anna, bob = stage.add(ANNA), stage.add(BOB)
        anna.announce(FOLDER)
        for _ in range(30):  # from two hours before midnight to three after
            await asyncio.sleep(600.0)
            assert len(await stage.found(bob)) == 1

    play(scenario, 20_000.0 * DAY - 7_200)


def test_a_clock_that_is_set_back_breaks_nothing() -> None:
    async def scenario(stage: Stage) -> None:
        stage.add(NODE)
        anna = stage.add(ANNA)
        anna.announce(FOLDER)
        await asyncio.sleep(2.0)
        stage.begun -= 5 * 3_600
        anna.moved()
        await asyncio.sleep(3 * 3_600.0)
        assert not any(task.done() for task in stage.tasks.values())
        assert len(await stage.found(stage.add(BOB))) == 1

    play(scenario)


def test_who_moves_is_found_where_he_is_now() -> None:
    async def scenario(stage: Stage) -> None:
        stage.add(NODE)
        here = [Place("20.1.1.1", 1)]
        anna, bob = stage.add(ANNA, places=lambda: here), stage.add(BOB)
        anna.announce(FOLDER)
        await asyncio.sleep(2.0)
        here[:] = [Place("40.1.1.1", 2)]
        anna.moved()
        await asyncio.sleep(2.0)
        (places,) = await stage.found(bob)
        assert here[0] in places
        assert Place("20.1.1.1", 1) not in places

    play(scenario)


def test_a_node_that_begins_anew_is_told_again() -> None:
    async def scenario(stage: Stage) -> None:
        node = stage.add(NODE)
        anna = stage.add(ANNA)
        anna.announce(FOLDER)
        await asyncio.sleep(5.0)
        await stage.stop(node, NODE)
        node = stage.add(NODE)  # at the same address, with another id and an empty store
        await asyncio.sleep(90.0)
        assert len(node.store) == 1
        assert len(await stage.found(stage.add(BOB))) == 1

    play(scenario)


def test_ipv4_and_ipv6_are_two_networks_and_both_are_used() -> None:
    async def scenario(stage: Stage) -> None:
        stage.add(NODE, NODE6)
        both = stage.add(ANNA, ANNA6, to=(NODE, NODE6))
        both.announce(FOLDER)
        await asyncio.sleep(2.0)
        only4, only6 = stage.add(BOB), stage.add(BOB6, to=(NODE6,))
        expected = {(Place(*ANNA), Place(*ANNA6))}
        assert await stage.found(only4) == expected
        assert await stage.found(only6) == expected

    play(scenario)


def test_all_of_many_devices_are_found_page_by_page() -> None:
    async def scenario(stage: Stage) -> None:
        stage.add(NODE)
        for number in range(40):
            stage.add((f"{40 + number}.1.1.1", 47474)).announce(FOLDER)
        await asyncio.sleep(5.0)
        assert len(await stage.found(stage.add(BOB))) == 40

    play(scenario)


def test_an_anchor_that_answers_pings_and_nothing_else_is_no_busy_loop() -> None:
    async def scenario(stage: Stage) -> None:
        node = stage.add(NODE)
        protocol = node.sides[4].overlay.protocol
        answer = protocol._answer
        setattr(protocol, "_answer", lambda asked, *rest: answer(asked, *rest) if isinstance(asked, Ping) else None)  # noqa: B010
        anna = stage.add(ANNA)
        anna.announce(FOLDER)
        await asyncio.sleep(600.0)
        assert stage.network.datagrams < 600

    play(scenario)


def test_seen_elsewhere_it_says_so() -> None:
    """Others see us at a public address, which we do not know of ourselves."""

    async def scenario(stage: Stage) -> None:
        stage.add(NODE)
        anna, bob = stage.add(ANNA, places=lambda: [Place("192.168.1.5", 1)]), stage.add(BOB)
        anna.announce(FOLDER)
        await asyncio.sleep(3.0)
        (places,) = await stage.found(bob)
        assert places == (Place(*ANNA), Place("192.168.1.5", 1))
        new = ("50.1.1.1", 40_000)  # a new mapping at another provider: her machine notices nothing
        stage.network.hosts[new] = stage.network.hosts.pop(ANNA)
        stage.network.renamed[ANNA] = new
        await asyncio.sleep(300.0)
        (places,) = await stage.found(bob)
        assert places == (Place(*new), Place("192.168.1.5", 1))

    play(scenario)


def test_who_is_open_to_everybody_becomes_a_server_and_who_is_behind_a_nat_never_does() -> None:
    async def scenario(stage: Stage) -> None:
        places = [NODE, *((f"{60 + number}.1.1.1", 47474) for number in range(60))]
        servers = [stage.add(place, server=True, idle=True) for place in places]
        protocols = [server.sides[4].overlay.protocol for server in servers]
        for protocol in protocols:
            for other, place in zip(protocols, places, strict=True):
                protocol.table.add(Contact(other.id, *place))
        open_one, hidden = stage.add(ANNA), stage.add(BOB, behind_nat=True)
        await asyncio.sleep(STABLE / 2)
        assert not open_one.describe()["server"]
        await asyncio.sleep(STABLE * 2)
        assert open_one.describe()["server"]
        assert not hidden.describe()["server"]
        known = {contact.address for protocol in protocols for contact in protocol.table}
        assert ANNA in known
        assert BOB not in known

    play(scenario)


def test_hints_are_tried_as_nodes() -> None:
    async def scenario(stage: Stage) -> None:
        stage.add(NODE)
        anna, bob = stage.add(ANNA), stage.add(BOB, to=())
        anna.announce(FOLDER)
        await asyncio.sleep(10.0)
        assert bob.describe()["why"] == "no other node is known"
        bob.know([("192.0.2.1", 1), NODE])
        await asyncio.sleep(3.0)
        assert len(await stage.found(bob)) == 1
        assert bob.describe()["why"] == ""

    play(scenario)


def test_a_bootstrap_node_that_is_down_is_named() -> None:
    async def scenario(stage: Stage) -> None:
        bob = stage.add(BOB)
        await asyncio.sleep(5.0)
        assert bob.describe()["why"] == "no bootstrap node answers: 8.8.8.8:47474"
        stage.add(NODE)
        await asyncio.sleep(60.0)
        assert bob.describe()["nodes"] == 1

    play(scenario)


def test_remembered_nodes_are_a_way_in_when_no_bootstrap_node_is_up(tmp_path: Path) -> None:
    """In real time: the file is read in a thread."""
    remembered = Remembered(tmp_path / "dht.sqlite")
    remembered.save([Contact(make_id(NODE[0], bytes(20)), *NODE)])

    async def whole() -> None:
        stage = Stage()
        stage.add(NODE)
        bob = stage.add(BOB, to=(("9.9.9.9", 1),), remembered=remembered)
        async with asyncio.timeout(10):
            await bob._up.wait()
        await stage.close()

    asyncio.run(whole())


def test_a_file_of_nodes_that_is_lost_or_garbage_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "dht.sqlite"
    remembered = Remembered(path)
    assert remembered.load() == []
    good = [
        Contact(make_id(f"{20 + n % 200}.{n // 200}.1.1", bytes(20)), f"{20 + n % 200}.{n // 200}.1.1", 5)
        for n in range(300)
    ]
    remembered.save(contact for contact in good if contact.host != "127.1.1.1")
    assert 0 < len(remembered.load()) <= MAX_NODES
    remembered.save(
        [good[0], Contact(bytes(20), "20.1.1.1", 5), Contact(b"short", "20.1.1.1", 5), Contact(good[1].id, "", 0)]
    )
    assert remembered.load() == [good[0]]
    path.write_bytes(b"garbage" * 1000)
    assert remembered.load() == []
    remembered.save(good[:1])
    assert remembered.load() == good[:1]
    path.unlink()
    path.mkdir()
    remembered.save(good[:1])  # a line in the log
    assert remembered.load() == []
