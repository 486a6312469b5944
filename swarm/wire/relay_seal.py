"""The seal between a device and a relay: keys of one registration, and counters that never go back.

    S        = X25519(client's ephemeral key, the relay's key as X25519)
    register = KDF(S, "swarm1.register", ephemeral 32 ‖ relay key 32)
    welcome  = KDF(S, "swarm1.welcome",  ephemeral 32 ‖ relay key 32)
    up, down = KDF(S, "swarm1.up" / "swarm1.down", session 8 ‖ ephemeral 32 ‖ relay key 32)

Only the relay's secret gives S for an ephemeral key that was drawn for it, so that who can open and answer is the relay
that the client means. Each seal covers the frame from its first byte on. A session is drawn at random by the relay, so
that a REGISTER that is shown twice makes no key twice; counters rise, so that nothing is taken twice. Whoever gets hold
of the relay's secret later can open what was recorded: who was registered and asked for whom, never what went
through a channel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nacl.bindings import (
    crypto_scalarmult,
    crypto_scalarmult_base,
    crypto_sign_ed25519_pk_to_curve25519,
    crypto_sign_ed25519_sk_to_curve25519,
)
from nacl.exceptions import CryptoError

from swarm.errors import BadPeer, Integrity
from swarm.keys.derive import digest, kdf
from swarm.keys.seal import open_sealed, seal
from swarm.keys.signature import verify
from swarm.wire.relay_frame import FINGERPRINT_BYTES, Register, Sealed, WelcomeBox, sealed_outer
from swarm.wire.relay_message import Enrol

if TYPE_CHECKING:
    from swarm.keys.device import DeviceKey

CONTEXT: Final = b"swarm1.relay"  # of the signature in Enrol


def fingerprint_of(relay_key: bytes) -> bytes:
    """8 bytes by which a client sees that this is not the relay whose key it was given."""
    return digest(b"swarm1.relay", relay_key, FINGERPRINT_BYTES)


def ephemeral_pair(seed: bytes) -> tuple[bytes, bytes]:
    """(public, secret) X25519 keys of 32 random bytes."""
    return crypto_scalarmult_base(seed), seed


def shared_by_client(ephemeral_secret: bytes, relay_key: bytes) -> bytes:
    """S, of the client. Raises BadPeer for a relay key that is no point of the curve."""
    try:
        return crypto_scalarmult(ephemeral_secret, crypto_sign_ed25519_pk_to_curve25519(relay_key))
    except CryptoError:
        raise BadPeer("the relay's key is not one") from None


def relay_secret(signing_secret: bytes) -> bytes:
    """The relay's X25519 secret, of its Ed25519 secret key (64 bytes)."""
    return crypto_sign_ed25519_sk_to_curve25519(signing_secret)


def shared_by_relay(x25519_secret: bytes, ephemeral: bytes) -> bytes:
    """S, of the relay. Raises BadPeer for an ephemeral key of small order."""
    try:
        return crypto_scalarmult(x25519_secret, ephemeral)
    except CryptoError:
        raise BadPeer("an ephemeral key that is none") from None


class Registration:
    """The seal of REGISTER and WELCOME, on either side."""

    __slots__ = ("_names", "_shared")

    def __init__(self, shared: bytes, ephemeral: bytes, relay_key: bytes) -> None:
        self._shared = shared
        self._names = ephemeral + relay_key

    def seal_enrol(self, outer: bytes, enrol: bytes) -> bytes:
        """REGISTER: `outer` is from `register_outer`, `enrol` a packed Enrol."""
        return outer + seal(self._key(b"swarm1.register"), outer, enrol)

    def open_enrol(self, frame: Register) -> bytes:
        """A packed Enrol. Raises BadPeer."""
        return _open(self._key(b"swarm1.register"), frame.outer, frame.sealed)

    def seal_welcome(self, outer: bytes, answer: bytes) -> bytes:
        """WELCOME: `answer` is a packed Welcome or Denied."""
        return outer + seal(self._key(b"swarm1.welcome"), outer, answer)

    def open_welcome(self, frame: WelcomeBox) -> bytes:
        """A packed Welcome or Denied. Raises BadPeer."""
        return _open(self._key(b"swarm1.welcome"), frame.outer, frame.sealed)

    def conversation(self, session: bytes, *, relay: bool) -> SealedConversation:
        """What follows, as seen from one side."""
        info = session + self._names
        up, down = kdf(self._shared, b"swarm1.up", info), kdf(self._shared, b"swarm1.down", info)
        return SealedConversation(session, down if relay else up, up if relay else down)

    def _key(self, context: bytes) -> bytes:
        return kdf(self._shared, context, self._names)


class SealedConversation:
    """SEALED frames of one session, as seen from one side."""

    __slots__ = ("_heard", "_inward", "_outward", "_said", "session")

    def __init__(self, session: bytes, outward: bytes, inward: bytes) -> None:
        self.session = session
        self._outward = outward
        self._inward = inward
        self._said = 0
        self._heard = 0

    def seal(self, packed: bytes) -> bytes:
        """A frame with this message; each call makes another one, also for the same message."""
        self._said += 1
        outer = sealed_outer(self.session, self._said)
        return outer + seal(self._outward, outer, packed)

    def open(self, frame: Sealed) -> bytes | None:
        """The message; None if it was seen or overtaken. Raises BadPeer for one that the other side did not make."""
        if frame.counter <= self._heard:
            return None  # not even worth opening
        packed = _open(self._inward, frame.outer, frame.sealed)
        self._heard = frame.counter
        return packed


def make_enrol(
    device: DeviceKey,
    relay_key: bytes,
    ephemeral: bytes,
    cookie: bytes,
    mode: int,
    token: bytes,
    topics: tuple[bytes, ...],
) -> Enrol:
    """Signed for this relay, this registration and this cookie."""
    return Enrol(device.id, device.sign(CONTEXT, relay_key + ephemeral + cookie), mode, token, topics)


def is_signed(enrol: Enrol, relay_key: bytes, frame: Register) -> bool:
    """Did the device itself say so, here and now?"""
    return verify(enrol.device, CONTEXT, relay_key + frame.ephemeral + frame.cookie, enrol.signature)


def _open(key: bytes, outer: bytes, sealed: bytes) -> bytes:
    try:
        return open_sealed(key, outer, sealed)
    except Integrity as error:
        raise BadPeer(str(error)) from None
