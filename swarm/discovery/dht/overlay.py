"""The DHT of one address family: searches over a protocol, and the nodes to begin with. Drives `Lookup`.

*Anchors* are the nodes that the user, a key's hints or members named, and that answered. A search begins at them too,
and they are given records though they may be clients: in a network of three devices there is nobody else.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from swarm.discovery.dht.contact import Contact, is_bound, parse_contact
from swarm.discovery.dht.crowd import Crowd
from swarm.discovery.dht.lookup import K, Lookup
from swarm.discovery.dht.messages import Done, Found, Got, Pong
from swarm.discovery.dht.provider import check, slot_of, topic_of
from swarm.discovery.dht.store import Outcome
from swarm.errors import BadPeer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from swarm.discovery.dht.contact import Address
    from swarm.discovery.dht.messages import Answer
    from swarm.discovery.dht.protocol import Protocol
    from swarm.discovery.dht.provider import Record

    Asked = asyncio.Future[Answer | None]

REPLICAS: Final = 10  # nodes that are given a record: with a fifth of them liars, one in 10^7 has only liars
NEAREST: Final = 16  # nodes closest to a topic that have to have answered
MAX_PAGES: Final = 48  # further pages of one search, from all nodes: 128 slots are 32 pages
NEAR_POINT: Final = 8  # nodes closest to a point of a crowded region
MAX_WIDE: Final = 40  # nodes of it that are asked and given records, beside the closest
MAX_ANCHORS: Final = 16
MAX_MET: Final = 64


@dataclass(slots=True)
class Search:
    """What came of one."""

    lookup: Lookup
    tokens: dict[bytes, bytes] = field(default_factory=dict)  # node id -> for a Put
    records: dict[bytes, Record] = field(default_factory=dict)  # slot -> the latest
    wide: list[Contact] = field(default_factory=list)  # of the region, where it is crowded around the topic
    refuted: int = 0  # records that were shown and are not genuine, or not good any more
    pages: int = 0


class Overlay:
    """Searches of one node."""

    def __init__(
        self,
        protocol: Protocol,
        *,
        wall: Callable[[], float],
        random: Callable[[int], bytes],
        on_lost: Callable[[], None],
    ) -> None:
        """`on_lost`: an anchor does not answer any more."""
        self.protocol = protocol
        self._wall = wall
        self._on_lost = on_lost
        self._random = random
        self.crowd = Crowd()
        self._loop = asyncio.get_running_loop()
        self.anchors: dict[Address, Contact] = {}
        self._met: dict[Address, bytes] = {}  # ids of anchors, those that were lost included

    @property
    def is_up(self) -> bool:
        """Is anybody known to ask?"""
        return bool(self.anchors) or len(self.protocol.table) > 0

    async def greet(self, addresses: Iterable[Address], *, anchors: bool) -> int:
        """Pings them all at once; those that answer are in the table, and perhaps anchors. How many are new here.

        A node that has begun anew has another id, and has forgotten what it was given.
        """
        asked = {address: self.protocol.ping(address) for address in dict.fromkeys(addresses)}
        fresh = 0
        for address, future in asked.items():
            answer, known = await future, self.anchors.get(address)
            if not isinstance(answer, Pong):
                if anchors and known is not None and answer is None:
                    self.anchors.pop(address, None)
                continue
            contact = Contact(answer.sender, *address)
            if not anchors:
                fresh += 1
            elif known is not None or len(self.anchors) < MAX_ANCHORS:
                self.anchors[address] = contact
                fresh += self._met.get(address) != contact.id
                self._met[address] = contact.id
                if len(self._met) > MAX_MET:
                    del self._met[next(iter(self._met))]
        return fresh

    async def approach(self, target: bytes) -> Lookup:
        """Finds the nodes close to a target; who answers on the way is in the table then."""
        lookup = (await self._run(target, None, None)).lookup
        self.crowd.learn(target, lookup.closest(K, self._loop.time()))
        return lookup

    async def search(
        self, public_key: bytes, on_record: Callable[[Record], None] | None = None, *, nearest: int = NEAREST
    ) -> Search:
        """Finds the records of a topic; `on_record` gets each as it comes, and a later one of its slot too."""
        topic = topic_of(public_key)
        search = await self._run(topic, public_key, on_record, nearest)
        if self.crowd.is_crowded(topic, search.lookup.closest(nearest, self._loop.time())):
            await self._widen(search, topic, public_key, on_record)
        return search

    async def publish(self, public_key: bytes, raw: bytes) -> int:
        """Brings a record to the nodes closest to its topic. How many have it now."""
        search = await self.search(public_key)
        closest = search.lookup.closest(REPLICAS, self._loop.time())
        nodes = [node for node in dict.fromkeys([*closest, *search.wide]) if node.id in search.tokens]
        asked = [self.protocol.bring(node, search.tokens[node.id], public_key, raw) for node in nodes]
        answers = [await future for future in asked]
        return sum(isinstance(answer, Done) and answer.outcome == Outcome.STORED for answer in answers)

    async def _widen(
        self, search: Search, topic: bytes, public_key: bytes, on_record: Callable[[Record], None] | None
    ) -> None:
        """Asks the nodes of the region, too."""
        points = self.crowd.points(topic, self._random)
        found = await asyncio.gather(*(self._run(point, None, None, NEAR_POINT) for point in points))
        now = self._loop.time()
        near = dict.fromkeys(node for one in found for node in one.lookup.closest(NEAR_POINT, now))
        search.wide = self.crowd.within(topic, list(near))[:MAX_WIDE]
        asked = {node: self.protocol.ask_records(node, topic) for node in search.wide if node.id not in search.tokens}
        for node, future in asked.items():
            answer = await future
            if isinstance(answer, Got) and answer.sender == node.id:
                search.tokens[node.id] = answer.token
                self._read(search, public_key, answer, on_record)

    async def prove(self) -> None:
        """Has strangers try to reach us."""
        for contact in self.protocol.table.closest(self.protocol.id, 3):
            pong = await self.protocol.ping(contact.address, contact.id)
            if isinstance(pong, Pong):
                await self.protocol.ask_proof(contact, pong.token)

    async def _run(
        self,
        target: bytes,
        public_key: bytes | None,
        on_record: Callable[[Record], None] | None,
        nearest: int = K,
    ) -> Search:
        protocol = self.protocol
        seeds = [*protocol.table.closest(target, K), *self.anchors.values()]
        search = Search(Lookup(target, protocol.id, seeds, k=nearest))
        lookup = search.lookup
        under_way: dict[Asked, tuple[Contact, bool]] = {}
        while True:
            now = self._loop.time()
            for contact in lookup.due(now):
                asked = (
                    protocol.ask_for(contact, target) if public_key is None else protocol.ask_records(contact, target)
                )
                under_way[asked] = contact, True
            if not under_way or (lookup.is_finished(now) and not any(not first for _, first in under_way.values())):
                return search
            wake = lookup.wake_at(now)
            done, _ = await asyncio.wait(
                under_way,
                timeout=None if wake is None else max(0.001, wake - now),
                return_when=asyncio.FIRST_COMPLETED,
            )
            for future in done:
                contact, first = under_way.pop(future)
                answer = future.result()
                if first:
                    self._heard(lookup, contact, answer)
                if isinstance(answer, Got) and public_key is not None:
                    after = self._read(search, public_key, answer, on_record)
                    search.tokens[answer.sender] = answer.token
                    if after and search.pages < MAX_PAGES:
                        search.pages += 1
                        under_way[protocol.ask_records(contact, target, after)] = contact, False

    def _heard(self, lookup: Lookup, contact: Contact, answer: Answer | None) -> None:
        if not isinstance(answer, Found | Got) or not self._is_believed(Contact(answer.sender, *contact.address)):
            lookup.failed(contact)
            if self.anchors.get(contact.address) == contact:
                del self.anchors[contact.address]
                self._on_lost()
            return
        told = (parse_contact(data, contact.host) for data in answer.contacts)
        others = [other for other in told if other is not None]
        lookup.answered(contact, others, self._loop.time(), answer.sender)

    def _is_believed(self, contact: Contact) -> bool:
        """An anchor may be a client, and not know the address that its id should be bound to."""
        return contact.address in self.anchors or is_bound(contact)

    def _read(
        self, search: Search, public_key: bytes, answer: Got, on_record: Callable[[Record], None] | None
    ) -> bytes:
        """Takes up the records of a page; where the next one begins, b"" for the end."""
        fresh = False
        for raw in answer.records:
            try:
                record = check(public_key, raw, self._wall())
            except BadPeer:
                search.refuted += 1
                continue
            known = search.records.get(record.slot)
            if known is None or known.issued < record.issued:
                search.records[record.slot] = record
                fresh = True
                if on_record is not None:
                    on_record(record)
        if not answer.more or not answer.records:
            return b""
        # Replicas say the same, so that a page without anything new is mostly followed by others like it.
        return slot_of(answer.records[-1]) if fresh or search.pages < MAX_PAGES // 4 else b""
