"""A session from its first byte to its last, as the shell that drives it sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from swarm.errors import BadPeer, Bug
from swarm.keys.role import Role
from swarm.session.events import (
    Authenticated,
    Cause,
    Close,
    Incompatible,
    MemberJoined,
    MembersTold,
    MessageReceived,
    PeerReady,
)
from swarm.session.greeting import Versions
from swarm.session.handshake import Kind
from swarm.session.messages import MAX_PLACES, MAX_TOLD, SESSION_MESSAGES, Member, SessionHello, Whereabouts
from swarm.session.session import State
from swarm.wire.codec import MAX_MESSAGE, encode
from swarm.wire.framing import frame
from swarm.wire.messages import FOLDER_MESSAGES, Introduce
from tests.unit.session_pair import ALICE, BOB, EVE, OTHER_BINDING, Side, certificate, folder, meet, news, pair, talk

if TYPE_CHECKING:
    from swarm.keys.chain import FolderKeys

DOCS = folder(1)
MUSIC = folder(2)


def say(side: Side, message: object) -> None:
    """What a peer that keeps no rules could send."""
    side.take(frame(SESSION_MESSAGES.pack(message)))


def hello(**changes: object) -> SessionHello:
    fields: dict[str, object] = {
        "lowest": 1,
        "highest": 1,
        "software": "0.1.0",
        "name": "eve",
        "nonce": bytes(8),
        "addresses": (),
    }
    return SessionHello(**(fields | changes))  # type: ignore[arg-type]


def authenticated() -> Side:
    """Bob, who knows Alice's device and nothing more of her yet."""
    alice, bob = pair([DOCS], [DOCS])
    alice.take(_answer(bob, alice.start()))
    proof = alice.data_to_send()
    end = 4 + int.from_bytes(proof[:4], "big")
    bob.take(proof[:end])
    return bob


def _answer(side: Side, data: bytes) -> bytes:
    side.take(data)
    return side.data_to_send()


@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
def test_two_members_get_to_know_each_other_whatever_the_pieces(piece: int) -> None:
    alice = Side(ALICE, [DOCS, folder(3)], dialled=True, name="laptop", addresses=[("192.0.2.7", 47474)])
    bob = Side(BOB, [MUSIC, DOCS], dialled=False, name="nas")
    talk(alice, bob, alice.start(), piece)
    assert bob.events == [
        Authenticated(ALICE.id),
        PeerReady(ALICE.id, "laptop", ALICE.id[:8], 1, "0.1.0", (("192.0.2.7", 47474),)),
        MemberJoined(DOCS.folder_id, Role.WRITE, certificate(DOCS, ALICE)),
    ]
    assert alice.events == [
        Authenticated(BOB.id),
        PeerReady(BOB.id, "nas", BOB.id[:8], 1, "0.1.0", ()),
        MemberJoined(DOCS.folder_id, Role.WRITE, certificate(DOCS, BOB)),
    ]
    assert alice.joined == bob.joined == {DOCS.folder_id: Role.WRITE}
    assert (alice.peer, bob.peer) == (BOB.id, ALICE.id)


def test_messages_of_a_common_folder_arrive_in_order() -> None:
    alice, bob = meet([DOCS], [DOCS])
    messages = [news(DOCS), Introduce(DOCS.folder_id, (bytes(191),)), news(DOCS)]
    assert all(alice.send(message) for message in messages)
    talk(alice, bob)
    assert bob.of(MessageReceived) == [MessageReceived(message) for message in messages]


def test_the_largest_message_passes_and_a_larger_frame_is_refused() -> None:
    alice, bob = meet([DOCS], [DOCS])
    bob.take(MAX_MESSAGE.to_bytes(4, "big"))
    _, bob = meet([DOCS], [DOCS])
    with pytest.raises(BadPeer, match=f"{MAX_MESSAGE + 1} bytes"):
        bob.take((MAX_MESSAGE + 1).to_bytes(4, "big"))
    assert alice.state is State.INTRODUCED


def test_nothing_is_sent_of_a_folder_that_the_peer_is_not_in() -> None:
    alice, bob = meet([DOCS, MUSIC], [DOCS])
    assert not alice.send(news(MUSIC))
    assert alice.data_to_send() == b""
    assert MUSIC.folder_id not in bob.joined


def test_nothing_is_sent_before_the_peer_has_introduced_itself() -> None:
    bob = authenticated()
    assert bob.data_to_send()
    assert not bob.send(news(DOCS))
    assert bob.data_to_send() == b""


