"""The bytes of a probe."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarm.net.probe import PING, PONG, PROBE_BYTES, Prober, tag_of

BINDING = bytes(range(32))


@pytest.mark.parametrize("seen", [None, ("192.0.2.7", 47474), ("2001:db8::7", 1)])
def test_a_pong_says_where_the_ping_came_from(seen: tuple[str, int] | None) -> None:
    data = Prober(BINDING, dialled=True).pong(b"12345678", seen)
    probe = Prober(BINDING, dialled=False).read(data)
    assert probe is not None
    assert probe == (True, b"12345678", seen)


def test_a_ping_is_as_large_as_its_pong() -> None:
    prober = Prober(BINDING, dialled=True)
    ping, pong = prober.ping(bytes(8)), prober.pong(bytes(8), ("192.0.2.7", 1))
    assert len(ping) == len(pong) == PROBE_BYTES == 52
    assert (ping[0], pong[0]) == (PING, PONG)


def test_both_sides_have_one_tag_and_other_links_have_another() -> None:
    one, other = Prober(BINDING, dialled=True), Prober(BINDING, dialled=False)
    assert one.tag == other.tag == tag_of(one.ping(bytes(8)))
    assert Prober(bytes(32), dialled=True).tag != one.tag


def test_what_is_no_probe_has_no_tag() -> None:
    ping = Prober(BINDING, dialled=True).ping(bytes(8))
    assert tag_of(ping[:-1]) is None
    assert tag_of(b"\x20" + ping[1:]) is None
    assert tag_of(b"") is None


def test_not_one_bit_of_a_probe_can_be_another() -> None:
    ping, peer = Prober(BINDING, dialled=True).ping(bytes(8)), Prober(BINDING, dialled=False)
    assert peer.read(ping) is not None
    for bit in range(8 * len(ping)):
        changed = bytearray(ping)
        changed[bit // 8] ^= 1 << bit % 8
        assert peer.read(bytes(changed)) is None


def _known() -> dict[str, str]:
    text = (Path(__file__).parent.parent / "vectors" / "probe.txt").read_text("utf-8")
    return dict(line.split(" = ", 1) for line in text.splitlines() if line and not line.startswith("#"))


def test_probes_are_the_known_ones() -> None:
    known = {name: bytes.fromhex(value) for name, value in _known().items()}
    dialler, listener = Prober(known["binding"], dialled=True), Prober(known["binding"], dialled=False)
    transaction = known["transaction"]
    assert dialler.tag == listener.tag == known["tag"]
    assert dialler.ping(transaction) == known["ping"]
    assert listener.read(known["ping"]) == (False, transaction, None)
    for name, seen in (("pong4", ("192.0.2.7", 47474)), ("pong6", ("2001:db8::7", 47474)), ("pong_relayed", None)):
        assert listener.pong(transaction, seen) == known[name]
        assert dialler.read(known[name]) == (True, transaction, seen)
