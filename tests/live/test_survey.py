"""Asking real relays where we are: over both families, and those that are not there."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from swarm.net.survey import MAX_RELAYS, survey
from tests.lab.relay import Relay

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_a_relay_tells_our_address_from_both_of_its_ports(tmp_path: Path, host: str) -> None:
    bare = host.strip("[]")
    if ":" in bare and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    relay = Relay(tmp_path, host, port=0)
    try:
        relay.start()
        port = int(relay.line.partition("~")[0].rpartition(":")[2])
        (seen,) = survey([(bare, port)])
    finally:
        relay.kill()
    assert seen.observed is not None
    assert seen.observed[0] == bare
    assert seen.observed_by_other_port == seen.observed
    assert seen.unasked
    assert seen.rtt is not None
    assert seen.rtt < 1.0
    assert seen.over_tcp is None


def test_who_is_not_there_is_told_from_who_is_reached_over_tcp_alone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    silent, nameless = survey([("127.0.0.1", port), ("nobody.invalid", 47470)])
    assert silent.observed is None
    assert silent.over_tcp is False
    assert nameless.observed is None


def test_no_more_relays_are_asked_than_anybody_has() -> None:
    assert len(survey([("nobody.invalid", 1)] * (MAX_RELAYS + 5))) == MAX_RELAYS + 5
