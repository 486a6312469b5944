"""Keys from keys: one keyed BLAKE2b (RFC 7693), told apart by a context string in its `person` field.

HKDF was rejected: it is two passes of HMAC for what keyed BLAKE2b does in one, and `hashlib` has no HKDF. The standard
library's BLAKE2b and libsodium's give the same bytes; ours is hashlib, since it needs no call into another library.
"""

from __future__ import annotations

import hashlib

from swarm.errors import Bug
from swarm.ids import FOLDER_ID_BYTES, FolderId

KEY_BYTES = 32
EPOCH_BYTES = 4  # one rotation a second lasts 136 years
MAX_EPOCH = (1 << 8 * EPOCH_BYTES) - 1


def kdf(key: bytes, context: bytes, info: bytes = b"", size: int = KEY_BYTES) -> bytes:
    """`size` bytes (1 to 64) that only holders of `key` (32 bytes) can compute.

    `context` (1 to 16 bytes, no NUL) says what they are for. `info` is unframed: two callers never share a context
    unless their `info` cannot be confused. Raises Bug for a key or context of the wrong shape.
    """
    if len(key) != KEY_BYTES:
        # hashlib would take any length, and an empty key would silently be no key at all
        raise Bug(f"a key must have {KEY_BYTES} bytes, not {len(key)}")
    return hashlib.blake2b(info, digest_size=size, key=key, person=_person(context)).digest()


def digest(context: bytes, data: bytes, size: int) -> bytes:
    """A public name for `data`: BLAKE2b of `size` bytes without a key, so that anybody can compute it."""
    return hashlib.blake2b(data, digest_size=size, person=_person(context)).digest()


def folder_id_of(owner_key: bytes) -> FolderId:
    """The folder's id for ever: BLAKE2b-128 of the owner's public key, without a context."""
    return FolderId(hashlib.blake2b(owner_key, digest_size=FOLDER_ID_BYTES).digest())


def epoch_bytes(epoch: int) -> bytes:
    """4 bytes, big-endian. Raises Bug beyond MAX_EPOCH."""
    if not 0 <= epoch <= MAX_EPOCH:
        raise Bug("an epoch is a number of 32 bits")
    return epoch.to_bytes(EPOCH_BYTES, "big")


def _person(context: bytes) -> bytes:
    # `person` is padded with NULs, so that a context with one at its end would be another context's twin
    if not 0 < len(context) <= hashlib.blake2b.PERSON_SIZE or b"\0" in context:
        raise Bug("a context has 1 to 16 bytes, none of them NUL")
    return context