def test_what_is_no_folder_message_cannot_be_sent() -> None:
    alice, _ = meet([DOCS], [DOCS])
    with pytest.raises(Bug):
        alice.send(hello())


def test_a_message_of_a_folder_that_is_not_joined_is_refused() -> None:
    for keys in (MUSIC, folder(9)):
        _, bob = meet([DOCS], [DOCS, MUSIC])
        with pytest.raises(BadPeer, match="has not joined"):
            bob.take(frame(FOLDER_MESSAGES.pack(news(keys))))


def test_a_stranger_hears_nothing_and_is_told_nothing() -> None:
    eve, bob = Side(EVE, [MUSIC], dialled=True), Side(BOB, [DOCS], dialled=False)
    talk(eve, bob, eve.start())
    assert bob.events == [Close(Cause.STRANGER, "")]
    assert bob.data_to_send() == b""
    assert eve.events == []


def test_whoever_is_dialled_by_mistake_cannot_tell_what_was_sought() -> None:
    sent = [Side(ALICE, [keys], dialled=True, name="laptop").start() for keys in (DOCS, MUSIC, folder(3, Role.BLIND))]
    assert len({len(data) for data in sent}) == 1
    assert not any(secret in data for data in sent for secret in (DOCS.folder_id, ALICE.id, b"laptop"))


def test_with_another_binding_on_each_leg_there_is_no_session() -> None:
    alice, bob = Side(ALICE, [DOCS], dialled=True), Side(BOB, [DOCS], dialled=False, binding=OTHER_BINDING)
    talk(alice, bob, alice.start())
    assert bob.events == [Close(Cause.STRANGER, "")]


def test_a_recorded_session_cannot_be_replayed() -> None:
    alice, bob = pair([DOCS], [DOCS])
    recorded = [alice.start()]
    alice.take(_answer(bob, recorded[0]))
    recorded.append(alice.data_to_send())
    on_the_same_link = Side(BOB, [DOCS], dialled=False, seed=1)
    on_the_same_link.take(recorded[0])
    with pytest.raises(BadPeer, match="signature"):
        on_the_same_link.take(recorded[1])
    later = Side(BOB, [DOCS], dialled=False, binding=OTHER_BINDING)
    later.take(b"".join(recorded))
    assert later.events == [Close(Cause.STRANGER, "")]
    assert later.data_to_send() == b""


def test_a_device_that_reaches_itself_closes() -> None:
    alice, mirror = Side(ALICE, [DOCS], dialled=True), Side(ALICE, [DOCS], dialled=False, seed=1)
    talk(alice, mirror, alice.start())
    assert alice.events == [Close(Cause.SELF, "self")]
    assert mirror.events == []


def test_an_invite_closes_with_a_reason() -> None:
    bob = Side(BOB, [DOCS], dialled=False)
    bob.take(frame(bytes([Kind.INVITE]) + b"token"))
    assert bob.events == [Close(Cause.INVITE, "this version of swarm takes no invites")]


def test_a_stranger_cannot_make_us_hold_more_than_a_handshake() -> None:
    bob = Side(BOB, [DOCS], dialled=False)
    bob.take((2049).to_bytes(4, "big"))
    bob = Side(BOB, [DOCS], dialled=False)
    with pytest.raises(BadPeer, match="2050 bytes"):
        bob.take((2050).to_bytes(4, "big"))
    alice, bob = pair([DOCS], [DOCS])
    bob.take(alice.start())
    with pytest.raises(BadPeer, match="98 bytes"):
        bob.take((98).to_bytes(4, "big"))
    with pytest.raises(BadPeer, match="2146 bytes"):
        alice.take((2146).to_bytes(4, "big"))


def test_after_a_fault_nothing_more_is_taken_or_sent() -> None:
    alice, bob = meet([DOCS], [DOCS])
    assert bob.send(news(DOCS))
    with pytest.raises(BadPeer):
        bob.take(frame(b"\xc1"))
    assert bob.data_to_send() == b""
    assert not bob.send(news(DOCS))
    assert alice.send(news(DOCS))
    assert bob.receive(alice.data_to_send()) == []
    bob.offer(MUSIC, certificate(MUSIC, BOB))
    bob.withdraw(DOCS.folder_id)
    assert bob.data_to_send() == b""


def test_who_is_authenticated_must_introduce_itself() -> None:
    with pytest.raises(BadPeer, match="did not introduce"):
        say(authenticated(), Member(DOCS.folder_id, Role.READ, b""))


