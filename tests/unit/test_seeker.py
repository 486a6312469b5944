"""The seeker: when folders are announced and searched. The DHT is a stand-in: test_dht_facade has the real one."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from swarm.discovery.dht.place import Place
from swarm.ids import DeviceId
from swarm.keys.chain import FolderKeys
from swarm.node.seeker import AFTER_FAILURE, IN_COMPANY, LAST_PAUSE, LOOK, Seeker, _versions
from tests.simulation_dht.virtual_time import run

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    import pytest

DOCS, PHOTOS = (FolderKeys.create(seed * 32) for seed in (b"d", b"p"))
RELAY = (("192.0.2.5", 47470), b"k" * 32)


class FakeDht:
    """Remembers what it is told."""

    def __init__(self, took: float) -> None:
        self.loop = asyncio.get_running_loop()
        self.took = took
        self.announced: set[bytes] = set()
        self.searched: list[tuple[float, bytes]] = []
        self.moves = self.at_once = self.most_at_once = 0
        self.known: set[tuple[str, int]] = set()

    def know(self, addresses: Any) -> None:
        self.known |= set(addresses)

    def announce(self, key: bytes) -> None:
        self.announced.add(key)

    def withdraw(self, key: bytes) -> None:
        self.announced.discard(key)

    def moved(self) -> None:
        self.moves += 1

    async def find(self, key: bytes, on_found: Callable[[tuple[Place, ...]], None]) -> int:
        self.searched.append((self.loop.time(), key))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(self.took)
        self.at_once -= 1
        on_found((Place("192.0.2.1", 1),))
        return 1


class Stage:
    """A seeker and what is around it."""

    def __init__(self, took: float = 0.1) -> None:
        self.folders = [DOCS]
        self.addresses = [("192.0.2.9", 47474)]
        self.company = False
        self.found: list[tuple[Place, ...]] = []
        self.seeker = Seeker(
            DeviceId(b"o" * 32),
            Path("nowhere"),
            keys=lambda: self.folders,
            bootstrap=[("192.0.2.7", 1)],
            nearby=lambda: [("192.0.2.8", 1)],
            addresses=lambda: self.addresses,
            relays=lambda: [RELAY],
            in_company=lambda _: self.company,
            on_found=self.found.append,
        )
        self.dht = FakeDht(took)

    def times(self, keys: FolderKeys = DOCS) -> list[float]:
        return [moment for moment, key in self.dht.searched if key == keys.discovery_key()]


def play(scenario: Callable[[Stage], Coroutine[None, None, None]], took: float = 0.1) -> None:
    async def whole() -> None:
        stage = Stage(took)
        dht: Any = stage.dht
        async with asyncio.TaskGroup() as group:
            stage.seeker._dht = dht
            task = group.create_task(stage.seeker._search_on(group, dht))
            await scenario(stage)
            task.cancel()

    run(whole())


def test_a_folder_is_searched_at_once_and_then_ever_more_seldom() -> None:
    async def scenario(stage: Stage) -> None:
        await asyncio.sleep(3_600.0)
        times = stage.times()
        assert times[0] < 0.1
        pauses = [later - earlier for earlier, later in pairwise(times)]
        assert pauses[0] < 2.0
        assert pauses == sorted(pauses)
        assert LAST_PAUSE <= pauses[-1] <= LAST_PAUSE + LOOK
        assert stage.dht.announced == {DOCS.discovery_key()}
        assert stage.dht.known == {("192.0.2.8", 1)}
        assert stage.found[0] == (Place("192.0.2.1", 1),)

    play(scenario)


def test_in_company_it_is_searched_now_and_then() -> None:
    async def scenario(stage: Stage) -> None:
        stage.company = True
        await asyncio.sleep(2 * IN_COMPANY - 60)
        assert len(stage.times()) == 2

    play(scenario)


def test_when_the_last_member_is_lost_it_is_searched_at_once_and_again_soon() -> None:
    async def scenario(stage: Stage) -> None:
        stage.company = True
        await asyncio.sleep(100.0)
        before = len(stage.times())
        stage.company = False
        stage.seeker.refresh()
        await asyncio.sleep(5.0)
        times = stage.times()[before:]
        assert times[0] == 100.0
        assert len(times) >= 3

    play(scenario)


def test_a_new_folder_is_searched_at_once_and_one_that_is_gone_is_withdrawn() -> None:
    async def scenario(stage: Stage) -> None:
        await asyncio.sleep(10.0)
        stage.folders = [PHOTOS]
        stage.seeker.refresh()
        await asyncio.sleep(0.1)
        assert stage.times(PHOTOS) == [10.0]
        assert stage.dht.announced == {PHOTOS.discovery_key()}

    play(scenario)


def test_after_a_change_everybody_is_looked_for_at_once() -> None:
    async def scenario(stage: Stage) -> None:
        await asyncio.sleep(1_000.0)
        before, moves = len(stage.times()), stage.dht.moves
        stage.seeker.hurry()
        await asyncio.sleep(1.0)
        assert len(stage.times()) == before + 1
        assert stage.dht.moves == moves + 1

    play(scenario)


def test_new_addresses_are_told() -> None:
    async def scenario(stage: Stage) -> None:
        await asyncio.sleep(1.0)
        moves = stage.dht.moves
        stage.addresses = [("192.0.2.10", 47474)]
        await asyncio.sleep(LOOK + 1)
        assert stage.dht.moves == moves + 1
        assert stage.seeker._places() == [Place(*RELAY[0], RELAY[1]), Place("192.0.2.10", 47474)]

    play(scenario)


def test_one_search_for_a_folder_at_a_time() -> None:
    async def scenario(stage: Stage) -> None:
        await asyncio.sleep(300.0)
        assert stage.dht.most_at_once == 1

    play(scenario, took=30.0)


def test_a_dht_that_fails_is_begun_anew_and_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    async def whole() -> None:
        seeker, begun = Stage().seeker, []

        async def fail(*_: object) -> None:
            begun.append(asyncio.get_running_loop().time())
            raise RuntimeError("a bug")

        monkeypatch.setattr(seeker, "_serve", fail)
        monkeypatch.setattr("swarm.node.seeker.log", SimpleNamespace(exception=lambda *_: None))
        task = asyncio.get_running_loop().create_task(seeker.run(lambda *_: None, ("::", 1)))
        await asyncio.sleep(2 * AFTER_FAILURE + 1)
        assert len(begun) == 3
        seeker.datagram(b"\0", ("192.0.2.1", 1))
        assert seeker.describe()["why"] == "it is not up yet"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(whole())


def test_which_address_families_a_socket_speaks() -> None:
    assert _versions("") == _versions("::") == (4, 6)
    assert _versions("0.0.0.0") == (4,)
    assert _versions("::1") == (6,)
