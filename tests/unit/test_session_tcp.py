"""The session carries what is said about bulk lanes over TCP, and nothing of it before both know each other."""

from __future__ import annotations

import pytest

from swarm.errors import BadPeer
from swarm.session.events import TcpAsked, TcpOffered
from swarm.session.messages import MAX_TOKENS, AskTcp, OfferTcp
from swarm.wire.codec import Value, encode
from swarm.wire.framing import frame
from tests.unit.session_pair import ALICE, Side, folder, meet

DOCS = folder(1)
OFFER = OfferTcp(47474, bytes(range(32)), (b"t" * 32, b"u" * 32), False)


def test_what_one_side_says_the_other_hears() -> None:
    alice, bob = meet([DOCS], [DOCS])
    alice.arrange_tcp(AskTcp(2))
    bob.take(alice.data_to_send())
    bob.arrange_tcp(OFFER)
    alice.take(bob.data_to_send())
    assert bob.of(TcpAsked) == [TcpAsked(2)]
    assert alice.of(TcpOffered) == [TcpOffered(47474, bytes(range(32)), (b"t" * 32, b"u" * 32), False)]


def test_nothing_is_said_to_a_stranger() -> None:
    alice = Side(ALICE, [DOCS], dialled=True)
    alice.start()
    alice.arrange_tcp(OFFER)
    assert alice.data_to_send() == b""


@pytest.mark.parametrize(
    "message",
    [
        (6, 0),
        (6, MAX_TOKENS + 1),
        (7, 65_536, bytes(32), (), False),
        (7, 1, bytes(31), (), False),
        (7, 1, bytes(32), (bytes(31),), False),
        (7, 1, bytes(32), (bytes(32),) * (MAX_TOKENS + 1), False),
        (7, 1, bytes(32), ()),
    ],
)
def test_what_is_out_of_bounds_ends_the_session(message: Value) -> None:
    _, bob = meet([DOCS], [DOCS])
    with pytest.raises(BadPeer):
        bob.take(frame(encode(message)))
