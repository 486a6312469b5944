"""The records that this node keeps for others, in memory. Pure.

Everything is bounded, and *a flood evicts only itself*: when the store is full, what goes is the record that ends first
among those of the network that has brought the most, and a newcomer from that network is refused. A record belongs to
the network that brought it; who brings somebody else's record once more gains nothing, since a record that two have
brought counts for the one with fewer.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from swarm.discovery.dht.provider import MAX_SKEW, SLOT_BYTES

if TYPE_CHECKING:
    from swarm.discovery.dht.provider import Record

MAX_RECORDS: Final = 16_384  # about 12 MB
MAX_SLOTS: Final = 128  # devices of one folder in one day, the same one under a second identity included
MAX_OF_NETWORK: Final = 1_024  # records that one network brings: a company's, behind one address
SWEEP_SECONDS: Final = 60.0  # between two looks for records that have expired


class Outcome(IntEnum):
    """What became of a record that somebody brought. The numbers are on the wire."""

    STORED = 0
    OLDER = 1  # a later one of its slot is here
    FULL = 2
    BAD_TOKEN = 3
    BAD_RECORD = 4


class Page(NamedTuple):
    """Some of a topic's records, in the order of their slots."""

    public_key: bytes
    records: tuple[bytes, ...]
    more: bool


@dataclass(slots=True)
class _Held:
    record: Record
    network: bytes


@dataclass(slots=True)
class _Topic:
    public_key: bytes
    slots: dict[bytes, _Held]


class ProviderStore:
    """Topics, and in each a record for each slot."""

    def __init__(self, max_records: int = MAX_RECORDS) -> None:
        self._max = max_records
        self._topics: dict[bytes, _Topic] = {}
        self._brought: dict[bytes, set[tuple[bytes, bytes]]] = {}  # network -> (topic, slot)
        self._count = 0
        self._swept = 0.0

    def __len__(self) -> int:
        return self._count

    def put(self, public_key: bytes, record: Record, network: bytes, wall: float) -> Outcome:
        """Keeps a record that was checked; `network` is where it came from."""
        self.sweep(wall)
        topic = self._topics.get(record.topic)
        held = topic.slots.get(record.slot) if topic is not None else None
        if held is not None:
            if record.issued < held.record.issued <= wall + MAX_SKEW:  # beyond, the clock was set back since
                return Outcome.OLDER
            held.record = record
            self._share(held, network)
            return Outcome.STORED
        if topic is not None and len(topic.slots) >= MAX_SLOTS:
            return Outcome.FULL
        if len(self._brought.get(network, ())) >= MAX_OF_NETWORK or not self._make_room(network):
            return Outcome.FULL
        # looked up again: making room may have emptied it
        topic = self._topics.setdefault(record.topic, _Topic(public_key, {}))
        topic.slots[record.slot] = _Held(record, network)
        self._brought.setdefault(network, set()).add((record.topic, record.slot))
        self._count += 1
        return Outcome.STORED

    def page(self, topic: bytes, after: bytes, most: int, wall: float) -> Page | None:
        """At most `most` records of a topic whose slots come after `after` (b"" for the first); None without any."""
        known = self._topics.get(topic)
        if known is None:
            return None
        live = sorted(slot for slot, held in known.slots.items() if slot > after and held.record.expires > wall)
        chosen = tuple(known.slots[slot].record.raw for slot in live[:most])
        return Page(known.public_key, chosen, len(live) > most)

    def records(self, topic: bytes, wall: float) -> list[Record]:
        """All that are good now, for ourselves."""
        known = self._topics.get(topic)
        return [held.record for held in known.slots.values() if held.record.expires > wall] if known is not None else []

    def sweep(self, wall: float) -> None:
        """Lets go of what has expired, at most once a minute."""
        if 0 <= wall - self._swept < SWEEP_SECONDS:
            return
        self._swept = wall
        ended = [
            (topic, slot)
            for topic, known in self._topics.items()
            for slot, held in known.slots.items()
            if held.record.expires <= wall
        ]
        for topic, slot in ended:
            self._remove(topic, slot)

    def _share(self, held: _Held, network: bytes) -> None:
        """Two have brought it: it counts for the one with fewer, so that nobody can take it into his own flood."""
        theirs, others = self._brought.get(network, set()), self._brought[held.network]
        if network == held.network or len(theirs) >= len(others):
            return
        key = (held.record.topic, held.record.slot)
        self._forget(held.network, key)
        self._brought.setdefault(network, set()).add(key)
        held.network = network

    def _make_room(self, network: bytes) -> bool:
        if self._count < self._max:
            return True
        loudest = max(self._brought, key=lambda other: len(self._brought[other]))
        if len(self._brought[loudest]) <= len(self._brought.get(network, ())) + 1:
            return False  # everybody has as much as this one would have
        first = min(self._brought[loudest], key=lambda key: (self._topics[key[0]].slots[key[1]].record.issued, key))
        self._remove(*first)
        return True

    def _remove(self, topic: bytes, slot: bytes) -> None:
        known = self._topics[topic]
        held = known.slots.pop(slot)
        if not known.slots:
            del self._topics[topic]
        self._forget(held.network, (topic, slot))
        self._count -= 1

    def _forget(self, network: bytes, key: tuple[bytes, bytes]) -> None:
        brought = self._brought[network]
        brought.discard(key)
        if not brought:
            del self._brought[network]


def is_cursor(after: bytes) -> bool:
    """Can this be where a page begins?"""
    return len(after) in (0, SLOT_BYTES)
