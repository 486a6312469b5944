"""The bytes of a record, layout 1, strict both ways (docs/PROTOCOL.md, "Record"):

    version     1 byte              the first three fields are the same in every version, so that a record of a
    origin      16 bytes            version not known here can be held and passed on
    seq         varint
    flags       1 byte              1: tombstone, 2: a content id follows the context
    key         20 bytes
    epoch       varint
    padded      varint              the size, rounded up; 0 for anything but a live file
    context     varint n, n × (origin 16 bytes, seq varint), ascending by origin
    content     0 or 32 bytes
    sealed      nonce 24 bytes, ciphertext of the body, tag 16 bytes, bound to all of the above
    signature   64 bytes            Ed25519 by the device, over all of the above

    body        kind 1 byte, mode u16, mtime i64 in ns, then varints: slack (padded - size), hlc; then five strings,
                each with a varint for its length: path, device name, target, moved (UTF-8), base (0 or 32 bytes)

A varint is unsigned LEB128 of at most 63 bits, in its shortest form. The size is rounded with PADMÉ (Nikitin et al.,
"Reducing Metadata Leakage from Encrypted Files", 2019): at most 12 % more, and of a size only its magnitude and a few
leading bits show.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from swarm.errors import BadPeer, SwarmError
from swarm.ids import HASH_BYTES, NO_CONTENT, ORIGIN_BYTES, PATH_KEY_BYTES, ContentId, Kind, Origin, PathKey
from swarm.keys.seal import SEAL_OVERHEAD
from swarm.keys.signature import SIGNATURE_BYTES

if TYPE_CHECKING:
    from swarm.index.record import Context, Record

VERSION: Final = 1

MAX_RECORD = 1 << 16  # bytes: the longest paths, target and context take 40 kB
MAX_CONTEXT = 1024  # origins that ever wrote one path: a hundred devices, each restored ten times
MAX_NUMBER = (1 << 63) - 1  # what SQLite and every language can count to

_TOMBSTONE = 1
_CONTENT = 2
_FRONT = 1 + ORIGIN_BYTES
_BODY = struct.Struct(">BHq")
_KINDS: Final = {kind.value: kind for kind in Kind}


class UnknownVersion(SwarmError):
    """The record was made by a newer swarm. It is kept and passed on, and holds the folder until swarm is updated."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What an author states: a Record before it is sealed and signed. Fields as in Record."""

    origin: Origin
    seq: int
    context: Context
    path: str
    kind: Kind
    hlc: int
    device_name: str
    tombstone: bool = False
    content: ContentId = NO_CONTENT
    size: int = 0
    mode: int = 0
    mtime_ns: int = 0
    target: str = ""
    base: bytes = b""
    moved: str = ""


class Head(NamedTuple):
    """What is readable in a record of any version."""

    version: int
    origin: Origin
    seq: int


class Outer(NamedTuple):
    """What every member reads, blind hosts included."""

    origin: Origin
    seq: int
    tombstone: bool
    key: PathKey
    epoch: int
    padded: int
    context: Context
    content: ContentId
    end: int  # where the sealed body begins


class Body(NamedTuple):
    """What is sealed."""

    kind: Kind
    mode: int
    mtime_ns: int
    slack: int
    hlc: int
    path: str
    device_name: str
    target: str
    moved: str
    base: bytes


def peek(raw: bytes) -> Head:
    """Who a record is from, of any version, without a look at the rest. Raises BadPeer."""
    if not _FRONT < len(raw) <= MAX_RECORD:
        raise BadPeer("a record has an impossible length")
    try:
        seq, _ = _read_number(raw, _FRONT)
    except IndexError as error:
        raise BadPeer("a record is cut off") from error
    if not seq:
        raise BadPeer("a record's seq is zero")
    return Head(raw[0], Origin(raw[1:_FRONT]), seq)


def padded_size(size: int) -> int:
    """`size` in bytes, rounded up by at most 12 %, so that only its first few bits remain (PADMÉ)."""
    if size < 2:
        return size
    exponent = size.bit_length() - 1
    mask = (1 << (exponent - exponent.bit_length())) - 1
    return (size + mask) & ~mask


# -- encoding


def encode_outer(draft: Draft, key: PathKey, epoch: int, padded: int) -> bytes:
    """Everything before the sealed body."""
    flags = _TOMBSTONE * draft.tombstone | _CONTENT * bool(draft.content)
    parts = [
        bytes((VERSION,)),
        draft.origin,
        _number(draft.seq),
        bytes((flags,)),
        key,
        _number(epoch),
        _number(padded),
        _number(len(draft.context)),
    ]
    for origin, seq in draft.context:
        parts += (origin, _number(seq))
    parts.append(draft.content)
    return b"".join(parts)


