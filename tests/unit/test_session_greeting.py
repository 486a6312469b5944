"""Names, addresses and versions: the small print of an introduction."""

from __future__ import annotations

import pytest

from swarm.session.greeting import NAMELESS, Versions, agree, is_address, presentable


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("laptop", "laptop"),
        ("Zoë's Mac mini", "Zoë's Mac mini"),
        ("", NAMELESS),
        (" \t\n ", NAMELESS),
        ("a\x00b\x1b[2Jc", "ab[2Jc"),
        ("evil\u202efdp.exe", "evilfdp.exe"),
        ("lone \udcff surrogate", "lone  surrogate"),
        ("x" * 65, "x" * 64),
        ("x" * 63 + "  y", "x" * 63),
    ],
)
def test_a_name_is_what_can_be_shown_of_it(name: str, shown: str) -> None:
    assert presentable(name) == shown
    assert presentable(shown) == shown


@pytest.mark.parametrize("host", ["192.0.2.7", "127.0.0.1", "10.0.0.1", "2001:db8::1", "::1", "fe80::1"])
def test_ip_addresses_are_addresses(host: str) -> None:
    assert is_address(host, 47474)


@pytest.mark.parametrize(
    "host",
    ["", "localhost", "nas.example", "192.0.2", "192.0.2.7:1", "[::1]", "fe80::1%eth0", "0.0.0.0", "::", "224.0.0.1"],
)
def test_what_nobody_listens_on_is_no_address(host: str) -> None:
    assert not is_address(host, 47474)


@pytest.mark.parametrize("port", [-1, 0, 65536])
def test_a_port_is_from_1_to_65535(port: int) -> None:
    assert is_address("192.0.2.7", 1)
    assert is_address("192.0.2.7", 65535)
    assert not is_address("192.0.2.7", port)


@pytest.mark.parametrize(
    ("ours", "theirs", "version"),
    [((1, 1), (1, 1), 1), ((1, 3), (2, 7), 3), ((2, 7), (1, 3), 3), ((1, 9), (3, 4), 4), ((1, 2), (3, 4), None)],
)
def test_the_highest_version_of_both_is_agreed_on(
    ours: tuple[int, int], theirs: tuple[int, int], version: int | None
) -> None:
    assert agree(Versions(*ours), Versions(*theirs)) == version
    assert agree(Versions(*theirs), Versions(*ours)) == version
