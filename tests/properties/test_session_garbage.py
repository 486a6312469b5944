"""Whatever a peer sends, whenever: a session goes on, closes, or raises BadPeer, and never lets anybody in."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from swarm.errors import BadPeer
from swarm.keys.certificate import Certificate
from swarm.keys.chain import FolderKeys
from swarm.keys.device import DeviceKey
from swarm.keys.role import Role
from swarm.session.events import Authenticated, MemberJoined, MessageReceived
from swarm.session.session import Session
from swarm.wire.codec import encode
from swarm.wire.framing import frame

ALICE, BOB = DeviceKey.create(b"a" * 32), DeviceKey.create(b"b" * 32)
DOCS, MUSIC = FolderKeys.create(b"d" * 32), FolderKeys.create(b"m" * 32)
FOLDERS = {keys.folder_id: keys for keys in (DOCS, MUSIC)}

ids = st.sampled_from([DOCS.folder_id, MUSIC.folder_id, bytes(16)])
fields = st.one_of(
    ids,
    st.integers(-1, 300),
    st.binary(max_size=40),
    st.text(max_size=10),
    st.booleans(),
    st.none(),
    st.lists(st.binary(min_size=32, max_size=32), max_size=9).map(sorted).map(tuple),
    st.just(Certificate.issue(DOCS, ALICE.id, Role.WRITE).raw),
    st.just(Certificate.issue(DOCS, BOB.id, Role.WRITE).raw),
)
messages = st.tuples(st.integers(0, 30), st.lists(fields, max_size=8)).map(lambda m: encode((m[0], *m[1])))
shakes = st.tuples(st.integers(0, 5), st.binary(max_size=300)).map(lambda m: bytes([m[0]]) + m[1])
frames = st.one_of(messages, shakes, st.binary(min_size=1, max_size=300)).map(frame)
streams = st.one_of(st.lists(frames, max_size=6).map(b"".join), st.binary(max_size=400))


def side(device: DeviceKey, dialled: bool) -> Session:
    return Session(
        device=device,
        name="",
        nonce=bytes(8),
        folders=FOLDERS,
        certificates={f: Certificate.issue(keys, device.id, Role.WRITE).raw for f, keys in FOLDERS.items()},
        binding=bytes(32),
        dialled=dialled,
        random=Random(device.id).randbytes,
    )


@given(streams, st.booleans())
@settings(deadline=None)
def test_garbage_lets_nobody_in(data: bytes, dialled: bool) -> None:
    session = side(BOB, dialled)
    session.start()
    try:
        events = session.receive(data)
    except BadPeer:
        events = session.receive(data)
        assert session.data_to_send() == b""
        assert events == []
    assert not any(isinstance(event, Authenticated | MemberJoined | MessageReceived) for event in events)
    assert session.peer is None
    assert session.joined == {}
    assert session.data_to_send() == b""


def recorded() -> list[bytes]:
    """What Alice sends to Bob in a session with him, in pieces that each follow from an answer of his."""
    alice, bob = side(ALICE, True), side(BOB, False)
    pieces = [alice.start()]
    while pieces[-1]:
        bob.receive(pieces[-1])
        alice.receive(bob.data_to_send())
        pieces.append(alice.data_to_send())
    return pieces[:-1]


TRANSCRIPT = recorded()


@given(st.lists(streams, min_size=1, max_size=4))
@settings(deadline=None)
def test_garbage_from_a_member_is_refused_or_ignored(garbage: list[bytes]) -> None:
    bob = side(BOB, False)
    for data in TRANSCRIPT:
        bob.receive(data)
    assert bob.peer == ALICE.id
    joined = dict(bob.joined)
    try:
        for data in garbage:
            bob.receive(data)
    except BadPeer:
        assert bob.data_to_send() == b""
    # A member may withdraw, or say again what it is; it cannot become what it has not proved.
    assert all(role <= joined[folder] for folder, role in bob.joined.items())


@given(st.integers(0), st.integers(1, 255))
@settings(deadline=None)
def test_one_wrong_byte_in_a_handshake_lets_nobody_in(at: int, flip: int) -> None:
    hello = len(TRANSCRIPT[0])
    proof = 4 + int.from_bytes(TRANSCRIPT[1][:4], "big")
    data = bytearray(TRANSCRIPT[0] + TRANSCRIPT[1][:proof])
    data[at % len(data)] ^= flip
    bob = side(BOB, False)
    try:
        bob.receive(bytes(data[:hello]))
        bob.receive(bytes(data[hello:]))
    except BadPeer:
        pass
    assert bob.peer is None
    assert bob.joined == {}


@given(st.lists(st.integers(1, 400), max_size=30))
@settings(deadline=None)
def test_where_the_stream_is_cut_makes_no_difference(cuts: list[int]) -> None:
    whole, pieces = side(BOB, False), side(BOB, False)
    for data in TRANSCRIPT:
        expected = whole.receive(data)
        events = []
        rest = data
        for cut in cuts:
            events += pieces.receive(rest[:cut])
            rest = rest[cut:]
        events += pieces.receive(rest)
        assert events == expected
        assert pieces.data_to_send() == whole.data_to_send()
