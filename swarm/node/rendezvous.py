"""Tells members how this device may be reached, and each link how its peer may be (Routes, message 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.ids import DeviceId
from swarm.keys.relay import RelayPass, handle_of, printed
from swarm.node.relay_list import learned, learned_as
from swarm.node.tellable import tellable
from swarm.session.messages import MAX_PLACES, MAX_RELAYS, Routes
from swarm.wire.hop import Door, Places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from swarm.config import RelayAddress
    from swarm.node.address_book import AddressBook
    from swarm.node.finder import Finder
    from swarm.node.peer import Peer
    from swarm.node.relays import Relays
    from swarm.session.events import RoutesTold


class Rendezvous:
    """Made and used on the loop."""

    def __init__(
        self,
        relays: Relays,
        book: AddressBook,
        peers: Mapping[DeviceId, Peer],
        finder: Finder,
        *,
        on_news: Callable[[], None],
    ) -> None:
        """`peers`: who is connected. `on_news`: the book is worth saving."""
        self._relays = relays
        self._book = book
        self._peers = peers
        self._finder = finder
        self._on_news = on_news
        self._said: dict[Peer, Routes] = {}

    def begin(self) -> None:
        """What the book says of relays and of members at them."""
        for device, entry in self._book.devices.items():
            places = [place for text in entry.relays if (place := learned_as(text)) is not None]
            self._relays.learn(places)
            self._finder.know_doors(_doors(places, bytes.fromhex(device)), DeviceId(bytes.fromhex(device)))

    def connected(self, peer: Peer) -> None:
        """A session with a member has begun. What it said of its relays before is good until it says otherwise: the way
        to it may fail before it does."""
        entry = self._book.devices.get(peer.device.hex()) if peer.device is not None else None
        if peer.device is not None and entry is not None:
            places = [place for text in entry.relays if (place := learned_as(text)) is not None]
            if doors := tuple(_doors(places, peer.device)):
                peer.link.seek(Places((), (), doors))
        self._tell(peer)

    def lost(self, peer: Peer) -> None:
        """It is over."""
        self._said.pop(peer, None)

    def changed(self) -> None:
        """This device may be reached otherwise than before."""
        for peer in list(self._peers.values()):
            self._tell(peer)

    def told(self, peer: Peer, said: RoutesTold) -> None:
        """A member says how it may be reached."""
        if peer.device is None:
            return
        near = set(tellable((address for address, _ in said.relays), peer))
        told = [(address, key) for address, key in said.relays if address in near]
        relays = [place for (host, port), key in told if (place := learned(host, port, printed(key)))]
        if self._book.relayed(peer.device, [str(place) for place in relays]):
            self._on_news()
        self._relays.learn(relays)
        own = tuple(tellable(said.own, peer))
        seen = tuple(place for place in tellable(said.seen, peer) if place not in own)
        doors = tuple(_doors(relays, peer.device))
        self._finder.know_doors(doors, peer.device)
        peer.link.seek(Places(own, seen, doors))

    def _tell(self, peer: Peer) -> None:
        own = tuple(tellable(self._finder.addresses(), peer))[:MAX_PLACES]
        seen = tuple(place for place in tellable(self._relays.seen(), peer) if place not in own)[:MAX_PLACES]
        reserved = self._relays.reserved()
        near = set(tellable((address for address, _ in reserved), peer))
        relays = tuple((*address, key) for address, key in reserved if address in near)[:MAX_RELAYS]
        message = Routes(own, seen, relays)
        if self._said.get(peer) != message:
            self._said[peer] = message
            peer.session.tell_routes(message)
            peer.flush()


def _doors(relays: Iterable[RelayAddress], device: bytes) -> list[Door]:
    keys = [RelayPass.parse(place.key).key for place in relays]
    return [Door(key, handle_of(key, device)) for key in keys]
