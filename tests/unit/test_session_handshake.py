"""Who gets in, who stays out, and what those who stay out have seen."""

from __future__ import annotations

from random import Random

import pytest

from swarm.errors import BadPeer, Bug
from swarm.keys.chain import FolderKeys
from swarm.keys.derive import digest
from swarm.keys.device import DeviceKey
from swarm.keys.membership import DIALLER, LISTENER, TAG_BYTES
from swarm.keys.role import Role
from swarm.session import tags
from swarm.session.events import Cause, Close
from swarm.session.handshake import CONTEXT, MAX_INVITE, Handshake, Kind, Known
from swarm.wire.framing import PREFIX_BYTES
from tests.unit.session_pair import ALICE, BINDING, BOB, EVE, OTHER_BINDING, folder

DOCS = folder(1)
MUSIC = folder(2)
MAX_STRANGER_BYTES = 4096  # what a link lets through before the session trusts it


def side(device: DeviceKey, *folders: FolderKeys, dialled: bool, binding: bytes = BINDING, seed: int = 0) -> Handshake:
    random = Random(f"{device.id.hex()} {seed}").randbytes
    return Handshake(device, {keys.folder_id: keys for keys in folders}, binding, dialled, random)


def dialler(*folders: FolderKeys, device: DeviceKey = ALICE, binding: bytes = BINDING) -> Handshake:
    return side(device, *folders, dialled=True, binding=binding)


def listener(*folders: FolderKeys, device: DeviceKey = BOB, binding: bytes = BINDING) -> Handshake:
    return side(device, *folders, dialled=False, binding=binding)


def shake(alice: Handshake, bob: Handshake) -> None:
    answer = bob.receive(alice.start())
    proof = alice.receive(answer)
    assert bob.receive(proof) == b""


def test_two_members_learn_each_others_device_and_what_they_have_in_common() -> None:
    alice, bob = dialler(DOCS, folder(3)), listener(MUSIC, DOCS)
    shake(alice, bob)
    assert (alice.peer, bob.peer) == (BOB.id, ALICE.id)
    assert alice.proved == bob.proved == {DOCS.folder_id: Role.READ}
    assert alice.known is bob.known is Known.DEVICE


def test_a_stranger_who_dials_hears_nothing() -> None:
    eve, bob = dialler(MUSIC, device=EVE), listener(DOCS)
    assert bob.receive(eve.start()) == b""
    assert bob.close == Close(Cause.STRANGER, "")
    assert bob.peer is None
    assert bob.proved == {}


def test_a_stranger_who_is_dialled_sees_only_random_bytes() -> None:
    hello = dialler(DOCS).start()
    other = side(ALICE, MUSIC, dialled=True, seed=1).start()
    many = dialler(*(folder(number) for number in range(1, 5))).start()
    assert len(hello) == len(other) == len(many) == 1 + tags.STEP * TAG_BYTES
    shown = {bytes(hello[at : at + TAG_BYTES]) for at in range(1, len(hello), TAG_BYTES)}
    assert len(shown) == tags.STEP
    secrets = (DOCS.folder_id, ALICE.id, DOCS.discovery_key(), DOCS.verify_key, *_member_keys(DOCS))
    assert not any(secret in hello for secret in secrets)


def test_the_same_folder_looks_different_on_every_link() -> None:
    here = side(ALICE, DOCS, dialled=True).start()
    there = side(ALICE, DOCS, dialled=True, binding=OTHER_BINDING, seed=1).start()
    assert not set(tags.split(here[1:])) & set(tags.split(there[1:]))


def test_a_listener_answers_only_with_what_matched() -> None:
    alice = dialler(DOCS)
    answer = listener(DOCS, *(folder(number) for number in range(10, 40))).receive(alice.start())
    assert len(answer) == 1 + 32 + 64 + tags.STEP * TAG_BYTES


