"""The frames between a device and a relay: strict, bounded, and known answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarm.errors import BadPeer, Bug, UserError
from swarm.keys.device import DeviceKey
from swarm.keys.relay import RelayPass, days_at, handle_of, printed, topic_of, topics_at
from swarm.keys.signature import key_pair
from swarm.wire import relay_frame as frames
from swarm.wire.relay_message import (
    DOWNWARD,
    MAX_FOUND,
    MAX_HANDLES,
    MAX_LOOKUP,
    MAX_TOPICS,
    REGISTRATION,
    UPWARD,
    Alive,
    Enrol,
    Found,
    Lookup,
    Mode,
    Refusal,
    SetTopics,
    Welcome,
    refusal_of,
)
from swarm.wire.relay_seal import (
    Registration,
    ephemeral_pair,
    fingerprint_of,
    is_signed,
    make_enrol,
    relay_secret,
    shared_by_client,
    shared_by_relay,
)

VECTORS = dict(
    line.split(" = ", 1)
    for line in (Path(__file__).parent.parent / "vectors" / "relay.txt").read_text().splitlines()
    if " = " in line and not line.startswith("#")
)


def known(name: str) -> bytes:
    return bytes.fromhex(VECTORS[name])


RELAY_KEY, RELAY_SECRET = key_pair(known("relay_seed"))
DEVICE = DeviceKey.create(known("device_seed"))
EPHEMERAL, EPHEMERAL_SECRET = ephemeral_pair(known("ephemeral_seed"))
COOKIE = known("cookie")
TOPICS = (b"\x11" * 16, b"\x22" * 16)


def registration() -> Registration:
    return Registration(shared_by_client(EPHEMERAL_SECRET, RELAY_KEY), EPHEMERAL, RELAY_KEY)


# -- known answers


def test_names_are_the_known_ones() -> None:
    assert known("relay_key") == RELAY_KEY
    assert printed(RELAY_KEY) == VECTORS["relay_printed"]
    assert fingerprint_of(RELAY_KEY) == known("fingerprint")
    assert handle_of(RELAY_KEY, DEVICE.id) == known("handle")
    assert topic_of(known("discovery_key"), RELAY_KEY, int(VECTORS["day"])) == known("topic")


def test_frames_in_the_clear_are_the_known_ones() -> None:
    transaction = known("transaction")
    assert frames.hello_frame(EPHEMERAL) == known("hello")
    assert frames.cookie_frame(EPHEMERAL, fingerprint_of(RELAY_KEY), COOKIE) == known("cookie_frame")
    assert frames.whoami_frame(transaction) == known("whoami")
    assert frames.address_frame(transaction, 47471, ("192.0.2.7", 47474)) == known("address4")
    assert frames.address_frame(transaction, 0, ("2001:db8::7", 47474)) == known("address6")
    assert frames.reset_frame(known("session")) == known("reset")
    assert frames.data_frame(0x01020304, b"\xc0hello") == known("data")
    assert frames.gone_frame(0x01020304) == known("gone")
    assert frames.in_stream(known("data")) == known("data_in_stream")


def test_sealed_frames_are_the_known_ones() -> None:
    enrol = make_enrol(DEVICE, RELAY_KEY, EPHEMERAL, COOKIE, Mode.RESERVE, b"token", TOPICS)
    seal = registration()
    register = seal.seal_enrol(frames.register_outer(EPHEMERAL, COOKIE), REGISTRATION.pack(enrol))
    assert register == known("register")
    welcome = Welcome(known("session"), frames.pack_address(("192.0.2.7", 47474)), 1, 0, 47471, 15, 64, 2**20)
    assert seal.seal_welcome(frames.welcome_outer(EPHEMERAL), REGISTRATION.pack(welcome)) == known("welcome")
    client = seal.conversation(known("session"), relay=False)
    relay = seal.conversation(known("session"), relay=True)
    assert client.seal(UPWARD.pack(Lookup(1, TOPICS))) == known("lookup")
    answer = Found(1, ((TOPICS[0], (known("handle"),)), (TOPICS[1], ())))
    assert relay.seal(DOWNWARD.pack(answer)) == known("found")


# -- the seal


def test_both_sides_come_to_the_same_secret_and_open_what_the_other_sealed() -> None:
    relay = Registration(shared_by_relay(relay_secret(RELAY_SECRET), EPHEMERAL), EPHEMERAL, RELAY_KEY)
    frame = frames.parse(known("register"))
    assert isinstance(frame, frames.Register)
    enrol = REGISTRATION.unpack(relay.open_enrol(frame))
    assert isinstance(enrol, Enrol)
    assert is_signed(enrol, RELAY_KEY, frame)
    answer = frames.parse(known("welcome"))
    assert isinstance(answer, frames.WelcomeBox)
    assert isinstance(REGISTRATION.unpack(registration().open_welcome(answer)), Welcome)


def test_a_signature_for_another_cookie_or_relay_is_none() -> None:
    frame = frames.parse(known("register"))
    assert isinstance(frame, frames.Register)
    enrol = make_enrol(DEVICE, RELAY_KEY, EPHEMERAL, bytes(frames.COOKIE_BYTES), Mode.GUEST, b"", ())
    assert not is_signed(enrol, RELAY_KEY, frame)
    right = make_enrol(DEVICE, RELAY_KEY, EPHEMERAL, COOKIE, Mode.GUEST, b"", ())
    assert is_signed(right, RELAY_KEY, frame)
    assert not is_signed(right, bytes(32), frame)


def test_nothing_is_taken_twice_or_backwards_or_by_the_one_who_said_it() -> None:
    client = registration().conversation(b"session!", relay=False)
    relay = registration().conversation(b"session!", relay=True)
    first, second = (frames.parse(client.seal(UPWARD.pack(Alive()))) for _ in range(2))
    assert isinstance(first, frames.Sealed)
    assert isinstance(second, frames.Sealed)
    with pytest.raises(BadPeer):
        registration().conversation(b"session!", relay=False).open(first)
    assert relay.open(second) == UPWARD.pack(Alive())
    assert relay.open(second) is None
    assert relay.open(first) is None


def test_a_changed_byte_anywhere_is_noticed() -> None:
    frame = registration().conversation(b"session!", relay=False).seal(UPWARD.pack(Alive()))
    for at in range(1, len(frame)):
        changed = frames.parse(frame[:at] + bytes([frame[at] ^ 1]) + frame[at + 1 :])
        assert isinstance(changed, frames.Sealed)
        relay = registration().conversation(b"session!", relay=True)
        if changed.session == b"session!" and changed.counter:
            with pytest.raises(BadPeer):
                relay.open(changed)


@pytest.mark.parametrize("point", [bytes(32), b"\1" + bytes(31), b"\xff" * 32])
def test_keys_that_are_none_are_the_peers_fault(point: bytes) -> None:
    with pytest.raises(BadPeer):
        shared_by_client(EPHEMERAL_SECRET, point)
    if point != b"\xff" * 32:
        with pytest.raises(BadPeer):
            shared_by_relay(relay_secret(RELAY_SECRET), point)


# -- strictness


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x2f" + bytes(40),
        b"\x39" + bytes(40),
        b"\x3f",
        b"\x40" + bytes(40),
        known("data")[:5],
        b"\x30" + bytes(frames.MAX_FRAME),
        known("hello")[:-1],
        known("hello")[:-1] + b"\1",
        known("hello").ljust(frames.MAX_CONTROL + 1, b"\0"),
        known("cookie_frame") + b"\0",
        known("cookie_frame")[:-1],
        known("register")[:55],
        known("lookup")[:17],
        known("reset") + b"\0",
        known("whoami")[:-1],
        known("whoami")[:9] + b"\2" + known("whoami")[10:],
        known("address4")[:-1],
        known("address6")[:11] + bytes(10) + b"\xff\xff\xc0\0\2\7" + b"\0\1",
        known("gone") + b"\0",
        known("welcome")[:9],
    ],
    ids=lambda data: data[:12].hex() + f"-{len(data)}",
)
def test_what_is_not_strictly_a_frame_is_refused(data: bytes) -> None:
    with pytest.raises(BadPeer):
        frames.parse(data)


def test_answers_in_the_clear_are_smaller_than_their_questions() -> None:
    assert len(known("cookie_frame")) < len(known("hello"))
    assert len(known("address6")) < len(known("whoami"))
    assert len(known("reset")) < len(known("lookup"))
    assert len(known("gone")) < frames.DATA_HEADER + 1


def test_the_largest_of_all_messages_fit_a_datagram() -> None:
    topics = tuple(bytes([n]) * 16 for n in range(MAX_TOPICS))
    enrol = make_enrol(DEVICE, RELAY_KEY, EPHEMERAL, COOKIE, Mode.RESERVE, b"t" * 64, topics)
    register = registration().seal_enrol(frames.register_outer(EPHEMERAL, COOKIE), REGISTRATION.pack(enrol))
    conversation = registration().conversation(b"session!", relay=True)
    handles = MAX_FOUND // MAX_HANDLES
    many = tuple((topic, topics[:MAX_HANDLES] if n < handles else ()) for n, topic in enumerate(topics[:MAX_LOOKUP]))
    found = conversation.seal(DOWNWARD.pack(Found(2**32 - 1, many)))
    said = conversation.seal(UPWARD.pack(SetTopics(2**32 - 1, topics)))
    for frame in (register, found, said):
        assert len(frame) <= frames.MAX_CONTROL
        frames.parse(frame)


def test_a_stream_gives_the_frames_back_however_it_is_cut() -> None:
    stream = b"".join(frames.in_stream(known(name)) for name in ("hello", "data", "register"))
    for cut in (1, 2, 3, 7, 100, len(stream)):
        reader = frames.stream_reader()
        got = [frame for at in range(0, len(stream), cut) for frame in reader.feed(stream[at : at + cut])]
        assert got == [known("hello"), known("data"), known("register")]


@pytest.mark.parametrize("prefix", [b"\0\0", (frames.MAX_FRAME + 1).to_bytes(2, "big")])
def test_a_stream_that_announces_nothing_or_too_much_is_refused(prefix: bytes) -> None:
    with pytest.raises(BadPeer):
        frames.stream_reader().feed(prefix)


def test_frames_that_are_too_large_are_our_bug() -> None:
    with pytest.raises(Bug):
        frames.in_stream(bytes(frames.MAX_FRAME + 1))


def test_addresses_have_one_spelling() -> None:
    assert frames.unpack_address(frames.pack_address(("::ffff:192.0.2.7", 1))) == ("192.0.2.7", 1)
    assert frames.unpack_address(frames.pack_address(("fe80::1%eth0", 65535))) == ("fe80::1", 65535)
    with pytest.raises(BadPeer):
        frames.unpack_address(bytes(7))


def test_a_reason_of_a_newer_relay_is_some_reason() -> None:
    assert refusal_of(250) is Refusal.NOT_ALLOWED
    assert refusal_of(Refusal.FULL) is Refusal.FULL
    assert all(reason.sentence for reason in Refusal)


# -- keys as people type them


def test_a_printed_key_is_read_back_with_and_without_a_token() -> None:
    text = printed(RELAY_KEY)
    assert RelayPass.parse(text) == RelayPass(RELAY_KEY)
    assert RelayPass.parse(f"{text}.s3cret-_") == RelayPass(RELAY_KEY, "s3cret-_")
    assert RelayPass.parse(f"{text}.s3cret").public == text


@pytest.mark.parametrize("change", ["", "short", "long", "padded", "no token", "long token", "bad letter"])
def test_a_key_that_is_none_is_said_in_one_sentence_without_the_token(change: str) -> None:
    text = printed(RELAY_KEY)
    wrong = {
        "": "",
        "short": text[:-1] + ".hush",
        "long": text + "A.hush",
        "padded": text + "=",
        "no token": text + ".",
        "long token": text + "." + "hush" * 17,
        "bad letter": text[:-1] + "+",
    }[change]
    with pytest.raises(UserError, match="relay") as error:
        RelayPass.parse(wrong)
    assert "hush" not in str(error.value)
    assert error.value.hint


def test_the_spare_bits_of_the_last_character_must_be_zero() -> None:
    text = printed(bytes(32))
    assert text[-1] == "A"
    with pytest.raises(UserError):
        RelayPass.parse(text[:-1] + "B")


def test_a_pass_shows_no_token_when_it_is_printed() -> None:
    assert "hush" not in repr(RelayPass(RELAY_KEY, "hush"))


def test_topics_differ_by_day_relay_and_folder_and_there_are_two_days_near_midnight() -> None:
    noon, late = 86_400 * 20_000 + 43_200.0, 86_400 * 20_001 - 60.0
    assert days_at(noon) == (20_000,)
    assert days_at(late) == (20_000, 20_001)
    one = topics_at([bytes(32)], RELAY_KEY, noon)
    assert one == (topic_of(bytes(32), RELAY_KEY, 20_000),)
    assert len({*one, *topics_at([bytes(32)], bytes(32), noon), *topics_at([b"\1" * 32], RELAY_KEY, late)}) == 4
