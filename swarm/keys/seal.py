"""Sealing: XChaCha20-Poly1305 with a nonce made from what is sealed; and the path keys that stand in for names.

The nonce is a keyed hash of the associated data and the plain body, never a counter and never random: a cloned disk
repeats its counters, and a machine restored from a snapshot can repeat its randomness. With a nonce made from the
message, the worst that a repeat gives away is that the same thing was sealed twice. See RFC 8452 for the idea, RFC 8439
and draft-irtf-cfrg-xchacha for the cipher.
"""

from __future__ import annotations

from functools import lru_cache

from blake3 import blake3
from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError

from swarm.errors import Bug, Integrity
from swarm.ids import PathKey
from swarm.keys.derive import KEY_BYTES, kdf

NONCE_BYTES = 24
TAG_BYTES = 16
SEAL_OVERHEAD = NONCE_BYTES + TAG_BYTES  # bytes that sealing adds to a body

_PARENT_BYTES = 3  # a directory's files are neighbours in the trie: 2^24 directories before two share a place
_NAME_BYTES = 17
_REMEMBERED = 8192  # path keys, 2 MB: a merge, the view and the plan ask for one path ten times within a moment


def seal(key: bytes, outer: bytes, body: bytes) -> bytes:
    """nonce (24) || ciphertext of `body` || tag (16), bound to `outer`, which travels in the clear beside it."""
    nonce = kdf(key, b"swarm1.nonce", len(outer).to_bytes(8, "big") + outer + body, NONCE_BYTES)
    return nonce + crypto_aead_xchacha20poly1305_ietf_encrypt(body, outer, nonce, key)


def open_sealed(key: bytes, outer: bytes, sealed: bytes) -> bytes:
    """The body. Raises Integrity when key, outer or sealed is not what was sealed."""
    if len(key) != KEY_BYTES:
        raise Bug(f"a key must have {KEY_BYTES} bytes, not {len(key)}")
    if len(sealed) < SEAL_OVERHEAD:
        raise Integrity("sealed bytes are cut off")
    try:
        return crypto_aead_xchacha20poly1305_ietf_decrypt(sealed[NONCE_BYTES:], outer, sealed[:NONCE_BYTES], key)
    except CryptoError:
        raise Integrity("sealed bytes are not what was sealed") from None


@lru_cache(_REMEMBERED)
def path_key(key: bytes, path: str) -> PathKey:
    """20 bytes, H(parent)[:3] + H(path)[:17] with H = BLAKE3 keyed with `key` (FolderKeys.path_key) over UTF-8.

    `path` is relative, "/" between components; the parent of a top-level path is "". Raises Bug for a path that is
    not UTF-8 (a surrogate escape): such names are never shared.
    """
    parent = path.rpartition("/")[0]
    try:
        return PathKey(_keyed(key, parent)[:_PARENT_BYTES] + _keyed(key, path)[:_NAME_BYTES])
    except UnicodeEncodeError:
        raise Bug("a path that is not UTF-8 has no path key") from None


def _keyed(key: bytes, path: str) -> bytes:
    return blake3(path.encode("utf-8"), key=key).digest()