def test_who_is_authenticated_introduces_itself_once() -> None:
    bob = authenticated()
    say(bob, hello())
    with pytest.raises(BadPeer, match="twice"):
        say(bob, hello())


def test_what_only_newer_versions_say_is_ignored() -> None:
    bob = authenticated()
    newer = (1, 1, 2, "0.2.0", "eve", bytes(8), (), 5, "a field of tomorrow", (1, 2))
    bob.take(frame(encode(newer)))
    assert bob.of(PeerReady) == [PeerReady(ALICE.id, "eve", bytes(8), 1, "0.2.0", (), 5)]
    for number in (14, 15, 60, 127):
        bob.take(frame(encode((number, b"whatever"))))
        bob.take(frame(encode((number, *range(20)))))
    assert len(bob.events) == 2


def test_members_hear_where_members_are() -> None:
    alice, bob = meet([DOCS], [DOCS])
    assert alice.tell(Whereabouts(DOCS.folder_id, ((EVE.id, (("192.0.2.9", 47474),)),)))
    talk(alice, bob)
    assert bob.of(MembersTold) == [MembersTold(DOCS.folder_id, ((EVE.id, (("192.0.2.9", 47474),)),))]


def test_members_of_a_folder_are_named_to_its_members_only() -> None:
    alice, bob = meet([DOCS, MUSIC], [DOCS])
    assert not alice.tell(Whereabouts(MUSIC.folder_id, ()))
    assert not authenticated().tell(Whereabouts(DOCS.folder_id, ()))
    with pytest.raises(BadPeer, match="not joined"):
        say(bob, Whereabouts(MUSIC.folder_id, ()))


def test_addresses_that_are_none_are_not_passed_up() -> None:
    _, bob = meet([DOCS], [DOCS])
    places = (("nas.example.net", 1), ("192.0.2.9", 0), ("192.0.2.9", 5), ("192.0.2.9", 5), ("224.0.0.1", 5))
    say(bob, Whereabouts(DOCS.folder_id, ((EVE.id, places),)))
    assert bob.of(MembersTold) == [MembersTold(DOCS.folder_id, ((EVE.id, (("192.0.2.9", 5),)),))]


@pytest.mark.parametrize(("members", "places"), [(MAX_TOLD + 1, 1), (1, MAX_PLACES + 1)])
def test_whereabouts_without_end_break_the_protocol(members: int, places: int) -> None:
    _, bob = meet([DOCS], [DOCS])
    told = tuple((bytes([n]) * 32, tuple(("192.0.2.9", 1 + port) for port in range(places))) for n in range(members))
    with pytest.raises(BadPeer):
        bob.take(frame(encode((8, DOCS.folder_id, told))))


def test_messages_with_many_fields_of_tomorrow_are_still_read() -> None:
    _, bob = meet([DOCS], [DOCS])
    bob.take(frame(encode((17, DOCS.folder_id, (), *range(20)))))
    assert bob.of(MessageReceived) == [MessageReceived(news(DOCS))]
    with pytest.raises(BadPeer, match="proved nothing"):
        bob.take(frame(encode((2, MUSIC.folder_id, 2, b"", *range(20)))))


def test_numbers_beyond_the_range_are_refused() -> None:
    for number in (128, 255, 1 << 20):
        _, bob = meet([DOCS], [DOCS])
        with pytest.raises(BadPeer, match="not a message"):
            bob.take(frame(encode((number,))))


@pytest.mark.parametrize("garbage", [b"\x90", b"\x91", b"\xdc", b"\xdc\x00\x01", b"\x01", b"\xc0", b"\x91\xc0"])
def test_what_is_no_message_is_refused(garbage: bytes) -> None:
    _, bob = meet([DOCS], [DOCS])
    with pytest.raises(BadPeer):
        bob.take(frame(garbage))


def test_the_highest_common_version_is_spoken() -> None:
    alice = Side(ALICE, [DOCS], dialled=True, versions=Versions(1, 3))
    bob = Side(BOB, [DOCS], dialled=False, versions=Versions(2, 7))
    talk(alice, bob, alice.start())
    for side in (alice, bob):
        ready = side.of(PeerReady)[0]
        assert isinstance(ready, PeerReady)
        assert ready.version == 3
    assert alice.joined == bob.joined == {DOCS.folder_id: Role.WRITE}