def test_a_man_in_the_middle_has_two_bindings_and_so_no_luck() -> None:
    alice, bob = dialler(DOCS), listener(DOCS, binding=OTHER_BINDING)
    assert bob.receive(alice.start()) == b""
    assert bob.close == Close(Cause.STRANGER, "")


def test_a_member_in_the_middle_cannot_pass_the_devices_on() -> None:
    # Eve is a member herself and makes her own tags on both links, but needs the signatures of Alice and Bob.
    alice, bob = dialler(DOCS), listener(DOCS, binding=OTHER_BINDING)
    eve_for_alice, eve_for_bob = listener(DOCS, device=EVE), dialler(DOCS, device=EVE, binding=OTHER_BINDING)
    from_bob = bob.receive(eve_for_bob.start())
    to_alice = eve_for_alice.receive(alice.start())
    spliced = from_bob[: 1 + 32 + 64] + to_alice[1 + 32 + 64 :]
    with pytest.raises(BadPeer, match="signature"):
        alice.receive(spliced)


def test_a_recorded_handshake_is_worthless_on_another_link() -> None:
    alice, bob = dialler(DOCS), listener(DOCS)
    hello = alice.start()
    answer = bob.receive(hello)
    proof = alice.receive(answer)

    assert listener(DOCS, binding=OTHER_BINDING).receive(hello) == b""
    later = dialler(DOCS, binding=OTHER_BINDING)
    later.start()
    assert later.receive(answer) == b""
    assert later.close == Close(Cause.STRANGER, "")
    # Even with a member's tags of the new link, the old proof is none.
    bob_later = listener(DOCS, binding=OTHER_BINDING)
    bob_later.receive(dialler(DOCS, device=EVE, binding=OTHER_BINDING).start())
    with pytest.raises(BadPeer, match="signature"):
        bob_later.receive(proof)


def test_a_proof_belongs_to_one_answer() -> None:
    # The same link and the same hello, but the listener answered with other random bytes.
    alice = dialler(DOCS)
    hello = alice.start()
    proof = alice.receive(listener(DOCS).receive(hello))
    bob = side(BOB, DOCS, dialled=False, seed=1)
    bob.receive(hello)
    with pytest.raises(BadPeer, match="signature"):
        bob.receive(proof)


def test_tags_sent_back_to_their_maker_prove_nothing() -> None:
    alice = dialler(DOCS)
    hello = alice.start()
    eve = DeviceKey.create(b"e" * 32)
    forged = bytes([Kind.ANSWER]) + eve.id + bytes(64) + hello[1:]
    assert alice.receive(forged) == b""
    assert alice.close == Close(Cause.STRANGER, "")


def test_a_signature_sent_back_to_its_maker_proves_nothing() -> None:
    alice, bob = dialler(DOCS), listener(DOCS)
    answer = bob.receive(alice.start())
    with pytest.raises(BadPeer, match="signature"):
        bob.receive(bytes([Kind.PROOF]) + answer[1 : 1 + 32 + 64])


def test_the_dialler_names_itself_only_to_a_listener_that_has_proved_its_device() -> None:
    alice, bob = dialler(DOCS), listener(DOCS)
    answer = bytearray(bob.receive(alice.start()))
    answer[1 + 32] ^= 1
    with pytest.raises(BadPeer, match="signature"):
        alice.receive(bytes(answer))
    assert alice.peer is None


@pytest.mark.parametrize("at", [1, 1 + 32, 1 + 32 + 63])
def test_a_proof_with_a_wrong_key_or_signature_is_refused(at: int) -> None:
    alice, bob = dialler(DOCS), listener(DOCS)
    proof = bytearray(alice.receive(bob.receive(alice.start())))
    proof[at] ^= 1
    with pytest.raises(BadPeer, match="signature"):
        bob.receive(bytes(proof))
    assert bob.peer is None


