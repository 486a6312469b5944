"""Folders that come and go during a session, and the roles that a peer may claim."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from swarm.errors import BadPeer, Bug
from swarm.keys.certificate import Certificate
from swarm.keys.derive import digest
from swarm.keys.membership import DIALLER
from swarm.keys.role import Role
from swarm.session import tags
from swarm.session.events import Event, MemberJoined, MemberLeft, MessageReceived
from swarm.session.messages import SESSION_MESSAGES, Answer, Member, Offer, Withdraw
from swarm.wire.codec import encode
from swarm.wire.framing import Deframer, frame
from swarm.wire.messages import FOLDER_MESSAGES
from tests.unit.session_pair import ALICE, BINDING, BOB, EVE, Side, certificate, folder, meet, news, pair, talk

if TYPE_CHECKING:
    from swarm.keys.chain import FolderKeys
    from swarm.keys.device import DeviceKey

DOCS = folder(1)
MUSIC = folder(2)
MUSIC_ID = MUSIC.folder_id


def say(side: Side, *messages: object) -> None:
    """What a peer that keeps no rules could send."""
    for message in messages:
        side.take(frame(SESSION_MESSAGES.pack(message)))


def said(side: Side) -> list[object]:
    """What a side has to say, and nobody hears."""
    return [SESSION_MESSAGES.unpack(payload) for payload in Deframer(1 << 20).feed(side.data_to_send())]


def offer(side: Side, keys: FolderKeys, device: DeviceKey) -> None:
    side.offer(keys, certificate(keys, device))


def roles(alice_role: Role, bob_role: Role) -> tuple[Role, Role]:
    """What Alice takes Bob for, and Bob Alice."""
    alice, bob = meet([folder(1, alice_role)], [folder(1, bob_role)])
    return alice.joined[DOCS.folder_id], bob.joined[DOCS.folder_id]


def offer_by_alice(keys: FolderKeys, nonce: bytes = bytes(8)) -> Offer:
    binding = digest(b"swarm1.offer", BINDING + nonce, 32)
    return Offer(nonce, tags.show([keys], DIALLER, binding, Random(0).randbytes))


# --- roles


def test_each_role_is_recognised_by_a_reader() -> None:
    assert roles(Role.READ, Role.WRITE) == (Role.WRITE, Role.READ)
    assert roles(Role.WRITE, Role.READ) == (Role.READ, Role.WRITE)
    assert roles(Role.READ, Role.BLIND)[0] is Role.BLIND
    assert roles(Role.WRITE, Role.OWNER) == (Role.WRITE, Role.WRITE)


def test_a_blind_host_knows_writers_by_their_certificates_and_takes_all_others_for_blind() -> None:
    assert roles(Role.BLIND, Role.WRITE) == (Role.WRITE, Role.BLIND)
    assert roles(Role.BLIND, Role.READ) == (Role.BLIND, Role.BLIND)


def test_a_reader_with_a_read_certificate_is_a_reader_to_a_blind_host_too() -> None:
    keys = folder(1, Role.READ)
    raw = Certificate.issue(DOCS, ALICE.id, Role.READ).raw
    alice = Side(ALICE, [keys], dialled=True, certificates={keys.folder_id: raw})
    bob = Side(BOB, [folder(1, Role.BLIND)], dialled=False)
    talk(alice, bob, alice.start())
    assert bob.of(MemberJoined) == [MemberJoined(keys.folder_id, Role.READ, raw)]


def forged() -> bytes:
    return certificate(DOCS, ALICE)[:-1] + b"\0"


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b"", "no certificate"),
        (Certificate.issue(DOCS, ALICE.id, Role.READ).raw, "no certificate"),
        (certificate(DOCS, EVE), "another device"),
        (certificate(MUSIC, ALICE), "another folder"),
        (forged(), "did not sign"),
        (certificate(DOCS, ALICE)[:-1], "wrong size"),
        (b"\x02" + certificate(DOCS, ALICE)[1:], "unknown version"),
    ],
)
def test_write_takes_a_certificate_for_this_folder_and_this_device(raw: bytes, fault: str) -> None:
    for role in (Role.READ, Role.BLIND):  # whatever Bob can check himself
        _, bob = meet([folder(1, Role.READ)], [folder(1, role)])
        with pytest.raises(BadPeer, match=fault):
            say(bob, Member(DOCS.folder_id, Role.WRITE, raw))


def test_a_reader_whose_certificate_is_signed_with_another_folders_key_is_refused() -> None:
    keys = folder(1, Role.READ)
    body = bytearray(certificate(MUSIC, ALICE))
    body[1:17] = DOCS.folder_id
    alice = Side(ALICE, [keys], dialled=True, certificates={keys.folder_id: bytes(body)})
    bob = Side(BOB, [DOCS], dialled=False)
    with pytest.raises(BadPeer, match="did not sign"):
        talk(alice, bob, alice.start())


@pytest.mark.parametrize("role", [Role.READ, Role.WRITE])
def test_a_blind_host_that_says_it_can_read_is_refused(role: Role) -> None:
    _, bob = meet([folder(1, Role.BLIND)], [DOCS])
    raw = b"" if role is Role.READ else certificate(DOCS, ALICE)
    with pytest.raises(BadPeer, match="may read"):
        say(bob, Member(DOCS.folder_id, role, raw))


def test_a_certificate_is_checked_even_where_it_is_not_needed() -> None:
    _, bob = meet([folder(1, Role.READ)], [DOCS])
    with pytest.raises(BadPeer, match="did not sign"):
        say(bob, Member(DOCS.folder_id, Role.READ, forged()))


@pytest.mark.parametrize("role", [0, Role.OWNER, 255])
def test_roles_that_cannot_be_claimed_are_refused(role: int) -> None:
    _, bob = meet([DOCS], [DOCS])
    with pytest.raises(Bug):
        SESSION_MESSAGES.pack(Member(DOCS.folder_id, role, b""))
    with pytest.raises(BadPeer, match="not from 1 to 3"):
        bob.take(frame(encode((2, DOCS.folder_id, role, b""))))


def test_to_hold_the_write_key_without_a_certificate_is_our_mistake() -> None:
    with pytest.raises(Bug, match="certificate"):
        Side(ALICE, [DOCS], dialled=True, certificates={DOCS.folder_id: b""})
    alice, _ = meet([DOCS], [DOCS])
    with pytest.raises(Bug, match="certificate"):
        alice.offer(MUSIC)


def test_a_member_says_so_as_often_as_it_likes_and_is_heard_when_it_changes() -> None:
    alice, bob = meet([folder(1, Role.READ)], [DOCS])
    raw = certificate(DOCS, ALICE)
    say(bob, Member(DOCS.folder_id, Role.READ, b""), Member(DOCS.folder_id, Role.WRITE, raw))
    joined = [MemberJoined(DOCS.folder_id, Role.READ, b""), MemberJoined(DOCS.folder_id, Role.WRITE, raw)]
    assert bob.of(MemberJoined) == joined
    assert alice.joined


# --- offers


@pytest.mark.parametrize("first", ["dialler", "listener"])
def test_a_folder_that_both_get_later_is_joined(first: str) -> None:
    alice, bob = meet([DOCS], [DOCS])
    sides = [(alice, ALICE), (bob, BOB)]
    for side, device in sides if first == "dialler" else reversed(sides):
        offer(side, MUSIC, device)
        talk(alice, bob)
    assert alice.joined == bob.joined == {DOCS.folder_id: Role.WRITE, MUSIC_ID: Role.WRITE}
    assert alice.send(news(MUSIC))
    talk(alice, bob)
    assert bob.of(MessageReceived) == [MessageReceived(news(MUSIC))]


def test_a_folder_that_both_offer_at_once_is_joined_once() -> None:
    alice, bob = meet([DOCS], [DOCS])
    offer(alice, MUSIC, ALICE)
    offer(bob, MUSIC, BOB)
    talk(alice, bob)
    for side in (alice, bob):
        assert side.joined[MUSIC_ID] is Role.WRITE
        assert len(side.of(MemberJoined)) == 2


def test_an_offer_tells_nothing_to_who_has_not_the_folder() -> None:
    alice, bob = meet([DOCS], [DOCS])
    offer(alice, MUSIC, ALICE)
    data = alice.data_to_send()
    bob.take(data)
    assert bob.data_to_send() == b""
    assert len(bob.events) == 3
    secrets = (MUSIC_ID, ALICE.id, MUSIC.verify_key, MUSIC.membership_key(Role.BLIND), MUSIC.membership_key(Role.READ))
    assert not any(secret in data for secret in secrets)


def test_the_same_folder_offered_twice_cannot_be_recognised() -> None:
    alice, _ = meet([DOCS], [DOCS])
    offers = []
    for _ in range(2):
        offer(alice, MUSIC, ALICE)
        offers += said(alice)
        alice.withdraw(MUSIC_ID)
        assert said(alice) == []
    first, second = offers
    assert isinstance(first, Offer)
    assert isinstance(second, Offer)
    assert not set(first.tags) & set(second.tags)


def test_an_offer_sent_back_to_its_maker_proves_nothing() -> None:
    alice, _ = meet([DOCS], [DOCS])
    offer(alice, MUSIC, ALICE)
    (made,) = said(alice)
    assert isinstance(made, Offer)
    say(alice, made, Answer(made.nonce, made.tags))
    assert said(alice) == []


def test_an_answer_to_no_offer_of_ours_proves_nothing() -> None:
    alice, bob = meet([DOCS], [DOCS])
    offer(alice, MUSIC, ALICE)
    offer(bob, MUSIC, BOB)
    said(alice)
    said(bob)
    made = offer_by_alice(MUSIC)
    say(bob, Answer(made.nonce, made.tags))
    assert said(bob) == []


def test_an_answer_shows_only_what_the_offer_proved() -> None:
    # Bob holds the read key, but an offer by a blind host gets the blind tag alone.
    alice, bob = meet([DOCS], [DOCS, MUSIC])
    blind = folder(2, Role.BLIND)
    say(bob, offer_by_alice(blind))
    answer, member = said(bob)
    assert isinstance(answer, Answer)
    assert isinstance(member, Member)
    binding = digest(b"swarm1.offer", BINDING + bytes(8), 32)
    assert tags.match({MUSIC_ID: MUSIC}, answer.tags, b"L", binding) == {MUSIC_ID: Role.BLIND}
    with pytest.raises(BadPeer, match="may read"):
        say(bob, Member(MUSIC_ID, Role.READ, b""))
    assert alice.joined


@pytest.mark.parametrize("count", [0, 7, 72])
def test_lists_of_tags_of_other_lengths_are_refused(count: int) -> None:
    shown = tuple(number.to_bytes(32, "big") for number in range(count))
    for kind in (3, 4):
        _, bob = meet([DOCS], [DOCS])
        with pytest.raises(BadPeer):
            bob.take(frame(encode((kind, bytes(8), shown))))


def test_unsorted_tags_are_refused() -> None:
    made = offer_by_alice(MUSIC)
    backwards = tuple(reversed(made.tags))
    for message in (Offer(made.nonce, backwards), Answer(made.nonce, backwards)):
        _, bob = meet([DOCS], [DOCS])
        with pytest.raises(BadPeer, match="sorted"):
            say(bob, message)


def test_a_claim_to_a_folder_without_proof_is_refused_alike_whether_we_have_it_or_not() -> None:
    faults = set()
    for keys in (MUSIC, folder(9)):
        for message in (Member(keys.folder_id, Role.READ, b""), Withdraw(keys.folder_id)):
            _, bob = meet([DOCS], [DOCS, MUSIC])
            with pytest.raises(BadPeer) as caught:
                say(bob, message)
            faults.add((type(message), caught.value.message))
    assert len(faults) == 2


# --- withdrawals and races


def test_a_folder_that_is_withdrawn_is_left_and_its_messages_end() -> None:
    alice, bob = meet([DOCS, MUSIC], [DOCS, MUSIC])
    alice.withdraw(MUSIC_ID)
    assert not alice.send(news(MUSIC))
    talk(alice, bob)
    assert bob.of(MemberLeft) == [MemberLeft(MUSIC_ID)]
    assert alice.of(MemberLeft) == []
    assert not bob.send(news(MUSIC))
    assert alice.joined == bob.joined == {DOCS.folder_id: Role.WRITE}


def test_messages_that_were_on_their_way_are_no_fault() -> None:
    alice, bob = meet([DOCS, MUSIC], [DOCS, MUSIC])
    assert bob.send(news(MUSIC))
    alice.withdraw(MUSIC_ID)
    talk(alice, bob)
    assert alice.of(MessageReceived) == []


def test_who_has_withdrawn_may_not_go_on_talking() -> None:
    _, bob = meet([DOCS, MUSIC], [DOCS, MUSIC])
    say(bob, Withdraw(MUSIC_ID))
    with pytest.raises(BadPeer, match="has not joined"):
        bob.take(frame(FOLDER_MESSAGES.pack(news(MUSIC))))


def test_who_has_withdrawn_cannot_withdraw_again() -> None:
    _, bob = meet([DOCS, MUSIC], [DOCS, MUSIC])
    say(bob, Withdraw(MUSIC_ID))
    with pytest.raises(BadPeer, match="withdraws"):
        say(bob, Withdraw(MUSIC_ID))


def test_both_may_withdraw_at_once_and_meet_again() -> None:
    alice, bob = meet([DOCS, MUSIC], [DOCS, MUSIC])
    alice.withdraw(MUSIC_ID)
    bob.withdraw(MUSIC_ID)
    talk(alice, bob)
    assert MUSIC_ID not in alice.joined
    offer(alice, MUSIC, ALICE)
    offer(bob, MUSIC, BOB)
    talk(alice, bob)
    assert alice.joined == bob.joined == {DOCS.folder_id: Role.WRITE, MUSIC_ID: Role.WRITE}


def test_withdrawing_a_folder_that_the_peer_does_not_know_of_says_nothing() -> None:
    alice, bob = meet([DOCS, MUSIC], [DOCS])
    alice.withdraw(MUSIC_ID)
    alice.withdraw(folder(9).folder_id)
    assert alice.data_to_send() == b""
    assert bob.joined == {DOCS.folder_id: Role.WRITE}


def test_new_keys_for_a_folder_are_offered_anew() -> None:
    alice, bob = meet([folder(1, Role.READ)], [DOCS])
    offer(alice, DOCS, ALICE)
    talk(alice, bob)
    events: list[Event] = [
        MemberJoined(DOCS.folder_id, Role.READ, b""),
        MemberLeft(DOCS.folder_id),
        MemberJoined(DOCS.folder_id, Role.WRITE, certificate(DOCS, ALICE)),
    ]
    assert bob.of(MemberJoined, MemberLeft) == events
    assert alice.joined == bob.joined == {DOCS.folder_id: Role.WRITE}


@pytest.mark.parametrize("seed", range(60))
def test_any_crossing_of_offers_and_withdrawals_ends_in_agreement(seed: int) -> None:
    random = Random(seed)
    start = [DOCS, MUSIC] if seed % 2 else [DOCS]
    alice, bob = meet(start, start)
    up, down = bytearray(), bytearray()  # on their way, to Bob and to Alice
    held = dict.fromkeys((ALICE.id, BOB.id), MUSIC in start)
    for _ in range(40):
        side, device, sent = random.choice([(alice, ALICE, up), (bob, BOB, down)])
        match random.randrange(5):
            case 0:
                offer(side, MUSIC, device)
                held[device.id] = True
            case 1:
                side.withdraw(MUSIC_ID)
                held[device.id] = False
            case 2:
                side.send(news(MUSIC))
            case _:
                arriving = down if side is alice else up
                count = random.randrange(len(arriving) + 1)
                side.take(bytes(arriving[:count]))
                del arriving[:count]
        sent += side.data_to_send()
    while up or down:
        bob.take(bytes(up))
        alice.take(bytes(down))
        up, down = bytearray(alice.data_to_send()), bytearray(bob.data_to_send())
    both = all(held.values())
    assert (MUSIC_ID in alice.joined, MUSIC_ID in bob.joined) == (both, both)
    assert alice.send(news(MUSIC)) is both


# --- during the handshake


@pytest.mark.parametrize("late", [{ALICE.id}, {BOB.id}, {ALICE.id, BOB.id}])
def test_a_folder_offered_during_the_handshake_is_joined(late: set[bytes]) -> None:
    folders = {device.id: [DOCS] if device.id in late else [DOCS, MUSIC] for device in (ALICE, BOB)}
    alice, bob = pair(folders[ALICE.id], folders[BOB.id])
    hello = alice.start()
    for side, device in ((alice, ALICE), (bob, BOB)):
        if device.id in late:
            offer(side, MUSIC, device)
    talk(alice, bob, hello)
    assert alice.joined == bob.joined == {DOCS.folder_id: Role.WRITE, MUSIC_ID: Role.WRITE}


def test_a_folder_withdrawn_during_the_handshake_is_not_joined() -> None:
    alice, bob = pair([DOCS, MUSIC], [DOCS, MUSIC])
    hello = alice.start()
    alice.withdraw(MUSIC_ID)
    talk(alice, bob, hello)
    assert alice.joined == bob.joined == {DOCS.folder_id: Role.WRITE}


def test_keys_that_change_during_the_handshake_count_as_new() -> None:
    alice, bob = pair([folder(1, Role.BLIND)], [DOCS])
    hello = alice.start()
    offer(alice, DOCS, ALICE)
    talk(alice, bob, hello)
    assert alice.joined == bob.joined == {DOCS.folder_id: Role.WRITE}