@pytest.mark.parametrize("alice_is_old", [True, False])
def test_without_a_common_version_both_learn_who_must_update(alice_is_old: bool) -> None:
    old, new = Versions(1, 2), Versions(3, 4)
    alice = Side(ALICE, [DOCS], dialled=True, name="laptop", versions=old if alice_is_old else new)
    bob = Side(BOB, [DOCS], dialled=False, name="nas", versions=new if alice_is_old else old)
    talk(alice, bob, alice.start())
    told_by_old = "speaks protocol versions 1 to 2, this device protocol versions 3 to 4"
    told_by_new = "speaks protocol versions 3 to 4, this device protocol versions 1 to 2"
    if alice_is_old:
        reasons = (f"update swarm on laptop: laptop {told_by_old}", f"update swarm on this device: nas {told_by_new}")
    else:
        reasons = (f"update swarm on this device: laptop {told_by_new}", f"update swarm on nas: nas {told_by_old}")
    for side, peer, name, is_old, reason in (
        (alice, BOB, "nas", alice_is_old, reasons[0]),
        (bob, ALICE, "laptop", not alice_is_old, reasons[1]),
    ):
        assert side.events == [
            Authenticated(peer.id),
            Incompatible(peer.id, name, "0.1.0", is_old),
            Close(Cause.INCOMPATIBLE, reason),
        ]
        assert not side.send(news(DOCS))


def test_an_empty_range_of_versions_is_refused() -> None:
    with pytest.raises(BadPeer, match="nothing in it"):
        say(authenticated(), hello(lowest=2, highest=1))


def test_a_name_is_made_fit_for_a_terminal() -> None:
    bob = authenticated()
    say(bob, hello(name="\x1b[31mred\u202e\nroot", software="\x07"))
    assert bob.of(PeerReady) == [PeerReady(ALICE.id, "[31mredroot", bytes(8), 1, "unnamed", ())]


def test_only_addresses_that_could_be_dialled_are_passed_on() -> None:
    bob = authenticated()
    told = (("192.0.2.7", 1), ("evil.example", 1), ("fe80::1%eth0", 1), ("::", 1), ("192.0.2.7", 0), ("192.0.2.7", 1))
    say(bob, hello(addresses=told))
    ready = bob.of(PeerReady)[0]
    assert isinstance(ready, PeerReady)
    assert ready.addresses == (("192.0.2.7", 1),)


@pytest.mark.parametrize("addresses", [(("192.0.2.7", 1),) * 17, (("1" * 46, 1),), (("192.0.2.7", 65536),)])
def test_more_or_longer_addresses_than_a_machine_has_are_refused(addresses: object) -> None:
    data = encode((1, 1, 1, "", "eve", bytes(8), addresses))  # type: ignore[arg-type]
    with pytest.raises(BadPeer):
        authenticated().take(frame(data))


def test_our_own_greeting_is_made_to_fit() -> None:
    addresses = [("evil.example", 1), *(("192.0.2.7", port) for port in range(1, 40))]
    alice = Side(ALICE, [DOCS], dialled=True, name="ü" * 100 + "\n", addresses=addresses)
    bob = Side(BOB, [DOCS], dialled=False)
    talk(alice, bob, alice.start())
    ready = bob.of(PeerReady)[0]
    assert isinstance(ready, PeerReady)
    assert ready.name == "ü" * 64
    assert ready.addresses == tuple(("192.0.2.7", port) for port in range(1, 17))


def test_a_boot_nonce_of_the_wrong_size_is_our_mistake() -> None:
    bob = Side(BOB, [DOCS], dialled=False)
    bob._hello = hello(nonce=b"short")
    alice = Side(ALICE, [DOCS], dialled=True)
    with pytest.raises(Bug):
        talk(alice, bob, alice.start())


def test_sessions_with_many_folders_meet_in_all_of_them() -> None:
    many = [folder(number, Role.READ) for number in range(100)]
    alice, bob = meet(many, many[:80])
    assert len(alice.joined) == len(bob.joined) == 80


def test_a_folder_beyond_the_first_32_is_found_whoever_dials() -> None:
    # Which 32 folders Alice shows is up to chance; if none is Bob's, he cannot tell her from a stranger.
    many = [folder(number, Role.READ) for number in range(33)]
    alice, bob = meet([many[0]], many)
    assert alice.joined == bob.joined == {many[0].folder_id: Role.READ}
    alice, bob = meet(many, many[:2])
    assert alice.joined == bob.joined == {keys.folder_id: Role.READ for keys in many[:2]}


def test_a_session_without_folders_meets_nobody() -> None:
    nothing: list[FolderKeys] = []
    alice, bob = meet(nothing, nothing)
    assert bob.events == [Close(Cause.STRANGER, "")]
    assert alice.events == []
