"""Two network namespaces stand for two machines: addresses that are not loopback, and a cable that can be pulled."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.live.daemon import Daemon, settle, until
from tests.live.tree import big_file, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.conftest import MakeDaemon

pytestmark = [pytest.mark.live, pytest.mark.lab]

NETWORK = "10.213.7"
NAMES = ("swarmtest1", "swarmtest2")


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture
def cable() -> Iterator[None]:
    """Two namespaces, joined by a pair of virtual Ethernet devices of the same names."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("network namespaces need root on Linux")
    made: list[str] = []
    try:
        try:
            for name in NAMES:
                ip("netns", "add", name)
                made.append(name)
            ip("link", "add", NAMES[0], "netns", NAMES[0], "type", "veth", "peer", "name", NAMES[1], "netns", NAMES[1])
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no network namespaces can be made here: {error}")
        for number, name in enumerate(NAMES, 1):
            ip("-n", name, "address", "add", f"{NETWORK}.{number}/24", "dev", name)
            ip("-n", name, "link", "set", name, "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield
    finally:
        for name in made:
            ip("netns", "delete", name)


@pytest.fixture
def hosts(cable: None, make_daemon: MakeDaemon) -> tuple[Daemon, Daemon]:
    anna, bob = (
        make_daemon(name, listen="0.0.0.0", inside=("ip", "netns", "exec", host)).start()
        for name, host in zip(("anna", "bob"), NAMES, strict=True)
    )
    return anna, bob


def test_two_hosts_find_one_another_by_the_hints_of_a_key(hosts: tuple[Daemon, Daemon]) -> None:
    anna, bob = hosts
    write(anna.folder / "hello", "hello")
    key = anna.share()
    assert f"+{NETWORK}.1:" in key
    bob.join(key)
    settle(anna, bob)
    (peer,) = anna.report()["peers"]
    assert peer["address"].startswith(f"{NETWORK}.2:")


def test_a_cable_that_is_pulled_for_a_while_stops_nothing(hosts: tuple[Daemon, Daemon]) -> None:
    anna, bob = hosts
    big_file(anna.folder / "big.bin", 24 << 20)
    bob.join(anna.share())
    until(lambda: bob.fetched() > 1 << 20, "a beginning")
    ip("-n", NAMES[0], "link", "set", NAMES[0], "down")
    write(bob.folder / "apart", "written while apart")
    until(lambda: bob.report()["files"] == 2 or bob.report()["files"] == 1, "bob sees its own")
    ip("-n", NAMES[0], "link", "set", NAMES[0], "up")
    settle(anna, bob)
    settle(bob, anna)
    assert (anna.folder / "apart").read_text() == "written while apart"


def test_members_that_are_away_for_long_are_told_as_away_and_come_back(hosts: tuple[Daemon, Daemon]) -> None:
    anna, bob = hosts
    bob.join(anna.share())
    settle(anna, bob)
    ip("-n", NAMES[0], "link", "set", NAMES[0], "down")
    write(anna.folder / "one", "from anna")
    write(bob.folder / "two", "from bob")
    for daemon in hosts:
        until(lambda daemon=daemon: daemon.report()["state"] == "waiting", "it sees that it is alone", 90)  # type: ignore[misc]
        assert [peer["connected"] for peer in daemon.report()["peers"]] == [False]
        assert daemon.report()["peers"][0]["last_seen"]
    ip("-n", NAMES[0], "link", "set", NAMES[0], "up")
    until(lambda: anna.report()["peers"][0]["connected"], "they meet again", 60)
    settle(anna, bob)
    settle(bob, anna)
