"""Which relays a device uses, what it says there, and what it says of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from swarm.keys.chain import FolderKeys
from swarm.keys.device import DeviceKey
from swarm.keys.relay import handle_of, printed
from swarm.net.memory import MemoryNetwork
from swarm.node.relay_list import checked
from swarm.node.relays import AWAY, MAX_LEARNED, MAX_WAITING, Relays
from swarm.wire.hop import Door
from tests.live.tiny_relay import TinyRelay

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from swarm.config import RelayAddress

DOCS = FolderKeys.create(b"d" * 32)


def relay(number: int) -> RelayAddress:
    key = TinyRelay(bytes([number]) * 32).key
    return checked(f"198.51.100.{number}:47470~{printed(key)}")


def key_of(number: int) -> bytes:
    return TinyRelay(bytes([number]) * 32).key


class Device:
    """One in a network in memory, with its relays."""

    def __init__(self, network: MemoryNetwork, name: str, *named: RelayAddress) -> None:
        self.key = DeviceKey.create(name.encode().ljust(32, b"."))
        self.folders = [DOCS]
        self.lonely = True
        self.changes = 0
        self.found: list[Door] = []
        self.endpoint: Any = network.endpoint((f"192.0.2.{len(name)}", 1), lambda _: None)
        self.relays = Relays(
            self.key,
            named,
            keys=lambda: self.folders,
            lonely=lambda: self.folders if self.lonely else [],
            on_change=self.change,
            on_found=self.found.extend,
        )
        self.task = asyncio.create_task(self.relays.run(self.endpoint))

    def change(self) -> None:
        self.changes += 1

    def states(self) -> dict[str, str]:
        return {one["relay"].partition(":")[0]: one["state"] for one in self.relays.report()}


def play(scenario: Callable[[MemoryNetwork], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with asyncio.timeout(20):
            await scenario(MemoryNetwork())
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    asyncio.run(whole())


async def until(condition: Callable[[], Any]) -> None:
    while not condition():  # noqa: ASYNC110 - of many things, few of which tell
        await asyncio.sleep(0.005)


def test_a_device_registers_at_the_relays_that_its_user_named() -> None:
    async def scenario(network: MemoryNetwork) -> None:
        anna = Device(network, "anna", relay(1), relay(2))
        await until(lambda: list(anna.states().values()) == ["reserved", "reserved"])
        assert anna.relays.is_reachable()
        assert {key for _, key in anna.relays.reserved()} == {key_of(1), key_of(2)}
        assert [hint.host for hint in anna.relays.hints()] == ["198.51.100.1", "198.51.100.2"]
        assert anna.relays.seen() == (anna.endpoint.address,)
        anna.relays.remove(relay(1))
        assert list(anna.states()) == ["198.51.100.2"]
        anna.relays.add(relay(3))
        await until(lambda: anna.states().get("198.51.100.3") == "reserved")

    play(scenario)


def test_members_of_a_folder_find_each_other_at_a_relay_and_strangers_do_not() -> None:
    async def scenario(network: MemoryNetwork) -> None:
        anna, bo = Device(network, "anna", relay(1)), Device(network, "bo", relay(1))
        stranger = Device(network, "eve", relay(1))
        stranger.folders = [FolderKeys.create(b"e" * 32)]
        stranger.relays.refresh()
        await until(lambda: anna.found and bo.found)
        assert anna.found[0] == Door(key_of(1), handle_of(key_of(1), bo.key.id))
        stranger.relays.hurry()
        await asyncio.sleep(0.1)
        assert {door.handle for door in stranger.found} <= {handle_of(key_of(1), bo.key.id)} | {
            handle_of(key_of(1), anna.key.id)
        }

    play(scenario)


def test_a_relay_that_is_away_is_a_sentence_and_comes_back() -> None:
    async def scenario(network: MemoryNetwork) -> None:
        anna = Device(network, "anna", relay(1))
        await until(lambda: anna.relays.is_reachable())
        before = anna.changes
        network.relays.stop(key_of(1))
        (one,) = anna.relays.report()
        assert one["why"] == "the relay 198.51.100.1:47470 cannot be used: no answer"
        assert anna.changes > before
        assert anna.relays.reserved() == ()
        network.relays.start(key_of(1))
        (one,) = anna.relays.report()
        assert (one["state"], one["why"]) == ("reserved", None)

    play(scenario)


def test_what_others_tell_of_is_used_up_to_a_number_and_never_shown_with_a_token() -> None:
    async def scenario(network: MemoryNetwork) -> None:
        anna = Device(network, "anna", relay(1)._replace(key=f"{relay(1).key}.secret"))
        await until(lambda: anna.relays.is_reachable())
        anna.relays.learn([relay(number) for number in range(2, 100)])
        assert len(anna.states()) == 1 + MAX_LEARNED
        assert len(anna.relays._waiting) <= MAX_WAITING
        assert "secret" not in str(anna.relays.report()) + str(anna.relays.hints()) + str(anna.relays.reserved())

    play(scenario)


def test_a_learned_relay_that_stays_away_makes_room_for_another() -> None:
    async def scenario(network: MemoryNetwork) -> None:
        network.relays.stop(key_of(1))
        anna = Device(network, "anna")
        await asyncio.sleep(0)
        anna.relays.learn([relay(number) for number in range(1, MAX_LEARNED + 2)])
        await until(lambda: list(anna.states().values()).count("reserved") == MAX_LEARNED - 1)
        now = asyncio.get_running_loop().time()
        anna.relays._swap(now + AWAY - 1)
        assert "198.51.100.1" in anna.states()
        anna.relays._swap(now + AWAY + 1)
        await until(lambda: list(anna.states().values()).count("reserved") == MAX_LEARNED)
        assert "198.51.100.1" not in anna.states()

    play(scenario)


def test_the_users_own_word_replaces_what_others_told() -> None:
    async def scenario(network: MemoryNetwork) -> None:
        anna = Device(network, "anna")
        await asyncio.sleep(0)
        anna.relays.learn([relay(1)])
        await until(lambda: anna.relays.is_reachable())
        assert not anna.relays.report()[0]["named"]
        anna.relays.add(relay(1))
        await until(lambda: anna.relays.is_reachable())
        (one,) = anna.relays.report()
        assert one["named"]

    play(scenario)
