"""tests/vectors/records.txt, which another implementation can read too, against ours.

The file was computed without our code: the layout by hand, BLAKE2b by libsodium, Ed25519 and ChaCha20 by OpenSSL.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from blake3 import blake3

from swarm.ids import ContentId, Kind, Origin, PathKey
from swarm.index.memory_trie import MemoryTrieStore
from swarm.index.paths import conflict_name
from swarm.index.record_codec import Draft, author, dump, open_record, restore, verify_record
from swarm.index.trie import folder_root, register_leaves, root, update
from swarm.keys.chain import FolderKeys
from swarm.keys.device import DeviceKey


def _read(name: str) -> dict[str, str]:
    text = (Path(__file__).parent.parent / "vectors" / name).read_text("utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    answers = dict(line.split(" = ", 1) for line in lines)
    assert len(answers) == len(lines), "a name occurs twice"
    return answers


ANSWERS = _read("records.txt")
SECRETS = _read("keys.txt")
KEYS = FolderKeys.create(bytes.fromhex(SECRETS["owner_seed"]))
DEVICE = DeviceKey.create(bytes.fromhex(SECRETS["device_seed"]))
ORIGIN = Origin(bytes.fromhex(SECRETS["origin"]))

DRAFTS = {
    "file": Draft(
        ORIGIN,
        300,
        ((Origin(b"\x11" * 16), 7), (Origin(b"\xee" * 16), 128)),
        "Größe/report.txt",
        Kind.FILE,
        1_700_000_000_456,
        "Ada",
        content=ContentId(b"\xcc" * 32),
        size=1_000_001,
        mode=0o644,
        mtime_ns=1_700_000_000_123_456_789,
        moved="old.txt",
        base=b"\xbb" * 32,
    ),
    "directory": Draft(ORIGIN, 1, (), "photos", Kind.DIRECTORY, 1, "Ada", mode=0o755, mtime_ns=-1),
    "symlink": Draft(ORIGIN, 2, (), "latest", Kind.SYMLINK, 2, "Ada", target="photos/2024"),
    "tombstone": Draft(ORIGIN, 4, ((ORIGIN, 3),), "photos/a.jpg", Kind.FILE, 3, "Ada", tombstone=True),
    "second_tombstone": Draft(ORIGIN, 5, (), "photos", Kind.DIRECTORY, 4, "Ada", tombstone=True),
}


def answer(name: str) -> bytes:
    return bytes.fromhex(ANSWERS[name])


@pytest.mark.parametrize("name", DRAFTS)
def test_a_record_is_written_and_read_as_known(name: str) -> None:
    record = author(DRAFTS[name], KEYS, DEVICE)
    assert record.raw == answer(name)
    assert record.hash == answer(f"{name}_hash")
    assert dump(record) == answer(f"{name}_body")
    assert open_record(answer(name), KEYS) == restore(answer(name), answer(f"{name}_body")) == record
    assert verify_record(answer(name), DEVICE.id)


def test_a_folder_has_the_known_roots() -> None:
    live, dead = MemoryTrieStore(), MemoryTrieStore()
    for name in DRAFTS:
        record = open_record(answer(name), KEYS)
        live_leaf, dead_leaf = register_leaves([record])
        update(dead if record.tombstone else live, {record.key: dead_leaf if record.tombstone else live_leaf})
    assert root(live) == answer("live_root")
    assert root(dead) == answer("tombstone_root")
    assert folder_root(root(live), root(dead)) == answer("folder_root")


def test_a_trie_of_a_hundred_leaves_has_the_known_root() -> None:
    leaves = {PathKey(blake3(b"key %d" % n).digest(20)): blake3(b"leaf %d" % n).digest() for n in range(100)}
    assert update(MemoryTrieStore(), dict(leaves)) == answer("hundred_root")


@pytest.mark.parametrize("name", [name for name in ANSWERS if name.startswith("conflict_")])
def test_a_conflict_copy_has_the_known_name(name: str) -> None:
    path, device, digits, expected = ANSWERS[name].split(" | ")
    assert conflict_name(path, device, "0123456789abcdef" * 4, int(digits)) == expected
