"""What two devices say of how they may be reached."""

from __future__ import annotations

import pytest

from swarm.errors import BadPeer
from swarm.session.events import RoutesTold
from swarm.session.messages import MAX_PLACES, MAX_RELAYS, SESSION_MESSAGES, Routes
from swarm.wire.codec import Value, encode
from tests.unit.session_pair import ALICE, Side, folder, meet

KEY = bytes(range(32))
PLACE = ("192.0.2.7", 47474)


def told(message: Routes) -> list[object]:
    alice, bob = meet([folder(1)], [folder(1)])
    alice.tell_routes(message)
    return list(bob.receive(alice.data_to_send()))


def test_a_peer_says_how_it_may_be_reached() -> None:
    message = Routes((PLACE,), (("198.51.100.1", 20_000),), (("203.0.113.1", 47470, KEY),))
    assert told(message) == [RoutesTold((PLACE,), (("198.51.100.1", 20_000),), ((("203.0.113.1", 47470), KEY),))]


def test_what_is_no_address_is_left_out_and_names_are_looked_up_for_nobody() -> None:
    bad = (("name.example.net", 1), ("192.0.2.7", 0), ("0.0.0.0", 1), ("224.0.0.1", 1), PLACE, PLACE)
    message = Routes(bad, bad, (("name.example.net", 47470, KEY), ("203.0.113.1", 47470, KEY)))
    assert told(message) == [RoutesTold((PLACE,), (PLACE,), ((("203.0.113.1", 47470), KEY),))]


@pytest.mark.parametrize(
    "message",
    [
        (9, (PLACE,) * (MAX_PLACES + 1), (), ()),
        (9, (), (PLACE,) * (MAX_PLACES + 1), ()),
        (9, (), (), (("203.0.113.1", 1, KEY),) * (MAX_RELAYS + 1)),
        (9, (), (), (("203.0.113.1", 1, KEY[:-1]),)),
        (9, (), (("x" * 46, 1),), ()),
    ],
)
def test_more_than_there_may_be_is_refused(message: Value) -> None:
    with pytest.raises(BadPeer):
        SESSION_MESSAGES.unpack(encode(message))


def test_nothing_is_said_to_a_stranger() -> None:
    alice = Side(ALICE, [folder(1)], dialled=True)
    alice.start()
    alice.tell_routes(Routes((), (), ()))
    assert alice.data_to_send() == b""