def encode_body(draft: Draft | Record, slack: int) -> bytes:
    """The body before it is sealed."""
    parts = [_BODY.pack(draft.kind, draft.mode, draft.mtime_ns), _number(slack), _number(draft.hlc)]
    for text in (draft.path, draft.device_name, draft.target, draft.moved):
        encoded = text.encode()
        parts += (_number(len(encoded)), encoded)
    parts += (_number(len(draft.base)), draft.base)
    return b"".join(parts)


def _number(value: int) -> bytes:
    if 0 <= value < 0x80:
        return bytes((value,))
    if not 0 <= value <= MAX_NUMBER:
        raise BadPeer("a number has more than 63 bits")
    groups = bytearray()
    while value >= 0x80:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


# -- decoding: an IndexError or struct.error anywhere means that the bytes end too early


def decode_outer(raw: bytes) -> Outer:
    """Raises UnknownVersion, BadPeer. The seal and the signature are there, and neither has been looked at."""
    if not raw or len(raw) > MAX_RECORD:
        raise BadPeer("a record has an impossible length")
    if raw[0] != VERSION:
        raise UnknownVersion(f"a record has version {peek(raw).version}", "update swarm")
    try:
        outer = _read_outer(raw)
    except IndexError as error:
        raise BadPeer("a record is cut off") from error
    if outer.end + SEAL_OVERHEAD + _BODY.size + SIGNATURE_BYTES > len(raw):
        raise BadPeer("a record is cut off")
    return outer


def _read_outer(raw: bytes) -> Outer:
    seq, at = _read_number(raw, _FRONT)
    flags = raw[at]
    if flags > _TOMBSTONE | _CONTENT:
        raise BadPeer("a record has flags of another version")
    key = PathKey(raw[at + 1 : at + 1 + PATH_KEY_BYTES])
    epoch, at = _read_number(raw, at + 1 + PATH_KEY_BYTES)
    padded, at = _read_number(raw, at)
    count, at = _read_number(raw, at)
    if count > MAX_CONTEXT:
        raise BadPeer("a record's context is too long")
    context = []
    previous = b""
    for _ in range(count):
        origin = Origin(raw[at : at + ORIGIN_BYTES])
        covered, at = _read_number(raw, at + ORIGIN_BYTES)
        if origin <= previous or not covered:
            raise BadPeer("a record's context is not in order")
        context.append((origin, covered))
        previous = origin
    content = NO_CONTENT
    if flags & _CONTENT:
        content = ContentId(raw[at : at + HASH_BYTES])
        at += HASH_BYTES
    return Outer(Origin(raw[1:_FRONT]), seq, bool(flags & _TOMBSTONE), key, epoch, padded, tuple(context), content, at)


def decode_body(body: bytes) -> Body:
    """Raises BadPeer."""
    try:
        return _read_body(body)
    except (IndexError, struct.error) as error:
        raise BadPeer("a record's body is cut off") from error
    except UnicodeDecodeError as error:
        raise BadPeer("a record's text is not Unicode") from error


def _read_body(body: bytes) -> Body:
    kind, mode, mtime_ns = _BODY.unpack_from(body)
    if kind not in _KINDS:
        raise BadPeer("a record has a kind of another version")
    slack, at = _read_number(body, _BODY.size)
    hlc, at = _read_number(body, at)
    path, at = _read_bytes(body, at)
    device_name, at = _read_bytes(body, at)
    target, at = _read_bytes(body, at)
    moved, at = _read_bytes(body, at)
    base, at = _read_bytes(body, at)
    if at != len(body):
        raise BadPeer("a record's body does not end where it should")
    return Body(
        _KINDS[kind],
        mode,
        mtime_ns,
        slack,
        hlc,
        path.decode(),
        device_name.decode(),
        target.decode(),
        moved.decode(),
        base,
    )


def _read_bytes(data: bytes, at: int) -> tuple[bytes, int]:
    size, at = _read_number(data, at)
    if at + size > len(data):
        raise IndexError
    return data[at : at + size], at + size


def _read_number(data: bytes, at: int) -> tuple[int, int]:
    byte = data[at]
    at += 1
    if byte < 0x80:
        return byte, at
    value = byte & 0x7F
    for shift in range(7, 63, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if not byte:
                raise BadPeer("a number is not in its shortest form")
            return value, at
    raise BadPeer("a number has more than 63 bits")
