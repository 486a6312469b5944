"""A device's identity: an Ed25519 key that never leaves it, and the origins under which it makes records."""

from __future__ import annotations

from dataclasses import dataclass, field

from swarm.errors import Bug
from swarm.ids import ORIGIN_BYTES, DeviceId, Origin, short
from swarm.keys.derive import digest
from swarm.keys.signature import key_pair, sign, verify

__all__ = ["INCARNATION_BYTES", "DeviceKey", "incarnation_bytes", "origin_of", "verify"]

INCARNATION_BYTES = 8


@dataclass(frozen=True, slots=True, repr=False)
class DeviceKey:
    """This device's own key. Whoever made the seed keeps it; it cannot be read back from here by name."""

    id: DeviceId
    _secret: bytes = field(repr=False)

    @classmethod
    def create(cls, seed: bytes) -> DeviceKey:
        """From 32 random bytes. Raises Bug for any other length."""
        public, secret = key_pair(seed)
        return cls(DeviceId(public), secret)

    def sign(self, context: bytes, message: bytes) -> bytes:
        """64 bytes; `context` names what is signed and holds no NUL."""
        return sign(self._secret, context, message)

    def __repr__(self) -> str:
        return f"DeviceKey({short(self.id)})"


def origin_of(device_id: DeviceId, incarnation: int) -> Origin:
    """16 bytes that name a device in one of its lives."""
    return Origin(digest(b"swarm1.origin", device_id + incarnation_bytes(incarnation), ORIGIN_BYTES))


def incarnation_bytes(incarnation: int) -> bytes:
    """8 bytes, big-endian. Raises Bug for a number that does not fit."""
    if not 0 <= incarnation < 1 << 8 * INCARNATION_BYTES:
        raise Bug("an incarnation is a number of 64 bits")
    return incarnation.to_bytes(INCARNATION_BYTES, "big")
