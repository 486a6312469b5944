"""A provider record: "a member of this folder is at these places", for members to read and for nobody else. Pure.

    discovery key ─> the day's key pair    its public key's hash is the *topic*, at which records are kept
                  └> the day's seal key    opens the records, and names each device's *slot*

A node that keeps records can check that each was signed by the key that its topic is the hash of: so only who has the
discovery key can write there. It cannot tell whose folder that is, link one day's topic to another's, or read a place.
Records have one size, whatever is in them; a slot is a device's for a day, and a record replaces an older one there.

Rejected: the hash of the folder's id as the topic (for ever the same, so that whoever once learnt it can watch), and a
record for each device under its own key (whoever holds only the printed key does not know the devices).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from swarm.discovery.dht.place import Place, pack_places, parse_places
from swarm.errors import BadPeer, Integrity
from swarm.keys.derive import digest, kdf
from swarm.keys.seal import SEAL_OVERHEAD, open_sealed, seal
from swarm.keys.signature import SIGNATURE_BYTES, key_pair, sign, verify

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swarm.ids import DeviceId

VERSION: Final = 1
TOPIC_BYTES: Final = 20  # a key of Kademlia
SLOT_BYTES: Final = 8
PLACES_BYTES: Final = 112  # two addresses of each family and one relay, or two relays and an address of each
DAY: Final = 86_400  # seconds
LIFETIME: Final = 7_200  # seconds; published every hour, so that one that is missed does no harm
MAX_SKEW: Final = 600  # seconds that a record may be from the future; nobody else's clock is the right one
NEAR_MIDNIGHT: Final = 3_600.0  # seconds in which the neighbouring day counts too: clocks differ, searches take time
CONTEXT: Final = b"swarm1.provider"

_DAY_BYTES, _ISSUED_BYTES = 4, 4
_SLOT_AT = 1 + _DAY_BYTES
OUTER_BYTES: Final = 1 + _DAY_BYTES + SLOT_BYTES + _ISSUED_BYTES
RECORD_BYTES: Final = OUTER_BYTES + SEAL_OVERHEAD + PLACES_BYTES + SIGNATURE_BYTES


@dataclass(frozen=True, slots=True)
class Record:
    """What everybody can read of a record that is genuine."""

    topic: bytes
    slot: bytes
    issued: int  # seconds since 1970, by the issuer's clock; of two in one slot the later counts
    raw: bytes = field(repr=False)

    @property
    def expires(self) -> int:
        """Seconds since 1970."""
        return self.issued + LIFETIME


@dataclass(frozen=True, slots=True, repr=False)
class DayKeys:
    """What a folder's discovery key gives for one day."""

    day: int
    public_key: bytes
    secret_key: bytes = field(repr=False)
    seal_key: bytes = field(repr=False)

    @classmethod
    def derive(cls, discovery_key: bytes, day: int) -> DayKeys:
        number = day.to_bytes(_DAY_BYTES, "big")
        public_key, secret_key = key_pair(kdf(discovery_key, b"swarm1.daysign", number))
        return cls(day, public_key, secret_key, kdf(discovery_key, b"swarm1.dayseal", number))

    @property
    def topic(self) -> bytes:
        return topic_of(self.public_key)

    def slot(self, device: DeviceId) -> bytes:
        """Where this device's record is: random to strangers, and another one tomorrow."""
        return kdf(self.seal_key, b"swarm1.slot", device, SLOT_BYTES)

    def issue(self, device: DeviceId, places: Iterable[Place], issued: int) -> bytes:
        """A record of RECORD_BYTES; without places it says that the device is to be found nowhere."""
        outer = bytes([VERSION]) + self.day.to_bytes(_DAY_BYTES, "big") + self.slot(device)
        outer += issued.to_bytes(_ISSUED_BYTES, "big")
        body = outer + seal(self.seal_key, outer, pack_places(places, PLACES_BYTES))
        return body + sign(self.secret_key, CONTEXT, body)

    def open(self, record: Record) -> tuple[Place, ...]:
        """Where the device says that it is. Raises Integrity when it is not sealed with this day's key."""
        outer, sealed = record.raw[:OUTER_BYTES], record.raw[OUTER_BYTES:-SIGNATURE_BYTES]
        if record.topic != self.topic:
            raise Integrity("a provider record of another topic")
        return parse_places(open_sealed(self.seal_key, outer, sealed))

    def __repr__(self) -> str:
        return f"DayKeys({self.day}, topic {self.topic[:4].hex()})"


def topic_of(public_key: bytes) -> bytes:
    return digest(b"swarm1.topic", public_key, TOPIC_BYTES)


def slot_of(raw: bytes) -> bytes:
    """Of a record's bytes, genuine or not."""
    return raw[_SLOT_AT : _SLOT_AT + SLOT_BYTES]


def day_of(wall: float) -> int:
    """The day since 1970, in UTC."""
    return int(wall // DAY)


def days_near(wall: float) -> tuple[int, ...]:
    """Today, and close to midnight the neighbouring day: both are announced at, and both are asked."""
    today = day_of(wall)
    since = wall - today * DAY
    if since < NEAR_MIDNIGHT:
        return today, today - 1
    return (today, today + 1) if since >= DAY - NEAR_MIDNIGHT else (today,)


def check(public_key: bytes, raw: bytes, wall: float) -> Record:
    """The record, if the holder of the topic's key wrote it and it is good now. Raises BadPeer."""
    if len(raw) != RECORD_BYTES or raw[0] != VERSION:
        raise BadPeer("not a provider record of this version")
    day = int.from_bytes(raw[1:_SLOT_AT], "big")
    issued = int.from_bytes(raw[OUTER_BYTES - _ISSUED_BYTES : OUTER_BYTES], "big")
    if not wall - LIFETIME < issued <= wall + MAX_SKEW:
        raise BadPeer("a provider record that is too old, or from the future")
    if abs(day - day_of(wall)) > 1:
        raise BadPeer("a provider record of another day")
    if not verify(public_key, CONTEXT, raw[:-SIGNATURE_BYTES], raw[-SIGNATURE_BYTES:]):
        raise BadPeer("a provider record that its topic's key did not sign")
    return Record(topic_of(public_key), slot_of(raw), issued, raw)
