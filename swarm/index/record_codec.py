"""Records from drafts and from bytes: sealed and signed once, then stored and passed on as they stand.

A record that comes from a peer is opened and checked by `open_record`, its signature by `verify_record` (apart, since
it is the slow half and belongs into threads). One that comes from our own database is `restore`d without either.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from blake3 import blake3

from swarm.errors import BadPeer, Bug
from swarm.ids import HASH_BYTES, Kind, RecordHash
from swarm.index.paths import check_path
from swarm.index.record import Record
from swarm.index.record_layout import (
    MAX_CONTEXT,
    MAX_RECORD,
    Body,
    Draft,
    Head,
    Outer,
    UnknownVersion,
    decode_body,
    decode_outer,
    encode_body,
    encode_outer,
    padded_size,
    peek,
)
from swarm.keys.derive import MAX_EPOCH
from swarm.keys.device import verify
from swarm.keys.seal import open_sealed, path_key, seal
from swarm.keys.signature import SIGNATURE_BYTES

if TYPE_CHECKING:
    from swarm.ids import DeviceId
    from swarm.keys.chain import FolderKeys
    from swarm.keys.device import DeviceKey

__all__ = [
    "MAX_CONTEXT",
    "MAX_RECORD",
    "Draft",
    "Head",
    "UnknownVersion",
    "author",
    "dump",
    "open_record",
    "padded_size",
    "peek",
    "restore",
    "verify_record",
]

RECORD_CONTEXT: Final = b"swarm1.record"

MAX_DEVICE_NAME = 64  # bytes: HOST_NAME_MAX
MAX_TARGET = 4095  # bytes of a symlink's target: PATH_MAX without its NUL


def author(draft: Draft, keys: FolderKeys, device: DeviceKey) -> Record:
    """Seals and signs. Raises Bug for a draft that no device would accept."""
    try:
        key = path_key(keys.path_key(), draft.path)
        padded = padded_size(draft.size)
        outer = encode_outer(draft, key, keys.epoch, padded)
        body = encode_body(draft, padded - draft.size)
        message = outer + seal(keys.seal_key(keys.epoch), outer, body)
        raw = message + device.sign(RECORD_CONTEXT, message)
        record = _assemble(raw, decode_outer(raw), decode_body(body))
        _check(record, padded)
    except (BadPeer, UnicodeEncodeError, struct.error) as error:
        raise Bug(f"we would write a record that nobody accepts: {error}") from error
    return record


def open_record(raw: bytes, keys: FolderKeys) -> Record:
    """The record, decrypted, with everything but its signature checked (`verify_record`).

    Raises UnknownVersion, BadPeer for a malformed or unsafe record, Integrity when the seal does not open, Unavailable
    for an epoch whose key is not here.
    """
    outer = decode_outer(raw)
    body = open_sealed(keys.seal_key(outer.epoch), raw[: outer.end], raw[outer.end : -SIGNATURE_BYTES])
    record = _assemble(raw, outer, decode_body(body))
    _check(record, outer.padded)
    if path_key(keys.path_key(), record.path) != record.key:
        raise BadPeer("a record's path key is not that of its path")
    return record


def verify_record(raw: bytes, device_id: DeviceId) -> bool:
    """Whether that device signed these bytes. The slow step: run it in threads."""
    return verify(device_id, RECORD_CONTEXT, raw[:-SIGNATURE_BYTES], raw[-SIGNATURE_BYTES:])


def dump(record: Record) -> bytes:
    """The plain body, to be kept beside `raw` so that `restore` needs no decryption."""
    return encode_body(record, padded_size(record.size) - record.size)


def restore(raw: bytes, body: bytes) -> Record:
    """A record from our own database: what `raw` and `dump` were. Raises UnknownVersion, BadPeer for damaged bytes."""
    return _assemble(raw, decode_outer(raw), decode_body(body))


def _assemble(raw: bytes, outer: Outer, body: Body) -> Record:
    return Record(
        outer.epoch,
        outer.origin,
        outer.seq,
        outer.context,
        outer.key,
        outer.tombstone,
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
