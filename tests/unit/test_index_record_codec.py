"""Records as bytes: what is written is read, and nothing else is accepted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from swarm.errors import BadPeer, Bug, Integrity, Unavailable
from swarm.ids import ContentId, Kind, Origin
from swarm.index import record_layout
from swarm.index.record_codec import (
    MAX_CONTEXT,
    MAX_DEVICE_NAME,
    MAX_RECORD,
    MAX_TARGET,
    RECORD_CONTEXT,
    Draft,
    Head,
    UnknownVersion,
    author,
    dump,
    open_record,
    padded_size,
    peek,
    restore,
    verify_record,
)
from swarm.keys.chain import FolderKeys
from swarm.keys.device import DeviceKey, origin_of
from swarm.keys.seal import path_key, seal

KEYS = FolderKeys.create(bytes(range(32)))
DEVICE = DeviceKey.create(bytes(32))
ORIGIN = origin_of(DEVICE.id, 0)
OTHERS = tuple(Origin(bytes([n]) * 16) for n in (1, 2, 3))
CONTENT = ContentId(b"c" * 32)
FILE = Draft(
    origin=ORIGIN,
    seq=5000,
    context=tuple((origin, 300 + n) for n, origin in enumerate(OTHERS)),
    path="documents/2024/report of the year 1.text",
    kind=Kind.FILE,
    hlc=1_700_000_000_000,
    device_name="my-laptop-12",
    content=CONTENT,
    size=123_456_789,
    mode=0o644,
    mtime_ns=1_700_000_000_123_456_789,
    base=b"b" * 32,
)
PLAIN = replace(FILE, context=(), base=b"")


def forged(draft: Draft, *, path: str | None = None, padded: int | None = None, body: bytes | None = None) -> bytes:
    """A record as a member would make it who has the keys and does not keep to the rules."""
    rounded = padded_size(draft.size) if padded is None else padded
    key = path_key(KEYS.path_key(), draft.path if path is None else path)
    outer = record_layout.encode_outer(draft, key, 0, rounded)
    plain = record_layout.encode_body(draft, max(0, rounded - draft.size)) if body is None else body
    message = outer + seal(KEYS.seal_key(0), outer, plain)
    return message + DEVICE.sign(RECORD_CONTEXT, message)


DIRECTORY = Draft(ORIGIN, 1, (), "photos", Kind.DIRECTORY, 1, "x", mode=0o755, mtime_ns=-1)
LINK = Draft(ORIGIN, 1, (), "latest", Kind.SYMLINK, 1, "x", target="../elsewhere/ü")
DELETED = Draft(ORIGIN, 9, ((ORIGIN, 8),), "gone.txt", Kind.FILE, 1, "x", tombstone=True)
MOVED = replace(PLAIN, moved="documents/old name.text")


@pytest.mark.parametrize("draft", [FILE, PLAIN, DIRECTORY, LINK, DELETED, MOVED, replace(PLAIN, size=0)])
def test_what_an_author_states_is_what_a_reader_reads(draft: Draft) -> None:
    record = author(draft, KEYS, DEVICE)
    for name in Draft.__slots__:
        assert getattr(record, name) == getattr(draft, name)
    assert open_record(record.raw, KEYS) == record
    assert restore(record.raw, dump(record)) == record
    assert verify_record(record.raw, DEVICE.id)
    assert peek(record.raw) == Head(1, ORIGIN, draft.seq)


def test_a_usual_record_has_at_most_360_bytes() -> None:
    assert len(FILE.path) == 40
    assert len(author(FILE, KEYS, DEVICE).raw) <= 360


def test_a_reader_who_holds_only_the_read_key_opens_it() -> None:
    from swarm.keys.role import Role

    reader = FolderKeys.from_printed(KEYS.printed(Role.READ))
    assert open_record(author(FILE, KEYS, DEVICE).raw, reader).path == FILE.path


def test_another_folder_cannot_open_it() -> None:
    with pytest.raises(Integrity):
        open_record(author(FILE, KEYS, DEVICE).raw, FolderKeys.create(bytes(32)))


def test_a_change_of_any_byte_is_noticed() -> None:
    record = author(FILE, KEYS, DEVICE)
    for at in range(len(record.raw)):
        changed = bytearray(record.raw)
        changed[at] ^= 0x01
        assert not verify_record(bytes(changed), DEVICE.id)
        if at < len(record.raw) - 64:  # the signature is not part of what the seal protects
            with pytest.raises((BadPeer, Integrity, UnknownVersion, Unavailable)):
                open_record(bytes(changed), KEYS)


def test_a_record_cut_off_anywhere_is_refused() -> None:
    raw = author(FILE, KEYS, DEVICE).raw
    for size in range(len(raw)):
        with pytest.raises((BadPeer, Integrity)):
            open_record(raw[:size], KEYS)


def test_a_body_cut_off_anywhere_is_refused() -> None:
    body = dump(author(FILE, KEYS, DEVICE))
    for size in range(len(body)):
        with pytest.raises(BadPeer):
            open_record(forged(FILE, body=body[:size]), KEYS)
    with pytest.raises(BadPeer):
        open_record(forged(FILE, body=body + b"\0"), KEYS)


def test_the_signature_of_another_device_does_not_count() -> None:
    other = DeviceKey.create(b"\1" * 32)
    assert not verify_record(author(FILE, KEYS, DEVICE).raw, other.id)
    assert not verify_record(b"", DEVICE.id)


def test_a_record_of_a_newer_version_is_told_apart_so_that_it_can_be_held() -> None:
    raw = b"\x02" + author(FILE, KEYS, DEVICE).raw[1:]
    assert peek(raw) == Head(2, ORIGIN, FILE.seq)
    with pytest.raises(UnknownVersion):
        open_record(raw, KEYS)
    with pytest.raises(UnknownVersion):
        restore(raw, b"")


@pytest.mark.parametrize("raw", [b"", b"\x02", b"\x02" + bytes(16), b"\x02" + bytes(16) + b"\x80", b"\x01" + bytes(17)])
def test_rubbish_has_no_head(raw: bytes) -> None:
    with pytest.raises(BadPeer):
        peek(raw)


def test_a_record_of_an_epoch_unknown_here_waits() -> None:
    outer = record_layout.encode_outer(PLAIN, path_key(KEYS.path_key(), PLAIN.path), 1, padded_size(PLAIN.size))
    with pytest.raises(Unavailable):
        open_record(outer + bytes(200), KEYS)


def test_a_record_over_the_limit_is_refused_unread() -> None:
    with pytest.raises(BadPeer, match="length"):
        open_record(author(FILE, KEYS, DEVICE).raw + bytes(MAX_RECORD), KEYS)
    with pytest.raises(BadPeer, match="length"):
        peek(bytes(MAX_RECORD + 1))


def test_the_longest_legal_record_fits() -> None:
    names = [("n" * 255 + "/") * 14 + "n" * 255, ("m" * 255 + "/") * 14 + "m" * 255]
    context = tuple((Origin(n.to_bytes(16, "big")), (1 << 63) - 1) for n in range(1, MAX_CONTEXT + 1))
    draft = replace(FILE, path=names[0], moved=names[1], context=context, device_name="d" * MAX_DEVICE_NAME)
    assert len(author(draft, KEYS, DEVICE).raw) < MAX_RECORD
    longer = (*context, (Origin(b"\xff" * 16), 1))
    with pytest.raises(BadPeer, match="context is too long"):
        open_record(forged(replace(draft, context=longer)), KEYS)


REFUSED: dict[str, dict[str, Any]] = {
    "unsafe path": {"path": "a/../b"},
    "our own directory": {"path": "a/.Swarm/x"},
    "unsafe origin of a move": {"moved": "/etc/passwd"},
    "own later record in the context": {"context": ((ORIGIN, 5001),)},
    "itself in the context": {"context": ((ORIGIN, 5000),)},
    "context out of order": {"context": ((OTHERS[1], 1), (OTHERS[0], 1))},
    "an origin twice": {"context": ((OTHERS[0], 1), (OTHERS[0], 2))},
    "nothing in a context entry": {"context": ((OTHERS[0], 0),)},
    "seq zero": {"seq": 0, "context": ()},
    "setuid": {"mode": 0o4755},
    "a long device name": {"device_name": "d" * (MAX_DEVICE_NAME + 1)},
    "a base that is no hash": {"base": b"short"},
    "a file without content": {"content": b""},
    "a directory with content": {"kind": Kind.DIRECTORY},
    "a tombstone with content": {"tombstone": True},
    "a tombstone with a size": {"tombstone": True, "content": b""},
    "a file with a target": {"target": "x"},
    "a link without target": {"kind": Kind.SYMLINK, "content": b"", "size": 0},
    "a link with a NUL": {"kind": Kind.SYMLINK, "content": b"", "size": 0, "target": "a\0b"},
    "a long link": {"kind": Kind.SYMLINK, "content": b"", "size": 0, "target": "t" * (MAX_TARGET + 1)},
}


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED)
def test_a_record_that_breaks_a_rule_is_refused_and_never_written(change: dict[str, Any]) -> None:
    draft = replace(FILE, **change)
    with pytest.raises(BadPeer):
        open_record(forged(draft), KEYS)
    with pytest.raises(Bug):
        author(draft, KEYS, DEVICE)


def test_a_size_of_64_bits_is_never_written() -> None:
    for size in (1 << 63, -1):
        with pytest.raises(Bug):
            author(replace(FILE, size=size), KEYS, DEVICE)


def test_a_name_that_is_not_unicode_is_never_written() -> None:
    with pytest.raises(Bug):
        author(replace(FILE, path="a\udcff"), KEYS, DEVICE)


def test_a_path_that_is_not_the_one_of_its_key_is_refused() -> None:
    with pytest.raises(BadPeer, match="path key"):
        open_record(forged(FILE, path="another"), KEYS)


def test_sizes_that_contradict_each_other_are_refused() -> None:
    for padded in (FILE.size, padded_size(FILE.size) + 1):
        with pytest.raises(BadPeer, match="sizes"):
            open_record(forged(FILE, padded=padded), KEYS)


def body_with(**change: bytes) -> bytes:
    """The body of PLAIN, with some fields as bytes of our choice."""
    fields = {
        "fixed": b"\x01" + (0o644).to_bytes(2, "big") + bytes(8),
        "slack": b"\x00",
        "hlc": b"\x01",
        "path": b"\x04path",
        "name": b"\x01d",
        "target": b"\x00",
        "moved": b"\x00",
        "base": b"\x00",
    }
    return b"".join((fields | change).values())


TINY = replace(PLAIN, path="path", size=0)


def test_a_body_made_by_hand_opens() -> None:
    record = open_record(forged(TINY, body=body_with()), KEYS)
    assert (record.path, record.hlc, record.device_name) == ("path", 1, "d")


@pytest.mark.parametrize(
    "change",
    [
        {"fixed": b"\x04" + bytes(10)},  # a kind of another version
        {"hlc": b"\x80\x00"},  # not the shortest form
        {"hlc": b"\x81\x80\x00"},
        {"hlc": b"\xff" * 9 + b"\x01"},  # 64 bits
        {"hlc": b"\x80" * 30},
        {"path": b"\x04pat\xff"},  # not UTF-8
        {"path": b"\x03\xed\xa0\x80"},  # a surrogate
        {"path": b"\xff\xff\xff\xff\xff\xff\xff\xff\x7fpath"},  # a length beyond everything
        {"slack": b"\x01"},  # a size below zero
    ],
)
def test_a_body_with_odd_bytes_is_refused(change: dict[str, bytes]) -> None:
    with pytest.raises(BadPeer):
        open_record(forged(TINY, body=body_with(**change)), KEYS)


def test_flags_of_another_version_are_refused() -> None:
    raw = bytearray(forged(replace(TINY, seq=1)))
    assert raw[18] == 2
    raw[18] |= 4
    with pytest.raises(BadPeer, match="flags"):
        open_record(bytes(raw), KEYS)


def test_padding_never_shrinks_and_costs_at_most_an_eighth() -> None:
    assert [padded_size(size) for size in (0, 1, 2, 9, 100, 1000, 65_537, 1_000_001)] == [
        0, 1, 2, 10, 104, 1024, 67_584, 1_015_808,
    ]  # fmt: skip
    for size in range(1, 5000):
        assert size <= padded_size(size) <= size * 1.125
        assert padded_size(padded_size(size)) == padded_size(size)


def test_records_that_state_the_same_are_the_same_bytes() -> None:
    assert author(FILE, KEYS, DEVICE).raw == author(FILE, KEYS, DEVICE).raw


def test_two_records_with_one_dot_do_not_share_a_nonce() -> None:
    one, other = author(FILE, KEYS, DEVICE).raw, author(replace(FILE, hlc=FILE.hlc + 1), KEYS, DEVICE).raw
    sealed = record_layout.decode_outer(one).end
    assert one[:sealed] == other[:sealed]
    assert one[sealed : sealed + 24] != other[sealed : sealed + 24]
