"""The routing table: kademlia's buckets, with few contacts of each network, and the closest that are really closest.

Only what answered us comes in here. Of the library's table the buckets and their splitting are used; its walk to the
neighbours of a key does not give the closest (it takes whole buckets in the order of the list), so that is done here.
"""

from __future__ import annotations

import heapq
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from kademlia.node import Node

from swarm.discovery.dht.contact import Contact, Scope, network, scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_CONTACTS: Final = 2_048  # a million nodes give a table of 400
MAX_OF_NETWORK: Final = 4
MAX_FAILURES: Final = 2  # in a row: one may be a lost packet


class Table:
    """Around the `RoutingTable` of a protocol."""

    def __init__(self, router: Any) -> None:
        self._router = router
        self._failures: dict[bytes, int] = {}

    def __len__(self) -> int:
        return sum(len(bucket) for bucket in self._router.buckets)

    def __iter__(self) -> Iterator[Contact]:
        return map(_contact, self._nodes())

    def get(self, node_id: bytes) -> Contact | None:
        node = self._bucket(node_id)[node_id]
        return _contact(node) if node is not None else None

    def accepts(self, contact: Contact) -> bool:
        """Is there room for one more, and for one more of its network?"""
        if self.get(contact.id) is not None or len(self) >= MAX_CONTACTS:
            return False
        if scope(contact.host) is not Scope.GLOBAL:
            return True  # on our own network, where there are no others to choose from
        near = network(contact.host)
        return sum(network(node.ip) == near for node in self._nodes()) < MAX_OF_NETWORK

    def add(self, contact: Contact) -> None:
        """It has just answered."""
        self._failures.pop(contact.id, None)
        known = self.get(contact.id)
        if known == contact or (known is None and self.accepts(contact)):
            self._router.add_contact(Node(contact.id, contact.host, contact.port))

    def failed(self, contact: Contact) -> None:
        """It did not answer."""
        if self.get(contact.id) != contact:
            return
        count = self._failures[contact.id] = self._failures.get(contact.id, 0) + 1
        if count >= MAX_FAILURES:
            self.remove(contact)

    def remove(self, contact: Contact) -> None:
        self._failures.pop(contact.id, None)
        if self.get(contact.id) == contact:
            self._router.remove_contact(Node(contact.id, contact.host, contact.port))

    def closest(self, target: bytes, count: int) -> list[Contact]:
        if count <= 0:
            return []
        number = int.from_bytes(target, "big")
        return [
            _contact(node) for node in heapq.nsmallest(count, self._nodes(), key=lambda node: node.long_id ^ number)
        ]

    def begin_anew(self, own: bytes) -> None:
        """Our own id is another one: the buckets are cut elsewhere."""
        contacts = list(self)
        self._router.node = Node(own)
        self._router.flush()
        self._failures.clear()
        for contact in contacts:
            self._router.add_contact(Node(contact.id, contact.host, contact.port))

    def targets(self, random: Callable[[int], bytes]) -> list[bytes]:
        """An id in each bucket, to look up what is there now."""
        targets = []
        for bucket in self._router.buckets:
            low, high = bucket.range
            span = max(1, high - low)
            targets.append(min(low + int.from_bytes(random(24), "big") % span, (1 << 160) - 1).to_bytes(20, "big"))
        return targets

    def _nodes(self) -> Iterator[Any]:
        return chain.from_iterable(bucket.nodes.values() for bucket in self._router.buckets)

    def _bucket(self, node_id: bytes) -> Any:
        return self._router.buckets[self._router.get_bucket_for(Node(node_id))]


def _contact(node: Any) -> Contact:
    return Contact(node.id, node.ip, node.port)
