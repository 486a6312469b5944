"""Records as bytes: strict both ways, signed as they stand, never re-encoded. Layout 1 (docs/PROTOCOL.md, "Record"):

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

A varint is unsigned LEB128 of at most 63 bits, in its shortest form. The size is rounded with PADMÉ (Nikitin et al., 2019),
which costs a blind host no space, and gives away log log size bits of it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from blake3 import blake3

from swarm.errors import BadPeer, Bug, SwarmError
from swarm.ids import HASH_BYTES, NO_CONTENT, ORIGIN_BYTES, PATH_KEY_BYTES, ContentId, Kind, Origin, PathKey, RecordHash
from swarm.index.paths import check_path
from swarm.index.record import Context, Record
from swarm.keys.derive import MAX_EPOCH
from swarm.keys.device import verify
from swarm.keys.seal import SEAL_OVERHEAD, open_sealed, path_key, seal
from swarm.keys.signature import SIGNATURE_BYTES

if TYPE_CHECKING:
    from swarm.ids import DeviceId
    from swarm.keys.chain import FolderKeys
    from swarm.keys.device import DeviceKey

VERSION: Final = 1
RECORD_CONTEXT: Final = b"swarm1.record"

MAX_RECORD = 1 << 16  # bytes: the longest paths, target and context take 40 kB
MAX_CONTEXT = 1024  # origins that ever wrote one path: a hundred devices, each restored ten times
MAX_NUMBER = (1 << 63) - 1  # what SQLite and every language can count to
MAX_DEVICE_NAME = 64  # bytes: HOST_NAME_MAX
MAX_TARGET = 4095  # bytes of a symlink's target: PATH_MAX without its NUL

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


class _Outer(NamedTuple):
    seq: int
    flags: int
    key: PathKey
    epoch: int
    padded: int
    context: Context
    content: ContentId
    end: int  # where the sealed body begins


class _Body(NamedTuple):
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


def author(draft: Draft, keys: FolderKeys, device: DeviceKey) -> Record:
    """Seals and signs. Raises Bug for a draft that no device would accept."""
    try:
        key = path_key(keys.path_key(), draft.path)
        padded = padded_size(draft.size)
        outer = _encode_outer(draft, key, keys.epoch, padded)
        body = _encode_body(draft, padded - draft.size)
        message = outer + seal(keys.seal_key(keys.epoch), outer, body)
        raw = message + device.sign(RECORD_CONTEXT, message)
        record = _assemble(raw, _decode_outer(raw), _decode_body(body))
        _check(record, padded)
    except (BadPeer, UnicodeEncodeError, struct.error) as error:
        raise Bug(f"we would write a record that nobody accepts: {error}") from error
    return record


def open_record(raw: bytes, keys: FolderKeys) -> Record:
    """The record, decrypted, with everything but its signature checked (`verify_record`).

    Raises UnknownVersion, BadPeer for a malformed or unsafe record, Integrity when the seal does not open, Unavailable
    for an epoch whose key is not here.
    """
    outer = _decode_outer(raw)
    body = open_sealed(keys.seal_key(outer.epoch), raw[: outer.end], raw[outer.end : -SIGNATURE_BYTES])
    record = _assemble(raw, outer, _decode_body(body))
    _check(record, outer.padded)
    if path_key(keys.path_key(), record.path) != record.key:
        raise BadPeer("a record's path key is not that of its path")
    return record


def verify_record(raw: bytes, device_id: DeviceId) -> bool:
    """Whether that device signed these bytes. The slow step: run it in threads."""
    return verify(device_id, RECORD_CONTEXT, raw[:-SIGNATURE_BYTES], raw[-SIGNATURE_BYTES:])


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


def dump(record: Record) -> bytes:
    """The plain body, to be kept beside `raw` so that `restore` needs no decryption."""
    return _encode_body(record, padded_size(record.size) - record.size)


def restore(raw: bytes, body: bytes) -> Record:
    """A record from our own database: what `raw` and `dump` were. Raises UnknownVersion, BadPeer for damaged bytes."""
    return _assemble(raw, _decode_outer(raw), _decode_body(body))


def padded_size(size: int) -> int:
    """`size` rounded up so that at most log log of its bits remain; 12 % more at most."""
    if size < 2:
        return size
    exponent = size.bit_length() - 1
    mask = (1 << (exponent - exponent.bit_length())) - 1
    return (size + mask) & ~mask


# -- encoding


def _encode_outer(draft: Draft, key: PathKey, epoch: int, padded: int) -> bytes:
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


def _encode_body(draft: Draft | Record, slack: int) -> bytes:
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


def _decode_outer(raw: bytes) -> _Outer:
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


def _read_outer(raw: bytes) -> _Outer:
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
    return _Outer(seq, flags, key, epoch, padded, tuple(context), content, at)


def _decode_body(body: bytes) -> _Body:
    try:
        return _read_body(body)
    except (IndexError, struct.error) as error:
        raise BadPeer("a record's body is cut off") from error
    except UnicodeDecodeError as error:
        raise BadPeer("a record's text is not Unicode") from error


def _read_body(body: bytes) -> _Body:
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
    return _Body(
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


def _assemble(raw: bytes, outer: _Outer, body: _Body) -> Record:
    return Record(
        outer.epoch,
        Origin(raw[1:_FRONT]),
        outer.seq,
        outer.context,
        outer.key,
        bool(outer.flags & _TOMBSTONE),
        outer.content,
        body.path,
        body.kind,
        outer.padded - body.slack,
        body.mode,
        body.mtime_ns,
        body.hlc,
        body.device_name,
        body.target,
        body.base,
        body.moved,
        raw,
        RecordHash(blake3(raw).digest()),
    )


def _check(record: Record, padded: int) -> None:
    """What no honest device would state. Raises BadPeer."""
    check_path(record.path)
    if record.moved:
        check_path(record.moved)
    if not record.seq:
        raise BadPeer("a record's seq is zero")
    if record.covers(record.dot):
        raise BadPeer("a record supersedes itself")
    if record.epoch > MAX_EPOCH:
        raise BadPeer("a record's epoch is out of range")
    if record.mode > 0o777:
        raise BadPeer("a record's mode has more than permission bits")
    if len(record.device_name.encode()) > MAX_DEVICE_NAME:
        raise BadPeer("a device's name is too long")
    if len(record.base) not in (0, HASH_BYTES):
        raise BadPeer("a record's base is no hash")
    file = record.kind is Kind.FILE and not record.tombstone
    if file != bool(record.content):
        raise BadPeer("a record has content where there is none, or none where there is")
    if record.size < 0 or (record.size and not file) or padded != padded_size(record.size):
        raise BadPeer("a record's sizes contradict each other")
    link = record.kind is Kind.SYMLINK and not record.tombstone
    if link != bool(record.target) or "\0" in record.target or len(record.target.encode()) > MAX_TARGET:
        raise BadPeer("a record has an impossible link target")
