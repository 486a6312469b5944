"""Sealing, path keys and membership tags."""

from __future__ import annotations

import pytest

from swarm.errors import Bug, Integrity
from swarm.keys.membership import DIALLER, LISTENER, tag
from swarm.keys.seal import NONCE_BYTES, SEAL_OVERHEAD, open_sealed, path_key, seal

KEY = bytes(range(32))
SEALED = seal(KEY, b"outer", b"body")


@pytest.mark.parametrize("body", [b"", b"x", bytes(100_000)])
@pytest.mark.parametrize("outer", [b"", b"outer"])
def test_what_is_sealed_is_opened(outer: bytes, body: bytes) -> None:
    sealed = seal(KEY, outer, body)
    assert len(sealed) == len(body) + SEAL_OVERHEAD
    assert open_sealed(KEY, outer, sealed) == body


@pytest.mark.parametrize("position", range(len(SEALED)))
def test_one_flipped_bit_is_an_integrity_error(position: int) -> None:
    raw = bytearray(SEALED)
    raw[position] ^= 1
    with pytest.raises(Integrity):
        open_sealed(KEY, b"outer", bytes(raw))


@pytest.mark.parametrize("length", range(len(SEALED)))
def test_cut_off_bytes_are_an_integrity_error(length: int) -> None:
    with pytest.raises(Integrity):
        open_sealed(KEY, b"outer", SEALED[:length])


@pytest.mark.parametrize("outer", [b"", b"oute", b"outer2"])
def test_a_body_opens_beside_its_own_outer_part_only(outer: bytes) -> None:
    with pytest.raises(Integrity):
        open_sealed(KEY, outer, SEALED)


def test_another_key_opens_nothing() -> None:
    with pytest.raises(Integrity):
        open_sealed(bytes(32), b"outer", SEALED)


def test_no_two_messages_share_a_nonce_wherever_the_border_between_their_parts_is() -> None:
    """A dot used twice by a cloned disk has the same outer part, and another body."""
    parts = [(b"outer", b"body"), (b"outer", b"bodz"), (b"outerb", b"ody"), (b"oute", b"rbody"), (b"", b"outerbody")]
    nonces = {seal(KEY, outer, body)[:NONCE_BYTES] for outer, body in parts}
    assert len(nonces) == len(parts)
    assert seal(bytes(32), b"outer", b"body")[:NONCE_BYTES] not in nonces


@pytest.mark.parametrize("key", [b"", bytes(31), bytes(33)])
def test_a_key_of_the_wrong_length_is_a_bug(key: bytes) -> None:
    with pytest.raises(Bug):
        seal(key, b"", b"")
    with pytest.raises(Bug):
        open_sealed(key, b"", SEALED)


def test_siblings_are_neighbours_and_cousins_are_not() -> None:
    one, two, cousin, top = (path_key(KEY, path) for path in ("a/b/1", "a/b/2", "a/c/1", "1"))
    assert one[:3] == two[:3]
    assert one != two
    assert cousin[:3] != one[:3]
    assert top[:3] == path_key(KEY, "2")[:3]
    assert one[3:] != cousin[3:]
    assert {len(key) for key in (one, two, cousin, top)} == {20}


def test_path_keys_mean_nothing_under_another_key() -> None:
    assert path_key(bytes(32), "a/b")[:3] != path_key(KEY, "a/b")[:3]
    assert path_key(bytes(32), "a/b")[3:] != path_key(KEY, "a/b")[3:]


def test_a_path_that_is_not_utf8_has_no_path_key() -> None:
    for path in ("a/\udcff", "\udcff/a"):
        with pytest.raises(Bug):
            path_key(KEY, path)


def test_a_tag_holds_for_one_key_one_side_and_one_connection() -> None:
    binding = bytes(32)
    tags = [
        tag(KEY, DIALLER, binding),
        tag(KEY, LISTENER, binding),
        tag(bytes(32), DIALLER, binding),
        tag(KEY, DIALLER, b"\1" + bytes(31)),
    ]
    assert len(set(tags)) == len(tags)
    assert {len(each) for each in tags} == {32}
    assert tag(KEY, DIALLER, binding) == tags[0]


@pytest.mark.parametrize(("side", "binding"), [(b"", bytes(32)), (b"DL", bytes(32)), (b"D", bytes(31)), (b"D", b"")])
def test_a_tag_over_too_little_is_a_bug(side: bytes, binding: bytes) -> None:
    with pytest.raises(Bug):
        tag(KEY, side, binding)
