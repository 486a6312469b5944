"""The nouns that everybody may import: names of devices, folders, records and content.

All identifiers are `bytes` of a fixed length. They are NewTypes, so that mypy tells a chunk from a file.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple, NewType

DeviceId = NewType("DeviceId", bytes)  # 32 bytes, the device's Ed25519 public key
FolderId = NewType("FolderId", bytes)  # 16 bytes, BLAKE2b-128 of the owner's public key
Origin = NewType("Origin", bytes)  # 16 bytes, hash of (device key, incarnation): who a record is from, in which life
PathKey = NewType("PathKey", bytes)  # 20 bytes, keyed hash of a path: its token in records and its place in the trie
ContentId = NewType("ContentId", bytes)  # 32 bytes, root of a file's manifest; b"" where there is no content
ChunkId = NewType("ChunkId", bytes)  # 32 bytes, keyed BLAKE3 of the plaintext
RecordHash = NewType("RecordHash", bytes)  # 32 bytes, BLAKE3 of the record's bytes as received

DEVICE_ID_BYTES = 32
FOLDER_ID_BYTES = 16
ORIGIN_BYTES = 16
PATH_KEY_BYTES = 20
HASH_BYTES = 32

NO_CONTENT = ContentId(b"")


class Kind(IntEnum):
    """What a name stands for. The numbers are part of the record format."""

    FILE = 1
    DIRECTORY = 2
    SYMLINK = 3


class Dot(NamedTuple):
    """One event of one device: its `seq`-th record in this life."""

    origin: Origin
    seq: int


def short(identifier: bytes) -> str:
    """The first 8 hex digits, for people and logs."""
    return identifier[:4].hex()


def parent_of(path: str) -> str:
    """The directory that holds `path`; "" is the folder's root."""
    return path.rpartition("/")[0]


def directories_above(path: str) -> list[str]:
    """All directories that `path` is in, the nearest first, the root at last."""
    found = [parent_of(path)]
    while found[-1]:
        found.append(parent_of(found[-1]))
    return found


def name_of(path: str) -> str:
    """The last component of `path`."""
    return path.rpartition("/")[2]


def join_path(directory: str, name: str) -> str:
    """`name` in `directory`, where "" is the folder's root."""
    return f"{directory}/{name}" if directory else name
