"""The key chain, the genesis, and who may ask for what."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import pytest

from swarm.errors import BadPeer, Bug, Unavailable, UserError
from swarm.ids import FolderId
from swarm.keys.chain import FolderKeys, Role
from swarm.keys.derive import MAX_EPOCH, epoch_bytes, kdf
from swarm.keys.genesis import MAX_GENESIS_BYTES, MAX_NAME_BYTES, Genesis
from swarm.keys.printed import PrintedKey

if TYPE_CHECKING:
    from collections.abc import Callable

SEED = bytes(range(32))
OWNER = FolderKeys.create(SEED)
STRANGER = FolderKeys.create(bytes(32))


def held(role: Role) -> FolderKeys:
    return FolderKeys.from_printed(OWNER.printed(role))


ASKED: list[tuple[Callable[[FolderKeys], object], Role]] = [
    (lambda keys: keys.owner_key(), Role.OWNER),
    (lambda keys: keys.sign_genesis(b"body"), Role.OWNER),
    (lambda keys: keys.sign_certificate(b"body"), Role.WRITE),
    (lambda keys: keys.seal_key(0), Role.READ),
    (lambda keys: keys.path_key(), Role.READ),
    (lambda keys: keys.chunk_key(), Role.READ),
    (lambda keys: keys.membership_key(Role.READ), Role.READ),
    (lambda keys: keys.membership_key(Role.BLIND), Role.BLIND),
    (lambda keys: keys.discovery_key(), Role.BLIND),
]


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(("ask", "needed"), ASKED)
def test_a_role_gives_the_owners_keys_down_from_itself_and_none_above(
    role: Role, ask: Callable[[FolderKeys], object], needed: Role
) -> None:
    if role.holds(needed):
        assert ask(held(role)) == ask(OWNER)
    else:
        with pytest.raises(Bug, match=f"a {role.word} key does not hold"):
            ask(held(role))


@pytest.mark.parametrize("role", Role)
def test_every_role_agrees_on_the_folder_and_on_who_may_certify(role: Role) -> None:
    keys = held(role)
    assert (keys.folder_id, keys.epoch, keys.role) == (OWNER.folder_id, 0, role)
    assert keys.verify_key == OWNER.verify_key


def test_no_two_keys_of_a_folder_are_the_same() -> None:
    every = [ask(OWNER) for ask, _ in ASKED] + [OWNER.printed(role).secret for role in Role]
    assert len(set(every)) == len(every)


def test_roles_are_ordered_from_owner_down_to_blind() -> None:
    assert [role.word for role in sorted(Role, reverse=True)] == ["owner", "write", "read", "blind"]
    assert Role.WRITE.holds(Role.WRITE)
    assert Role.WRITE.holds(Role.READ)
    assert not Role.BLIND.holds(Role.READ)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("wanted", Role)
def test_a_device_prints_its_own_key_and_those_below_it(role: Role, wanted: Role) -> None:
    if role.holds(wanted):
        assert held(role).printed(wanted) == OWNER.printed(wanted)
    else:
        with pytest.raises(UserError, match=role.word) as caught:
            held(role).printed(wanted)
        assert wanted.word in caught.value.hint


@pytest.mark.parametrize("level", [Role.WRITE, Role.OWNER])
def test_write_and_owner_have_no_membership_tag(level: Role) -> None:
    with pytest.raises(Bug):
        OWNER.membership_key(level)


def test_a_record_of_a_later_epoch_is_not_a_forgery_but_waits_for_an_update() -> None:
    with pytest.raises(Unavailable) as caught:
        OWNER.seal_key(1)
    assert caught.value.hint == "update swarm"


def test_a_printed_key_of_a_later_epoch_cannot_slip_in_beside_the_parser() -> None:
    with pytest.raises(Bug):
        FolderKeys.from_printed(PrintedKey(Role.WRITE, 1, OWNER.folder_id, bytes(32)))


@pytest.mark.parametrize("seed", [b"", bytes(31), bytes(33)])
def test_an_owner_seed_of_the_wrong_length_is_a_bug(seed: bytes) -> None:
    with pytest.raises(Bug):
        FolderKeys.create(seed)


def secrets(role: Role) -> list[bytes]:
    return [OWNER.printed(each).secret for each in Role if role.holds(each)]


@pytest.mark.parametrize("role", Role)
def test_no_secret_is_in_any_text_that_keys_turn_into(role: Role) -> None:
    keys, printed = held(role), OWNER.printed(role)
    texts = [form(thing) for thing in (keys, printed) for form in (repr, str, "{}".format, "{!r}".format)]
    try:
        held(Role.BLIND).chunk_key()
    except Bug as error:
        texts.append("".join(traceback.format_exception(error)))
    for text in texts:
        for secret in secrets(role):
            assert secret.hex()[:8] not in text
            assert repr(secret)[2:14] not in text
        assert printed.encode()[7:15] not in text


def test_the_key_function_tells_contexts_infos_and_sizes_apart() -> None:
    results = [kdf(SEED, b"a"), kdf(SEED, b"b"), kdf(SEED, b"a", b"x"), kdf(bytes(32), b"a"), kdf(SEED, b"a", size=16)]
    assert len({result[:16] for result in results}) == len(results)


@pytest.mark.parametrize("key", [b"", bytes(31), bytes(64)])
def test_the_key_function_refuses_a_key_of_another_length(key: bytes) -> None:
    with pytest.raises(Bug):
        kdf(key, b"context")


@pytest.mark.parametrize("context", [b"", b"seventeen bytes!!", b"trailing\0"])
def test_the_key_function_refuses_a_context_that_another_could_equal(context: bytes) -> None:
    with pytest.raises(Bug):
        kdf(SEED, context)


@pytest.mark.parametrize("epoch", [-1, MAX_EPOCH + 1])
def test_an_epoch_has_32_bits(epoch: int) -> None:
    with pytest.raises(Bug):
        epoch_bytes(epoch)


GENESIS = Genesis.create(OWNER, "Döcs")


@pytest.mark.parametrize("role", Role)
def test_every_role_can_check_a_genesis(role: Role) -> None:
    keys = held(role)
    Genesis.parse(GENESIS.encode()).verify(keys.folder_id, keys.verify_key)


def test_a_blind_host_cannot_read_the_folders_name() -> None:
    assert GENESIS.name(held(Role.READ)) == "Döcs"
    assert "Döcs".encode() not in GENESIS.raw
    with pytest.raises(Bug):
        GENESIS.name(held(Role.BLIND))


def test_only_an_owner_makes_a_genesis() -> None:
    with pytest.raises(Bug):
        Genesis.create(held(Role.WRITE), "Docs")


@pytest.mark.parametrize("name", ["", "x" * (MAX_NAME_BYTES + 1), "\udcff"])
def test_a_genesis_takes_only_names_that_a_file_system_would(name: str) -> None:
    with pytest.raises(Bug):
        Genesis.create(OWNER, name)


def test_the_longest_name_fits_a_genesis() -> None:
    genesis = Genesis.create(OWNER, "x" * MAX_NAME_BYTES)
    assert len(genesis.raw) == MAX_GENESIS_BYTES
    with pytest.raises(BadPeer):
        Genesis.parse(genesis.raw + b"x")


def test_the_genesis_of_another_folder_is_refused() -> None:
    with pytest.raises(BadPeer, match="another folder"):
        GENESIS.verify(STRANGER.folder_id, STRANGER.verify_key)


def test_a_printed_key_with_somebody_elses_verify_key_does_not_fit_the_genesis() -> None:
    with pytest.raises(BadPeer, match="another write key"):
        GENESIS.verify(OWNER.folder_id, STRANGER.verify_key)


@pytest.mark.parametrize("position", range(0, len(GENESIS.raw)))
def test_a_genesis_with_one_flipped_bit_is_refused(position: int) -> None:
    raw = bytearray(GENESIS.raw)
    raw[position] ^= 1
    with pytest.raises(BadPeer):
        Genesis.parse(bytes(raw)).verify(OWNER.folder_id, OWNER.verify_key)


@pytest.mark.parametrize("length", range(0, len(GENESIS.raw)))
def test_a_genesis_that_is_cut_off_is_refused(length: int) -> None:
    with pytest.raises(BadPeer):
        Genesis.parse(GENESIS.raw[:length]).verify(OWNER.folder_id, OWNER.verify_key)


def test_a_genesis_names_what_it_seals_or_is_the_peers_fault() -> None:
    """The owner signed it, so only the owner can have done this; still no crash."""
    head = GENESIS.raw[:65]
    body = head + (41).to_bytes(2, "big") + bytes(41)
    genesis = Genesis.parse(body + OWNER.sign_genesis(body))
    genesis.verify(FolderId(OWNER.folder_id), OWNER.verify_key)
    with pytest.raises(BadPeer):
        genesis.name(OWNER)
