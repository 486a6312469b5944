"""Contacts: whose ids are believed, who may speak of whom; and client or server."""

from __future__ import annotations

import pytest

from swarm.discovery.dht.contact import (
    Contact,
    Scope,
    is_bound,
    make_id,
    may_tell,
    network,
    pack_address,
    pack_contact,
    parse_address,
    parse_contact,
    party,
    scope,
)
from swarm.discovery.dht.standing import PROOF, STABLE, Standing

OUTSIDE, OTHER, THIRD = "8.8.8.8", "9.9.9.9", "20.1.1.1"
RANDOM = bytes(range(20))


@pytest.mark.parametrize("host", [OUTSIDE, "2606:4700::1", "127.0.0.1", "192.168.1.9", "fd00::5"])
def test_contacts_arrive_as_they_were_sent(host: str) -> None:
    contact = Contact(make_id(host, RANDOM), host, 47474)
    assert parse_contact(pack_contact(contact), host) == contact


def test_an_id_that_its_address_does_not_demand_is_nobodys() -> None:
    assert is_bound(Contact(make_id(OUTSIDE, RANDOM), OUTSIDE, 1))
    assert not is_bound(Contact(RANDOM, OUTSIDE, 1))
    assert parse_contact(pack_contact(Contact(RANDOM, OUTSIDE, 1)), OTHER) is None
    assert make_id("8.8.8.1", RANDOM)[:4] == make_id(OUTSIDE, RANDOM)[:4] != make_id(OTHER, RANDOM)[:4]


@pytest.mark.parametrize(
    ("teller", "host", "believed"),
    [
        (OUTSIDE, OTHER, True),
        (OUTSIDE, "192.168.1.1", False),
        (OUTSIDE, "127.0.0.1", False),
        ("192.168.1.1", "10.0.0.1", True),
        ("192.168.1.1", "127.0.0.1", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "192.168.1.1", True),
        ("192.168.1.1", OUTSIDE, True),
        (OUTSIDE, "169.254.1.1", False),
        (OUTSIDE, "2606:4700::1", False),
        (OUTSIDE, "224.0.0.1", False),
    ],
)
def test_private_addresses_are_believed_from_such_addresses_only(teller: str, host: str, believed: bool) -> None:
    assert may_tell(teller, host) is believed


@pytest.mark.parametrize(
    "data",
    [b"", b"x" * 5, b"x" * 19, bytes(6), bytes(18), b"\xe0\0\0\1\0\1", bytes(10) + b"\xff" * 2 + b"\1\2\3\4\0\1"],
)
def test_what_is_no_address_is_none(data: bytes) -> None:
    assert parse_address(data) is None
    assert parse_contact(RANDOM + data, "127.0.0.1") is None


def test_a_private_contact_told_by_somebody_outside_is_nobody() -> None:
    inside = pack_contact(Contact(RANDOM, "192.168.1.1", 1))
    assert parse_contact(inside, OUTSIDE) is None
    assert parse_contact(inside, "192.168.1.2") is not None


def test_neighbours_on_the_internet_are_one_party_and_at_home_each_is_its_own() -> None:
    assert network("8.8.8.1") == network("8.8.8.254") != network("8.8.9.1")
    assert network("2606:4700::1") == network("2606:4700::2:1")
    assert party(Contact(RANDOM, "127.0.0.1", 1)) != party(Contact(RANDOM, "127.0.0.1", 2))
    assert scope("not an address") is Scope.NOWHERE
    assert pack_address(("127.0.0.1", 1)) == b"\x7f\0\0\1\0\1"


def test_a_node_is_a_server_once_a_stranger_got_through_and_it_stayed() -> None:
    standing = Standing()
    standing.seen((THIRD, 5), OUTSIDE)
    assert standing.wants_proof(0.0)
    standing.reached(OTHER, 0.0)
    assert not standing.is_server(STABLE - 1)
    assert standing.is_server(STABLE)
    assert not standing.is_server(PROOF + 1)


def test_who_is_never_reached_stays_a_client() -> None:
    standing = Standing()
    standing.seen((THIRD, 5), OUTSIDE)
    assert not standing.is_server(1e6)


def test_being_reached_from_our_own_network_proves_nothing_of_the_outside() -> None:
    standing = Standing()
    standing.seen((THIRD, 5), OUTSIDE)
    standing.reached("192.168.1.7", 0.0)
    assert not standing.is_server(STABLE)


def test_one_liar_does_not_move_us() -> None:
    standing = Standing()
    assert standing.seen((THIRD, 5), OUTSIDE)
    assert not standing.seen((THIRD, 5), OTHER)
    assert not standing.seen(("1.2.3.4", 5), "30.1.1.1")
    assert standing.address == (THIRD, 5)


def test_a_new_address_begins_anew() -> None:
    standing = Standing()
    for by in (OUTSIDE, OTHER):
        standing.seen((THIRD, 5), by)
    standing.reached(OTHER, 0.0)
    assert standing.is_server(STABLE)
    assert [standing.seen(("40.1.1.1", 5), by) for by in (OUTSIDE, OTHER)] == [False, True]
    assert not standing.is_server(STABLE)


def test_in_another_network_the_first_word_counts() -> None:
    standing = Standing()
    for by in (OUTSIDE, OTHER, "30.1.1.1"):
        standing.seen((THIRD, 5), by)
    standing.forget()
    assert standing.seen(("40.1.1.1", 5), OUTSIDE)


def test_who_sits_behind_our_router_knows_nothing_of_our_outside_address() -> None:
    standing = Standing()
    assert not standing.seen((THIRD, 5), "192.168.1.7")
    assert standing.seen(("192.168.1.9", 5), "192.168.1.7")


def test_a_relay_is_a_server_from_the_start() -> None:
    assert Standing(always_server=True).is_server(0.0)