def test_a_device_cannot_use_the_name_of_another() -> None:
    eve, bob = dialler(DOCS, device=EVE), listener(DOCS)
    proof = eve.receive(bob.receive(eve.start()))
    with pytest.raises(BadPeer, match="signature"):
        bob.receive(bytes([Kind.PROOF]) + ALICE.id + proof[1 + 32 :])


def test_a_member_cannot_hide_behind_an_answer_that_was_tampered_with() -> None:
    alice, bob = dialler(DOCS), listener(DOCS)
    answer = bob.receive(alice.start())
    head, shown = answer[: 1 + 96], tags.split(answer[1 + 96 :])
    mine = tags.match({DOCS.folder_id: DOCS}, shown, LISTENER, BINDING)
    assert mine == {DOCS.folder_id: Role.READ}
    more = sorted([*shown, *(bytes([255, number]) * 16 for number in range(tags.STEP))])
    with pytest.raises(BadPeer, match="signature"):
        alice.receive(head + b"".join(more))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(Role.BLIND, Role.WRITE), (Role.BLIND, Role.READ), (Role.READ, Role.BLIND), (Role.OWNER, Role.BLIND)],
)
def test_where_one_is_blind_only_blindness_is_proved(ours: Role, theirs: Role) -> None:
    keys = FolderKeys.create(bytes(32))
    alice = dialler(FolderKeys.from_printed(keys.printed(ours)))
    bob = listener(FolderKeys.from_printed(keys.printed(theirs)))
    shake(alice, bob)
    assert alice.proved == bob.proved == {keys.folder_id: Role.BLIND}


@pytest.mark.parametrize("binding", [BINDING, OTHER_BINDING])
def test_a_blind_host_cannot_pass_as_a_reader_with_what_a_reader_has_shown_it(binding: bytes) -> None:
    reader, host = folder(1, Role.READ), folder(1, Role.BLIND)
    overheard = tags.split(dialler(reader).start()[1:])  # the reader's own tags, on the same link or on another
    made = tags.show([host], LISTENER, binding, Random(1).randbytes)
    proved = tags.match({reader.folder_id: reader}, [*made, *overheard], LISTENER, binding)
    assert proved == {reader.folder_id: Role.BLIND}


def test_reaching_ourselves_is_noticed_and_said() -> None:
    alice, mirror = dialler(DOCS), listener(DOCS, device=ALICE)
    assert alice.receive(mirror.receive(alice.start())) == b""
    assert alice.close == Close(Cause.SELF, "self")
    assert alice.peer is None
    assert alice.proved == {}


def test_a_listener_notices_itself_too() -> None:
    hello = dialler(DOCS).start()
    mirror = listener(DOCS, device=ALICE)
    answer = mirror.receive(hello)
    signature = ALICE.sign(CONTEXT, DIALLER + BINDING + digest(b"swarm1.hello", hello, 32) + answer)
    assert mirror.receive(bytes([Kind.PROOF]) + ALICE.id + signature) == b""
    assert mirror.close == Close(Cause.SELF, "self")


def test_an_invite_is_turned_away_politely() -> None:
    bob = listener(DOCS)
    assert bob.receive(bytes([Kind.INVITE]) + b"token") == b""
    assert bob.close == Close(Cause.INVITE, "this version of swarm takes no invites")


def test_an_invite_has_a_limit() -> None:
    bob = listener(DOCS)
    assert bob.receive(bytes([Kind.INVITE]) + bytes(MAX_INVITE)) == b""
    with pytest.raises(BadPeer, match="1026 bytes"):
        listener(DOCS).receive(bytes([Kind.INVITE]) + bytes(MAX_INVITE + 1))


def test_a_stranger_can_send_less_than_the_link_lets_through() -> None:
    bob = listener(*(folder(number) for number in range(32)))
    alice = dialler(*(folder(number) for number in range(32)))
    first = bob.limit
    bob.receive(alice.start())
    assert first + bob.limit + 2 * PREFIX_BYTES == 2154
    assert max(alice.limit, first + bob.limit) + 2 * PREFIX_BYTES <= MAX_STRANGER_BYTES


