"""Ed25519 (RFC 8032) over a context string, a NUL, and the message.

Without the context, bytes that were signed as one thing could be shown as another. It may hold no NUL, so that no
context and message can be read as another context and message. libsodium refuses small-order keys and malleable
signatures. It has no batches: verify in threads, which its binding allows by releasing the GIL.
"""

from __future__ import annotations

from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError

from swarm.errors import Bug

SEED_BYTES = 32
PUBLIC_KEY_BYTES = 32
SECRET_KEY_BYTES = 64
SIGNATURE_BYTES = 64


def key_pair(seed: bytes) -> tuple[bytes, bytes]:
    """(public key of 32 bytes, secret key of 64 bytes) of a 32-byte seed. Raises Bug for any other length."""
    if len(seed) != SEED_BYTES:
        raise Bug(f"a seed must have {SEED_BYTES} bytes, not {len(seed)}")
    return crypto_sign_seed_keypair(seed)


def sign(secret_key: bytes, context: bytes, message: bytes) -> bytes:
    """64 bytes. `secret_key` comes from `key_pair`; raises Bug for one of another length."""
    if len(secret_key) != SECRET_KEY_BYTES:
        raise Bug(f"a secret key must have {SECRET_KEY_BYTES} bytes, not {len(secret_key)}")  # C would read beyond it
    return crypto_sign(_framed(context, message), secret_key)[:SIGNATURE_BYTES]


def verify(public_key: bytes, context: bytes, message: bytes, signature: bytes) -> bool:
    """True when the holder of `public_key` signed `message` in `context`.

    Key and signature may be anything a peer sent: a wrong length is False, never an error.
    """
    # libsodium's binding checks neither length, and would read beyond a short key
    if len(public_key) != PUBLIC_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        crypto_sign_open(signature + _framed(context, message), public_key)
    except BadSignatureError:
        return False
    return True


def _framed(context: bytes, message: bytes) -> bytes:
    if not context or b"\0" in context:
        raise Bug("a signature's context is never empty and holds no NUL")
    return context + b"\0" + message
