"""What is told to whom, and whose word changes what."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from swarm.config import Config
from swarm.discovery.dht.place import Place
from swarm.ids import DeviceId, FolderId
from swarm.keys.hints import Hints, RelayHint
from swarm.node.address_book import AddressBook
from swarm.node.finder import MAX_SOURCES, Finder
from swarm.session.events import MembersTold
from swarm.session.messages import MAX_TOLD, Whereabouts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OWN, ANNA, BOB, CAROL = (DeviceId(letter * 32) for letter in (b"o", b"a", b"b", b"c"))
DOCS, MUSIC = FolderId(bytes(16)), FolderId(bytes([1]) * 16)


@dataclass
class FakePeer:
    """As much of a peer as the finder looks at."""

    device: DeviceId
    host: str
    folders: set[FolderId]
    addresses: tuple[tuple[str, int], ...] = ()
    said: list[Whereabouts] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.link = SimpleNamespace(dialled=False, address=(self.host, 47474), route="direct")
        self.ready = SimpleNamespace(name=self.device.decode()[0], addresses=self.addresses)
        self.session = SimpleNamespace(tell=self.said.append)

    def flush(self) -> None:
        """Nothing is held back."""

    def told(self) -> dict[bytes, tuple[tuple[str, int], ...]]:
        return {device: places for message in self.said for device, places in message.members}


class Stage:
    """A finder, its book and its peers."""

    def __init__(self, path: Path) -> None:
        self.peers: dict[DeviceId, Any] = {}
        self.book = AddressBook(path)
        self.finder = Finder(
            Config(lan=False),
            OWN,
            self.book,
            self.peers,
            keys=lambda: [],
            make_peer=lambda link: link,  # type: ignore[arg-type, return-value]
            on_absence=lambda: None,
        )

    def meet(self, device: DeviceId, host: str, *folders: FolderId, **more: Any) -> Any:
        peer: Any = FakePeer(device, host, set(folders), **more)
        self.peers[device] = peer
        self.finder.connected(peer)
        for folder in folders:
            self.book.joined(device, folder, "write")
            self.finder.joined(peer, folder)
        return peer

    def targets(self) -> set[str]:
        return {target[0] for target in self.finder._dialer.targets if isinstance(target, tuple)}


def play(path: Path, scenario: Callable[[Stage], None]) -> None:
    async def whole() -> None:
        scenario(Stage(path))

    asyncio.run(whole())


def test_members_of_a_folder_hear_of_each_other_and_of_nobody_else(tmp_path: Path) -> None:
    def scenario(stage: Stage) -> None:
        anna = stage.meet(ANNA, "192.0.2.1", DOCS)
        carol = stage.meet(CAROL, "192.0.2.3", MUSIC)
        bob = stage.meet(BOB, "192.0.2.2", DOCS)
        assert anna.told() == {BOB: (("192.0.2.2", 47474),)}
        assert bob.told() == {ANNA: (("192.0.2.1", 47474),)}
        assert carol.told() == {}

    play(tmp_path, scenario)


def test_loopback_is_told_on_loopback_only(tmp_path: Path) -> None:
    def scenario(stage: Stage) -> None:
        stage.meet(ANNA, "127.0.0.1", DOCS)
        far = stage.meet(BOB, "192.0.2.2", DOCS, addresses=(("127.0.0.1", 5), ("fe80::1", 5), ("192.0.2.9", 5)))
        near = stage.meet(CAROL, "127.0.0.1", DOCS)
        assert far.told() == {}
        assert near.told()[ANNA] == (("127.0.0.1", 47474),)
        assert near.told()[BOB] == (("192.0.2.2", 47474), ("192.0.2.9", 5))

    play(tmp_path, scenario)


def test_loopback_of_somebody_far_away_is_not_dialled(tmp_path: Path) -> None:
    def scenario(stage: Stage) -> None:
        peer = stage.meet(ANNA, "192.0.2.1", DOCS)
        stage.finder.told(peer, MembersTold(DOCS, ((BOB, (("127.0.0.1", 1), ("::1", 1), ("192.0.2.2", 1))),)))
        assert stage.targets() == {"192.0.2.1", "192.0.2.2"}

    play(tmp_path, scenario)


def test_a_member_may_say_where_it_is_itself_and_only_hint_at_others(tmp_path: Path) -> None:
    def scenario(stage: Stage) -> None:
        peer = stage.meet(ANNA, "192.0.2.1", DOCS)
        stage.finder.told(peer, MembersTold(DOCS, tuple((d, ((f"192.0.2.{d[0]}", 1),)) for d in (ANNA, BOB, OWN))))
        assert ("192.0.2.97", 1) in stage.book.devices[ANNA.hex()].addresses
        assert BOB.hex() not in stage.book.devices
        assert stage.targets() == {"192.0.2.1", "192.0.2.97", "192.0.2.98"}  # not where we are said to be

    play(tmp_path, scenario)


def test_of_many_members_those_that_are_here_are_told(tmp_path: Path) -> None:
    def scenario(stage: Stage) -> None:
        here = stage.meet(ANNA, "192.0.2.1", DOCS)
        for number in range(2 * MAX_TOLD):
            device = DeviceId(bytes([number]) * 32)
            stage.book.met(device, "old", [("198.51.100.1", 1000 + number)], 4e9)
            stage.book.joined(device, DOCS, "write")
        bob = stage.meet(BOB, "192.0.2.2", DOCS)
        assert len(bob.told()) == MAX_TOLD
        assert ANNA in bob.told()
        assert here.told() == {BOB: (("192.0.2.2", 47474),)}

    play(tmp_path, scenario)


def test_what_the_dht_says_is_dialled_and_loopback_of_somebody_else_is_not(tmp_path: Path) -> None:
    def scenario(stage: Stage) -> None:
        through: list[Place] = []
        stage.finder.on_relay_place = through.append
        stage.finder.addresses = lambda: (("192.0.2.9", 1),)  # type: ignore[method-assign]
        relay = Place("192.0.2.5", 47470, b"k" * 32)
        stage.finder._found_far((Place("192.0.2.1", 1), Place("127.0.0.1", 1), relay))
        assert stage.targets() == {"192.0.2.1"}
        assert through == [relay]
        stage.finder.addresses = lambda: (("127.0.0.1", 1),)  # type: ignore[method-assign]
        stage.finder._found_far((Place("127.0.0.1", 2),))
        assert stage.targets() == {"192.0.2.1", "127.0.0.1"}

    play(tmp_path, scenario)


def test_the_first_to_name_an_address_is_who_has_found_the_member(tmp_path: Path) -> None:
    def scenario(stage: Stage) -> None:
        stage.finder.know([("192.0.2.1", 1)])
        stage.finder._found_far((Place("192.0.2.1", 1), Place("192.0.2.2", 1)))
        stage.finder.know([("192.0.2.3", 1)], source="config")
        assert [stage.finder._sources[f"192.0.2.{number}", 1] for number in (1, 2, 3)] == ["key", "dht", "config"]
        stage.finder.found[ANNA] = "dht"
        stage.meet(ANNA, "192.0.2.1", DOCS)  # she has dialled us
        assert ANNA not in stage.finder.found
        stage.finder.know([(f"10.{n >> 8}.{n & 255}.1", 1) for n in range(MAX_SOURCES + 9)], source="lan")
        assert len(stage.finder._sources) == MAX_SOURCES

    play(tmp_path, scenario)


def test_without_a_home_or_with_no_dht_there_is_none(tmp_path: Path) -> None:
    def scenario(stage: Stage) -> None:
        assert stage.finder.dht() is None
        assert stage.finder.trouble == ""
        stage.finder.datagram(b"\x00" + bytes(40), ("192.0.2.1", 1))  # nobody is there to take it

    play(tmp_path, scenario)


def test_nodes_to_begin_at_are_those_of_keys_and_where_members_are(tmp_path: Path) -> None:
    def scenario(stage: Stage) -> None:
        relay = RelayHint("192.0.2.5", 47470, "K")
        stage.finder._hints = lambda: [Hints((("192.0.2.1", 1),), (relay,), nodes=(("192.0.2.6", 1),))]
        stage.meet(ANNA, "192.0.2.2", DOCS)
        stage.book.met(BOB, "b", [("192.0.2.3", 1), ("192.0.2.4", 1)], 0.0)
        assert [host.rpartition(".")[2] for host, _ in stage.finder._nearby()] == ["6", "5", "1", "2", "3"]

    play(tmp_path, scenario)