def test_at_most_32_folders_are_shown_and_chance_decides_which() -> None:
    many = [folder(number) for number in range(40)]
    chosen = [side(ALICE, *many, dialled=True, seed=seed) for seed in range(20)]
    assert all(len(handshake.start()) == 1 + 64 * TAG_BYTES for handshake in chosen)
    assert all(len(handshake.compared) == 32 for handshake in chosen)
    assert {f for handshake in chosen for f in handshake.compared} == {keys.folder_id for keys in many}


def test_a_listener_looks_through_all_of_its_folders() -> None:
    many = [folder(number) for number in range(100)]
    alice, bob = dialler(many[99]), listener(*many)
    shake(alice, bob)
    assert bob.proved == {many[99].folder_id: Role.READ}


def test_more_than_64_tags_are_refused() -> None:
    shown = b"".join(number.to_bytes(TAG_BYTES, "big") for number in range(72))
    with pytest.raises(BadPeer, match="2305 bytes"):
        listener(DOCS).receive(bytes([Kind.TAGS]) + shown)


@pytest.mark.parametrize(
    ("shown", "fault"),
    [
        (b"", "a list of 0"),
        (bytes(TAG_BYTES * 7), "a list of 7"),
        (bytes(TAG_BYTES * 8 - 1), "cut off"),
        (bytes(TAG_BYTES * 8), "sorted"),
        (b"".join(bytes([number]) * 32 for number in range(8, 0, -1)), "sorted"),
    ],
)
def test_a_list_that_no_honest_side_makes_is_refused(shown: bytes, fault: str) -> None:
    with pytest.raises(BadPeer, match=fault):
        listener(DOCS).receive(bytes([Kind.TAGS]) + shown)


@pytest.mark.parametrize("kind", [0, Kind.ANSWER, Kind.PROOF, 5, 255])
def test_a_listener_expects_tags_or_an_invite(kind: int) -> None:
    with pytest.raises(BadPeer, match="not what the handshake allows"):
        listener(DOCS).receive(bytes([kind]) + dialler(DOCS).start()[1:])


@pytest.mark.parametrize("kind", [Kind.TAGS, Kind.INVITE, Kind.PROOF])
def test_a_dialler_expects_an_answer(kind: Kind) -> None:
    alice = dialler(DOCS)
    hello = alice.start()
    with pytest.raises(BadPeer, match="not what the handshake allows"):
        alice.receive(bytes([kind]) + hello[1:])


def test_nothing_is_expected_once_it_is_over() -> None:
    alice, bob = dialler(DOCS), listener(DOCS)
    hello = alice.start()
    answer = bob.receive(hello)
    proof = alice.receive(answer)
    bob.receive(proof)
    for handshake, payload in ((bob, proof), (bob, hello), (alice, answer)):
        with pytest.raises(BadPeer, match="not what the handshake allows"):
            handshake.receive(payload)


def test_a_truncated_answer_is_refused() -> None:
    alice, bob = dialler(DOCS), listener(DOCS)
    answer = bob.receive(alice.start())
    for length in (1, 40, 1 + 96, len(answer) - 1):
        with pytest.raises(BadPeer):
            alice.receive(answer[:length])


def test_a_truncated_or_padded_proof_is_refused() -> None:
    alice, bob = dialler(DOCS), listener(DOCS)
    proof = alice.receive(bob.receive(alice.start()))
    for payload in (proof[:1], proof[:-1], proof + b"\0"):
        with pytest.raises(BadPeer):
            bob.receive(payload)


def test_a_binding_of_the_wrong_size_is_our_mistake() -> None:
    with pytest.raises(Bug, match="channel binding"):
        dialler(DOCS, binding=b"short")


def _member_keys(keys: FolderKeys) -> tuple[bytes, bytes]:
    return keys.membership_key(Role.BLIND), keys.membership_key(Role.READ)
