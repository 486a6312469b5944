"""Device keys, certificates, introductions, and everything a peer may try with them."""

from __future__ import annotations

import pytest

from swarm.errors import BadPeer, Bug
from swarm.ids import DeviceId, FolderId
from swarm.keys.certificate import (
    CERTIFICATE_BYTES,
    INTRODUCTION_BYTES,
    INTRODUCTION_CONTEXT,
    Certificate,
    Introduction,
    parse_introduction,
)
from swarm.keys.chain import FolderKeys, Role
from swarm.keys.derive import epoch_bytes
from swarm.keys.device import DeviceKey, origin_of, verify

OWNER = FolderKeys.create(bytes(range(32)))
STRANGER = FolderKeys.create(bytes(32))
DEVICE = DeviceKey.create(bytes([7]) * 32)
OTHER = DeviceKey.create(bytes([8]) * 32)
CERTIFICATE = Certificate.issue(OWNER, DEVICE.id, Role.WRITE)
INTRODUCTION = Introduction.issue(CERTIFICATE, DEVICE, 3)


def held(role: Role) -> FolderKeys:
    return FolderKeys.from_printed(OWNER.printed(role))


def certificate_saying(role: int = Role.WRITE, epoch: int = 0, version: int = 1, folder: bytes = b"") -> bytes:
    """Signed by the true write key, whatever it says."""
    body = bytes([version]) + (folder or OWNER.folder_id) + epoch_bytes(epoch) + bytes([role]) + DEVICE.id
    return body + OWNER.sign_certificate(body)


def introduction_with(certificate: bytes, device: DeviceKey = DEVICE) -> bytes:
    body = b"\1" + certificate + bytes(8)
    return body + device.sign(INTRODUCTION_CONTEXT, body)


def test_a_signature_holds_for_its_device_context_and_message_only() -> None:
    signature = DEVICE.sign(b"context", b"message")
    assert verify(DEVICE.id, b"context", b"message", signature)
    assert not verify(OTHER.id, b"context", b"message", signature)
    assert not verify(DEVICE.id, b"context2", b"message", signature)
    assert not verify(DEVICE.id, b"context", b"message2", signature)


def test_the_border_between_context_and_message_cannot_be_moved() -> None:
    signature = DEVICE.sign(b"con", b"textmessage")
    assert not verify(DEVICE.id, b"context", b"message", signature)
    signature = DEVICE.sign(b"context", b"a\0message")
    with pytest.raises(Bug):
        verify(DEVICE.id, b"context\0a", b"message", signature)
    for context in (b"", b"con\0text"):
        with pytest.raises(Bug):
            DEVICE.sign(context, b"message")


@pytest.mark.parametrize("length", [0, 1, 31, 33, 64])
def test_a_device_id_of_the_wrong_length_verifies_nothing(length: int) -> None:
    assert not verify(DeviceId(bytes(length)), b"context", b"", DEVICE.sign(b"context", b""))


@pytest.mark.parametrize("length", [0, 1, 63, 65, 128])
def test_a_signature_of_the_wrong_length_verifies_nothing(length: int) -> None:
    signature = DEVICE.sign(b"context", b"message") * 2
    assert not verify(DEVICE.id, b"context", b"message", signature[:length])


