"""Whom an announcement may make us dial."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from types import SimpleNamespace

import pytest

from swarm.discovery.nearby import MAX_ADDRESSES, interfaces, networks, within

NEAR = [ip_network(text) for text in ("127.0.0.0/8", "192.168.7.0/24", "10.9.9.1/32", "fd00:7::/64", "fe80::/64")]


def test_addresses_of_our_own_networks_may_be_dialled() -> None:
    hosts = ["192.168.7.20", "fd00:7::20", "10.9.9.1"]
    assert within(hosts, 47474, NEAR) == [(host, 47474) for host in hosts]


@pytest.mark.parametrize(
    "host",
    [
        "192.0.2.7",  # somewhere else: a victim perhaps
        "2001:db8::7",
        "192.168.7.255",  # everybody
        "224.0.0.251",
        "0.0.0.0",
        "::",
        "fe80::1",
        "127.0.0.1",
        "nas.example.net",
        "192.168.7.20.",
        "",
    ],
)
def test_other_addresses_may_not(host: str) -> None:
    assert within([host], 47474, NEAR) == []


def test_loopback_is_for_those_who_have_nothing_else() -> None:
    assert within(["127.0.0.1"], 47474, NEAR, local=True) == [("127.0.0.1", 47474)]


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_there_has_to_be_a_port(port: int) -> None:
    assert within(["192.168.7.20"], port, NEAR) == []


def test_few_addresses_of_one_announcement_are_looked_at() -> None:
    assert len(within([f"192.168.7.{n}" for n in range(1, 200)], 47474, NEAR)) == MAX_ADDRESSES


def test_another_address_in_the_same_network_is_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    def seen_at(host: str) -> tuple[tuple[str, ...], object]:
        adapter = SimpleNamespace(ips=[SimpleNamespace(ip=host, network_prefix=24)])
        monkeypatch.setattr("ifaddr.get_adapters", lambda: [adapter])
        return interfaces(), networks()

    before, after = seen_at("192.168.7.5"), seen_at("192.168.7.6")
    assert before[0] != after[0]
    assert before[1] == after[1]


def test_this_machine_has_loopback_at_least() -> None:
    assert any(ip_address("127.0.0.1") in network for network in networks())
