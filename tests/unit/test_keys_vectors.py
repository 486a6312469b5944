"""tests/vectors/keys.txt, which another implementation can read too, against ours.

The file was computed with other libraries than ours (libsodium's BLAKE2b, OpenSSL's Ed25519 and ChaCha20, a second
bech32m), so that it does not merely repeat what the code does.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from swarm.errors import BadKey
from swarm.ids import DeviceId
from swarm.keys.certificate import Certificate, Introduction, parse_introduction
from swarm.keys.chain import FolderKeys
from swarm.keys.device import DeviceKey, origin_of
from swarm.keys.genesis import Genesis
from swarm.keys.membership import DIALLER, LISTENER, tag
from swarm.keys.printed import PrintedKey
from swarm.keys.role import Role
from swarm.keys.seal import open_sealed, path_key, seal


def _read() -> dict[str, str]:
    text = (Path(__file__).parent.parent / "vectors" / "keys.txt").read_text("utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    answers = dict(line.split(" = ", 1) for line in lines)
    assert len(answers) == len(lines), "a name occurs twice"
    return answers


ANSWERS = _read()
OWNER = FolderKeys.create(bytes.fromhex(ANSWERS["owner_seed"]))
DEVICE = DeviceKey.create(bytes.fromhex(ANSWERS["device_seed"]))


def answer(name: str) -> bytes:
    return bytes.fromhex(ANSWERS[name])


def test_the_chain_gives_the_known_keys() -> None:
    assert OWNER.owner_key() == answer("owner_key")
    assert OWNER.folder_id == answer("folder_id")
    assert OWNER.verify_key == answer("verify_key")
    assert OWNER.printed(Role.OWNER).secret == answer("owner_seed")
    assert OWNER.printed(Role.WRITE).secret == answer("write_seed")
    assert OWNER.printed(Role.READ).secret == answer("read_seed")
    assert OWNER.printed(Role.BLIND).secret == answer("blind_seed")
    assert OWNER.seal_key(0) == answer("seal_key")
    assert OWNER.path_key() == answer("path_key")
    assert OWNER.chunk_key() == answer("chunk_key")
    assert OWNER.discovery_key() == answer("discovery_key")
    assert OWNER.membership_key(Role.READ) == answer("read_membership_key")
    assert OWNER.membership_key(Role.BLIND) == answer("blind_membership_key")


@pytest.mark.parametrize("role", Role)
def test_a_key_is_printed_and_read_as_known(role: Role) -> None:
    text = ANSWERS[f"printed_{role.word}"]
    assert OWNER.printed(role).encode() == text
    assert PrintedKey.parse(text) == OWNER.printed(role)


@pytest.mark.parametrize(
    ("name", "word"), [("refused_epoch", "renewed"), ("refused_version", "newer"), ("refused_invite", "invite")]
)
def test_keys_of_the_future_are_refused_for_what_they_are(name: str, word: str) -> None:
    with pytest.raises(BadKey, match=word):
        PrintedKey.parse(ANSWERS[name])


def test_the_genesis_is_the_known_one() -> None:
    genesis = Genesis.create(OWNER, ANSWERS["genesis_name"])
    assert genesis.encode() == answer("genesis")
    received = Genesis.parse(answer("genesis"))
    received.verify(OWNER.folder_id, OWNER.verify_key)
    assert received.name(OWNER) == ANSWERS["genesis_name"]


def test_signatures_origins_and_certificates_are_the_known_ones() -> None:
    incarnation = int(ANSWERS["incarnation"])
    assert DEVICE.id == answer("device_id")
    assert DEVICE.sign(ANSWERS["signed_context"].encode(), answer("signed_message")) == answer("signature")
    assert origin_of(DeviceId(answer("device_id")), incarnation) == answer("origin")
    for role in (Role.READ, Role.WRITE):
        assert Certificate.issue(OWNER, DEVICE.id, role).raw == answer(f"certificate_{role.word}")
    made = Introduction.issue(Certificate.parse(answer("certificate_write")), DEVICE, incarnation)
    assert made.encode() == answer("introduction")
    assert parse_introduction(answer("introduction"), OWNER) == made
    assert made.origin == answer("origin")


def test_sealing_gives_the_known_bytes() -> None:
    key, outer, body = answer("seal_key"), answer("seal_outer"), answer("seal_body")
    assert seal(key, outer, body) == answer("sealed")
    assert open_sealed(key, outer, answer("sealed")) == body
    assert seal(key, b"", b"") == answer("sealed_nothing")


@pytest.mark.parametrize("number", range(4))
def test_path_keys_are_the_known_ones(number: int) -> None:
    assert path_key(answer("path_key"), ANSWERS[f"path_{number}"]) == answer(f"path_{number}_key")


def test_membership_tags_are_the_known_ones() -> None:
    binding = answer("binding")
    assert tag(OWNER.membership_key(Role.BLIND), DIALLER, binding) == answer("tag_blind_dialler")
    assert tag(OWNER.membership_key(Role.READ), LISTENER, binding) == answer("tag_read_listener")
