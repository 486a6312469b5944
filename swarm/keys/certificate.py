"""Certificates, which prove that a device may write, and introductions, which name an origin of such a device.

    certificate   version 1 | folder 16 | epoch 4 | role 1 | device 32 | signature 64 by the write signing key
    introduction  version 1 | certificate 118 | incarnation 8 | signature 64 by the device

Fixed layouts, big-endian numbers; each signature covers all that is before it. The device signs its introduction, so
that no reader can fill a peer's memory with lives that a device never had, and no holder of the write key can bind a
device to a folder behind its back. The bytes are kept and passed on as they were received, never encoded again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from swarm.errors import BadPeer, Bug
from swarm.ids import DEVICE_ID_BYTES, FOLDER_ID_BYTES, DeviceId, FolderId, Origin
from swarm.keys.chain import CERTIFICATE_CONTEXT, FolderKeys
from swarm.keys.derive import EPOCH_BYTES, epoch_bytes
from swarm.keys.device import INCARNATION_BYTES, DeviceKey, incarnation_bytes, origin_of
from swarm.keys.role import Role
from swarm.keys.signature import SIGNATURE_BYTES, verify

VERSION: Final = 1
INTRODUCTION_CONTEXT: Final = b"swarm1.introduction"

# Blind is proved by a tag alone, and nothing that is signed with the write key can make an owner.
CERTIFIABLE = (Role.READ, Role.WRITE)

_EPOCH_AT = 1 + FOLDER_ID_BYTES
_ROLE_AT = _EPOCH_AT + EPOCH_BYTES
_DEVICE_AT = _ROLE_AT + 1
_CERTIFICATE_BODY_BYTES = _DEVICE_AT + DEVICE_ID_BYTES
CERTIFICATE_BYTES = _CERTIFICATE_BODY_BYTES + SIGNATURE_BYTES
_INTRODUCTION_BODY_BYTES = 1 + CERTIFICATE_BYTES + INCARNATION_BYTES
INTRODUCTION_BYTES = _INTRODUCTION_BODY_BYTES + SIGNATURE_BYTES


@dataclass(frozen=True, slots=True)
class Certificate:
    """`raw` as received; the rest read from it. Worth nothing before `verify`."""

    raw: bytes
    folder_id: FolderId
    epoch: int
    role: Role
    device: DeviceId

    @classmethod
    def issue(cls, keys: FolderKeys, device_id: DeviceId, role: Role) -> Certificate:
        """Signed with the write key, so `keys` must hold it. Raises Bug for a role that no certificate gives."""
        if role not in CERTIFIABLE or len(device_id) != DEVICE_ID_BYTES:
            raise Bug("a certificate names a device, and read or write")
        body = bytes([VERSION]) + keys.folder_id + epoch_bytes(keys.epoch) + bytes([role]) + device_id
        return cls.parse(body + keys.sign_certificate(body))

    @classmethod
    def parse(cls, raw: bytes) -> Certificate:
        """Reads the layout and checks nothing else. Raises BadPeer."""
        if not raw or raw[0] != VERSION:
            raise BadPeer("a certificate of an unknown version", "update swarm")
        if len(raw) != CERTIFICATE_BYTES:
            raise BadPeer("a certificate of the wrong size")
        if raw[_ROLE_AT] not in CERTIFIABLE:
            raise BadPeer("a certificate for a role that needs none")
        return cls(
            raw,
            FolderId(raw[1:_EPOCH_AT]),
            int.from_bytes(raw[_EPOCH_AT:_ROLE_AT], "big"),
            Role(raw[_ROLE_AT]),
            DeviceId(raw[_DEVICE_AT:_CERTIFICATE_BODY_BYTES]),
        )

    def verify(self, folder_id: FolderId, verify_key: bytes, epoch: int = 0) -> None:
        """Raises BadPeer unless `verify_key` of that folder and epoch signed this."""
        if self.folder_id != folder_id:
            raise BadPeer("a certificate of another folder")
        if self.epoch != epoch:
            raise BadPeer("a certificate of another epoch", "update swarm")
        body, signature = self.raw[:_CERTIFICATE_BODY_BYTES], self.raw[_CERTIFICATE_BODY_BYTES:]
        if not verify(verify_key, CERTIFICATE_CONTEXT, body, signature):
            raise BadPeer("a certificate that the write key did not sign")


@dataclass(frozen=True, slots=True)
class Introduction:
    """A writing device in one of its lives: what makes the records of `origin` acceptable."""

    raw: bytes
    certificate: Certificate
    incarnation: int
    origin: Origin

    @property
    def device(self) -> DeviceId:
        """Whose signature every record of this origin bears."""
        return self.certificate.device

    @property
    def role(self) -> Role:
        """Always one that holds WRITE."""
        return self.certificate.role

    @classmethod
    def issue(cls, certificate: Certificate, device: DeviceKey, incarnation: int) -> Introduction:
        """By the device itself. Raises Bug for somebody else's certificate, or one that does not give write."""
        if certificate.device != device.id or not certificate.role.holds(Role.WRITE):
            raise Bug("a device introduces itself, under its own write certificate")
        body = bytes([VERSION]) + certificate.raw + incarnation_bytes(incarnation)
        raw = body + device.sign(INTRODUCTION_CONTEXT, body)
        return cls(raw, certificate, incarnation, origin_of(device.id, incarnation))

    def encode(self) -> bytes:
        """The bytes as they were received."""
        return self.raw


def parse_introduction(raw: bytes, keys: FolderKeys) -> Introduction:
    """Reads and checks it all: layout, folder, epoch, role, both signatures. Raises BadPeer."""
    if not raw or raw[0] != VERSION:
        raise BadPeer("an introduction of an unknown version", "update swarm")
    if len(raw) != INTRODUCTION_BYTES:
        raise BadPeer("an introduction of the wrong size")
    certificate = Certificate.parse(raw[1 : 1 + CERTIFICATE_BYTES])
    certificate.verify(keys.folder_id, keys.verify_key, keys.epoch)
    if not certificate.role.holds(Role.WRITE):
        raise BadPeer("an introduction of a device that may not write")
    body, signature = raw[:_INTRODUCTION_BODY_BYTES], raw[_INTRODUCTION_BODY_BYTES:]
    if not verify(certificate.device, INTRODUCTION_CONTEXT, body, signature):
        raise BadPeer("an introduction that its device did not sign")
    incarnation = int.from_bytes(body[-INCARNATION_BYTES:], "big")
    return Introduction(raw, certificate, incarnation, origin_of(certificate.device, incarnation))
