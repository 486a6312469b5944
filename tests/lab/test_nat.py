"""The lab itself: each NAT maps and filters as its name says, seen with plain sockets."""

from __future__ import annotations

import contextlib
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import pytest

from tests.lab import inside
from tests.lab.nat import Kind, can_punch
from tests.lab.size import some

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from tests.lab.internet import Internet, Site

pytestmark = pytest.mark.lab

PORT = 22000
PROMPT = 0.5  # seconds within which what comes has come; the wire is a few hundred nanoseconds long
QUIET = 0.15  # seconds after which nothing comes any more
FEW = [(Kind.CONE, Kind.CONE), (Kind.CONE, Kind.RANDOM), (Kind.FULL_CONE, Kind.SYMMETRIC)]
BEHIND_NAT = [kind for kind in Kind if kind is not Kind.NONE]


@pytest.fixture
def open_sockets() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


class Bench:
    """A site's socket, and two of a public machine with two addresses."""

    def __init__(self, internet: Internet, kind: Kind, stack: contextlib.ExitStack) -> None:
        server = internet.public(1, 2)
        self.site: Site = internet.site(kind)
        self.host = stack.enter_context(inside.udp(self.site.host.namespace, port=PORT))
        self.first = stack.enter_context(inside.udp(server.namespace, "203.0.113.1", 3478))
        self.second = stack.enter_context(inside.udp(server.namespace, "203.0.113.2", 3478))
        self.other_port = stack.enter_context(inside.udp(server.namespace, "203.0.113.1", 3479))

    def seen_by(self, server: socket.socket) -> tuple[str, int] | None:
        """Where the host's socket seems to be."""
        self.host.sendto(b"who am I", server.getsockname())
        return received_from(server)


def received_from(receiver: socket.socket, patience: float = PROMPT) -> tuple[str, int] | None:
    receiver.settimeout(patience)
    try:
        _, address = receiver.recvfrom(100)
    except TimeoutError:
        return None
    return str(address[0]), int(address[1])


@pytest.mark.parametrize("kind", BEHIND_NAT, ids=lambda kind: kind.value)
def test_a_nat_maps_and_filters_as_it_is_called(
    internet: Internet, kind: Kind, open_sockets: contextlib.ExitStack
) -> None:
    bench = Bench(internet, kind, open_sockets)
    first, second = bench.seen_by(bench.first), bench.seen_by(bench.second)
    if kind is Kind.BLOCKED:
        assert first is None
        assert second is None
        return
    assert first is not None
    assert second is not None
    assert first[0] == second[0] == bench.site.public
    assert (first != second) == (kind in (Kind.SYMMETRIC, Kind.RANDOM))
    bench.first.sendto(b"answer", first)
    assert received_from(bench.host) == ("203.0.113.1", 3478)
    bench.other_port.sendto(b"somebody else", first)
    came = received_from(bench.host, PROMPT if kind is Kind.FULL_CONE else QUIET)
    assert (came is not None) == (kind is Kind.FULL_CONE)


def test_a_host_without_nat_is_itself(internet: Internet, open_sockets: contextlib.ExitStack) -> None:
    bench = Bench(internet, Kind.NONE, open_sockets)
    assert bench.seen_by(bench.first) == bench.seen_by(bench.second) == (bench.site.public, PORT)
    bench.other_port.sendto(b"unasked", (bench.site.public, PORT))
    assert received_from(bench.host) is not None


@pytest.mark.parametrize(
    ("one", "other"),
    some(combinations_with_replacement(BEHIND_NAT, 2), FEW),
    ids=lambda kind: kind.value,
)
def test_a_pair_can_punch_or_cannot_as_the_table_says(
    internet: Internet, one: Kind, other: Kind, open_sockets: contextlib.ExitStack
) -> None:
    """With plain sockets: each is seen by a third party, then both send to what it saw, the first one too early."""
    server = internet.public(1, 2)
    third = open_sockets.enter_context(inside.udp(server.namespace, "203.0.113.1", 3478))
    sites = [internet.site(kind) for kind in (one, other)]
    ends = [open_sockets.enter_context(inside.udp(site.host.namespace, port=PORT)) for site in sites]
    seen = []
    for end in ends:
        end.sendto(b"who am I", ("203.0.113.1", 3478))
        seen.append(received_from(third, QUIET))
    if None not in seen:
        assert punched(ends, [address for address in seen if address is not None]) == can_punch(one, other)
    else:
        assert not can_punch(one, other)


def punched(ends: list[socket.socket], seen: list[tuple[str, int]]) -> bool:
    """Whether each hears the other at last; who is heard is answered where it was heard from."""
    targets = [seen[1], seen[0]]
    heard = [False, False]
    for _ in range(4):
        for index, end in enumerate(ends):
            end.sendto(b"knock", targets[index])
        for index, end in enumerate(ends):
            if (address := received_from(end, 0.05)) is not None:
                heard[index] = True
                targets[index] = address
    return all(heard)


@pytest.mark.parametrize("kind", [Kind.CONE, Kind.FULL_CONE], ids=lambda kind: kind.value)
def test_a_new_address_of_the_provider_is_a_new_mapping(
    internet: Internet, kind: Kind, open_sockets: contextlib.ExitStack
) -> None:
    bench = Bench(internet, kind, open_sockets)
    before = bench.seen_by(bench.first)
    assert before is not None
    bench.site.move("203.0.113.77")
    after = bench.seen_by(bench.first)
    assert after is not None
    assert after[0] == "203.0.113.77"
    bench.first.sendto(b"to the old one", before)
    assert received_from(bench.host, QUIET) is None
    bench.first.sendto(b"to the new one", after)
    assert received_from(bench.host) == ("203.0.113.1", 3478)


def test_a_blackhole_swallows_one_address_and_heals(internet: Internet, open_sockets: contextlib.ExitStack) -> None:
    bench = Bench(internet, Kind.CONE, open_sockets)
    bench.site.blackhole("203.0.113.2")
    assert bench.seen_by(bench.first) is not None
    assert bench.seen_by(bench.second) is None
    bench.site.heal()
    assert bench.seen_by(bench.second) is not None