def test_malleable_signatures_and_small_order_keys_are_refused() -> None:
    order = 2**252 + 27742317777372353535851937790883648493
    signature = DEVICE.sign(b"context", b"message")
    other = signature[:32] + (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")
    assert not verify(DEVICE.id, b"context", b"message", other)
    assert not verify(DeviceId(bytes(32)), b"context", b"message", bytes(64))
    identity = b"\1" + bytes(31)
    assert not verify(DeviceId(identity), b"context", b"message", identity + bytes(32))


def test_a_device_key_shows_nothing_of_itself() -> None:
    seed = bytes(range(100, 132))
    shown = f"{DeviceKey.create(seed)!r} {DeviceKey.create(seed)}"
    assert seed.hex()[:8] not in shown
    assert repr(seed)[2:14] not in shown


def test_a_seed_of_the_wrong_length_is_a_bug() -> None:
    with pytest.raises(Bug):
        DeviceKey.create(bytes(31))


def test_every_life_of_every_device_has_its_own_origin() -> None:
    origins = [origin_of(device.id, life) for device in (DEVICE, OTHER) for life in (0, 1, 2**64 - 1)]
    assert len(set(origins)) == 6
    for life in (-1, 2**64):
        with pytest.raises(Bug):
            origin_of(DEVICE.id, life)


@pytest.mark.parametrize("role", [Role.READ, Role.WRITE])
def test_a_writer_certifies_and_everybody_can_check(role: Role) -> None:
    raw = Certificate.issue(held(Role.WRITE), DEVICE.id, role).raw
    certificate = Certificate.parse(raw)
    assert (certificate.device, certificate.role, certificate.epoch) == (DEVICE.id, role, 0)
    for member in Role:
        certificate.verify(held(member).folder_id, held(member).verify_key)


@pytest.mark.parametrize("role", [Role.READ, Role.BLIND])
def test_a_reader_cannot_certify(role: Role) -> None:
    with pytest.raises(Bug):
        Certificate.issue(held(role), DEVICE.id, Role.WRITE)


@pytest.mark.parametrize("role", [Role.OWNER, Role.BLIND])
def test_no_certificate_makes_an_owner_or_a_blind_host(role: Role) -> None:
    with pytest.raises(Bug):
        Certificate.issue(OWNER, DEVICE.id, role)
    with pytest.raises(BadPeer):
        Certificate.parse(certificate_saying(role=role))


@pytest.mark.parametrize("role", [0, 5, 255])
def test_a_role_that_is_none_is_refused(role: int) -> None:
    with pytest.raises(BadPeer):
        Certificate.parse(certificate_saying(role=role))


def test_a_certificate_holds_for_its_folder_key_and_epoch_only() -> None:
    with pytest.raises(BadPeer, match="another folder"):
        CERTIFICATE.verify(STRANGER.folder_id, OWNER.verify_key)
    with pytest.raises(BadPeer, match="did not sign"):
        CERTIFICATE.verify(OWNER.folder_id, STRANGER.verify_key)
    with pytest.raises(BadPeer, match="another epoch"):
        CERTIFICATE.verify(OWNER.folder_id, OWNER.verify_key, epoch=1)
    with pytest.raises(BadPeer, match="another epoch"):
        Certificate.parse(certificate_saying(epoch=1)).verify(OWNER.folder_id, OWNER.verify_key)


def test_a_certificate_for_a_device_id_of_the_wrong_length_is_a_bug() -> None:
    with pytest.raises(Bug):
        Certificate.issue(OWNER, DeviceId(bytes(31)), Role.WRITE)


def test_an_introduction_names_origin_device_and_life() -> None:
    assert len(INTRODUCTION.encode()) == INTRODUCTION_BYTES
    for role in Role:
        received = parse_introduction(INTRODUCTION.encode(), held(role))
        assert received == INTRODUCTION
        assert (received.device, received.role, received.incarnation) == (DEVICE.id, Role.WRITE, 3)
        assert received.origin == origin_of(DEVICE.id, 3)
        assert received.raw == INTRODUCTION.encode()


def test_a_device_introduces_only_itself_and_only_as_a_writer() -> None:
    with pytest.raises(Bug):
        Introduction.issue(CERTIFICATE, OTHER, 3)
    with pytest.raises(Bug):
        Introduction.issue(Certificate.issue(OWNER, DEVICE.id, Role.READ), DEVICE, 3)


def test_nobody_makes_up_a_life_of_another_device() -> None:
    body = b"\1" + CERTIFICATE.raw + (4).to_bytes(8, "big")
    for device in (OTHER, DEVICE):
        signed = device.sign(INTRODUCTION_CONTEXT, b"\1" + CERTIFICATE.raw + (3).to_bytes(8, "big"))
        with pytest.raises(BadPeer, match="did not sign"):
            parse_introduction(body + signed, OWNER)
    with pytest.raises(BadPeer, match="did not sign"):
        parse_introduction(introduction_with(CERTIFICATE.raw, OTHER), OWNER)


def test_a_reader_is_not_introduced() -> None:
    with pytest.raises(BadPeer, match="may not write"):
        parse_introduction(introduction_with(certificate_saying(role=Role.READ)), OWNER)


@pytest.mark.parametrize(
    "certificate",
    [
        certificate_saying(epoch=1),
        certificate_saying(version=2),
        certificate_saying(role=Role.OWNER),
        certificate_saying(folder=FolderId(bytes(16))),
        Certificate.issue(STRANGER, DEVICE.id, Role.WRITE).raw,
        CERTIFICATE.raw[:-64] + bytes(64),
    ],
)
def test_an_introduction_under_a_certificate_that_does_not_hold_is_refused(certificate: bytes) -> None:
    assert len(certificate) == CERTIFICATE_BYTES
    with pytest.raises(BadPeer):
        parse_introduction(introduction_with(certificate), OWNER)


@pytest.mark.parametrize("position", range(INTRODUCTION_BYTES))
def test_an_introduction_with_one_flipped_bit_is_refused(position: int) -> None:
    raw = bytearray(INTRODUCTION.raw)
    raw[position] ^= 0x10
    with pytest.raises(BadPeer):
        parse_introduction(bytes(raw), OWNER)


@pytest.mark.parametrize("length", [0, 1, CERTIFICATE_BYTES, INTRODUCTION_BYTES - 1, INTRODUCTION_BYTES + 1, 1 << 16])
def test_an_introduction_of_another_length_is_refused(length: int) -> None:
    raw = (INTRODUCTION.raw + bytes(1 << 16))[:length]
    with pytest.raises(BadPeer):
        parse_introduction(raw, OWNER)
    with pytest.raises(BadPeer):
        Certificate.parse((CERTIFICATE.raw + bytes(1 << 16))[: length if length != CERTIFICATE_BYTES else 117])


def test_a_newer_format_is_refused_with_the_way_out() -> None:
    for read in (Certificate.parse, lambda raw: parse_introduction(raw, OWNER)):
        with pytest.raises(BadPeer) as caught:
            read(b"\2" + bytes(500))
        assert caught.value.hint == "update swarm"
