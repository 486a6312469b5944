"""What a device calls itself on the local network: a name that means nothing, and tags that mean something to members.

The name is random and new at each start. For each folder there is a tag, a keyed hash by the folder's discovery key of
that name, the port and the hour. Who holds the key makes the same tags and finds one of them; to everybody else they
are random, differ from device to device, and are others in the next hour. What fills a list up is a keyed hash too:
were it drawn anew, whoever compares two announcements of one hour would see which tags stayed, and so how many folders
there are. Pure.

Rejected: the folder id or the device id (whoever listens would know who is where), and a truncated hash of the folder
id alone (the same everywhere and for ever: a name by another name).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from swarm.keys.derive import kdf

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NAME_BYTES: Final = 8
TAG_BYTES: Final = 8  # a stranger's list of 96 fits by chance one time in 10^15, and leads to a dial that fails
STEP: Final = 8  # hides all but the order of magnitude of how many folders there are
MAX_TAGS: Final = 96  # folders announced; the announcement has to fit one datagram
TAGS_PER_TEXT: Final = 24  # one text of a TXT record holds 255 bytes
HOUR: Final = 3600  # seconds
SKEW: Final = (0, -1, 1)  # hours by which clocks may differ


def hour_of(wall: float) -> int:
    """The hour that tags are made for, of seconds since 1970."""
    return int(wall // HOUR)


def announce(keys: Iterable[bytes], filler: bytes, name: bytes, port: int, hour: int) -> tuple[bytes, ...]:
    """Tags for the folders of these discovery keys, sorted. `filler`: 32 random bytes, drawn once for a name."""
    tags = [_tag(key, name, port, hour) for key in keys][:MAX_TAGS]
    lacking = -len(tags) % STEP if tags else STEP
    fill = (kdf(filler, b"swarm1.lan", _info(name, port, hour) + bytes([at]), TAG_BYTES) for at in range(lacking))
    return tuple(sorted([*tags, *fill]))


def recognises(keys: Iterable[bytes], tags: frozenset[bytes], name: bytes, port: int, hour: int) -> bool:
    """Has whoever announced these tags a folder of one of these discovery keys?"""
    return any(_tag(key, name, port, hour + skew) in tags for key in keys for skew in SKEW)


def texts(tags: tuple[bytes, ...]) -> dict[str, bytes]:
    """As properties of a TXT record: t0, t1, …"""
    starts = range(0, len(tags), TAGS_PER_TEXT)
    return {f"t{at // TAGS_PER_TEXT}": b"".join(tags[at : at + TAGS_PER_TEXT]) for at in starts}


def parse_texts(properties: Mapping[bytes, bytes | None]) -> frozenset[bytes]:
    """The tags in somebody's TXT record; whatever is none is passed over."""
    found = [properties.get(b"t%d" % index) or b"" for index in range(MAX_TAGS // TAGS_PER_TEXT)]
    return frozenset(
        text[at : at + TAG_BYTES] for text in found for at in range(0, len(text) - TAG_BYTES + 1, TAG_BYTES)
    )


def _tag(key: bytes, name: bytes, port: int, hour: int) -> bytes:
    return kdf(key, b"swarm1.lan", _info(name, port, hour), TAG_BYTES)


def _info(name: bytes, port: int, hour: int) -> bytes:
    return name + port.to_bytes(2, "big") + hour.to_bytes(8, "big")
