"""What members tell each other of how they are reached, and what becomes of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from swarm.ids import DeviceId, FolderId
from swarm.keys.relay import handle_of, printed
from swarm.node.address_book import AddressBook
from swarm.node.rendezvous import Rendezvous
from swarm.session.events import RoutesTold
from swarm.session.messages import Routes
from swarm.wire.hop import Door, Places
from tests.live.tiny_relay import TinyRelay

if TYPE_CHECKING:
    from pathlib import Path

BOB = DeviceId(b"b" * 32)
KEY = TinyRelay().key
RELAY = ("203.0.113.1", 47470)
HOME, PUBLIC = ("192.168.1.7", 47474), ("198.51.100.1", 20_000)


def fake(**members: Any) -> Any:
    return SimpleNamespace(**members)


class FakePeer:
    """As much of a peer as is looked at."""

    def __init__(self, host: str = "192.0.2.9") -> None:
        self.device = BOB
        self.said: list[Routes] = []
        self.sought: list[Places] = []
        self.link = SimpleNamespace(address=(host, 1), seek=self.sought.append)
        self.session = SimpleNamespace(tell_routes=self.said.append)

    def flush(self) -> None:
        """Nothing is held back."""


class Stage:
    """One device with one relay."""

    def __init__(self, path: Path) -> None:
        self.peers: dict[DeviceId, Any] = {}
        self.book = AddressBook(path)
        self.book.met(BOB, "bob", [], 1.0)
        self.learned: list[str] = []
        self.news = 0
        self.doors: list[Door] = []
        self.own = [HOME, ("127.0.0.1", 47474)]
        self.reserved = ((RELAY, KEY), (("127.0.0.1", 47470), KEY))
        self.relays = fake(
            seen=lambda: (PUBLIC,),
            reserved=lambda: self.reserved,
            learn=lambda places: self.learned.extend(map(str, places)),
        )
        self.finder = fake(addresses=lambda: self.own, know_doors=lambda doors, _device: self.doors.extend(doors))
        self.rendezvous = Rendezvous(self.relays, self.book, self.peers, self.finder, on_news=self.count)

    def count(self) -> None:
        self.news += 1

    def meet(self, host: str = "192.0.2.9") -> Any:
        peer: Any = FakePeer(host)
        self.peers[BOB] = peer
        self.rendezvous.connected(peer)
        return peer


def test_a_member_hears_how_we_are_reached_and_of_nothing_that_is_ours_alone(tmp_path: Path) -> None:
    peer = Stage(tmp_path).meet()
    assert peer.said == [Routes((HOME,), (PUBLIC,), ((*RELAY, KEY),))]


def test_on_loopback_it_hears_of_loopback_too(tmp_path: Path) -> None:
    (said,) = Stage(tmp_path).meet("127.0.0.1").said
    assert ("127.0.0.1", 47474) in said.own
    assert ("127.0.0.1", 47470, KEY) in said.relays


def test_it_hears_again_only_when_something_is_another(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    peer = stage.meet()
    stage.rendezvous.changed()
    assert len(peer.said) == 1
    stage.own = [("10.0.0.7", 47474)]
    stage.rendezvous.changed()
    assert [said.own for said in peer.said] == [(HOME,), (("10.0.0.7", 47474),)]
    stage.rendezvous.lost(peer)
    assert not stage.rendezvous._said


def test_what_a_member_tells_is_sought_and_its_relays_are_remembered(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    peer = stage.meet()
    stage.rendezvous.told(peer, RoutesTold((HOME,), (PUBLIC, HOME), ((RELAY, KEY), (("127.0.0.1", 1), KEY))))
    door = Door(KEY, handle_of(KEY, BOB))
    assert peer.sought == [Places((HOME,), (PUBLIC,), (door,))]
    assert stage.doors == [door]
    place = f"203.0.113.1:47470~{printed(KEY)}"
    assert stage.learned == [place]
    assert stage.book.devices[BOB.hex()].relays == [place]
    stage.rendezvous.told(peer, RoutesTold((), (), ()))
    assert stage.book.devices[BOB.hex()].relays == [place], "it may be back there"
    assert stage.news == 1


def test_after_a_restart_the_book_leads_to_relays_and_doors(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.rendezvous.told(stage.meet(), RoutesTold((), (), ((RELAY, KEY),)))
    stage.book.joined(BOB, FolderId(bytes(16)), "write")
    stage.book.save()
    again = Stage(tmp_path)
    again.rendezvous.begin()
    assert again.learned == [f"203.0.113.1:47470~{printed(KEY)}"]
    assert again.doors == [Door(KEY, handle_of(KEY, BOB))]


def test_a_new_session_knows_the_doors_of_the_last_one_before_a_word_is_said(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.rendezvous.told(stage.meet(), RoutesTold((HOME,), (), ((RELAY, KEY),)))
    assert stage.meet().sought == [Places((), (), (Door(KEY, handle_of(KEY, BOB)),))]
