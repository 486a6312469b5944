"""Daemons that have no way to each other but a relay; and what happens when there is one, and when there is none."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.relay import PORT, Relay
from tests.lab.star import Star
from tests.live.daemon import Daemon, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lab.wire import Machine

pytestmark = pytest.mark.lab


class Stage:
    """A star, its relay, and a daemon at each end."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.star = Star()
        self.relay = Relay(base, "198.18.1.1", self.star.hub.inside).start()
        self.daemons: list[Daemon] = []

    def daemon(self, name: str, machine: Machine, *options: str) -> Daemon:
        daemon = Daemon(self.base, name, listen="0.0.0.0", inside=machine.inside)
        daemon.options += options
        self.daemons.append(daemon)
        return daemon.start()

    def share(self) -> tuple[Daemon, Daemon]:
        """Anna knows the relay, Bob knows the key."""
        anna = self.daemon("anna", self.star.one, "--relay", self.relay.line)
        until(lambda: relay_state(anna) == "reserved", "anna is registered")
        anna.folder.mkdir()
        (anna.folder / "a.txt").write_text("hello")
        key = anna.run("share", str(anna.folder)).strip()
        bob = self.daemon("bob", self.star.two)
        bob.run("join", key, str(bob.folder), "--yes")
        return anna, bob

    def close(self) -> None:
        for daemon in self.daemons:
            with contextlib.suppress(AssertionError):
                daemon.kill()
        self.relay.kill()
        self.star.remove()


@pytest.fixture
def stage(namespaces: None, tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.close()


def relay_state(daemon: Daemon) -> Any:
    return next((relay["state"] for relay in daemon.status()["relays"]), None)


def route(daemon: Daemon) -> Any:
    peers = daemon.status()["folders"][0]["peers"]
    return peers[0]["route"] if peers else None


def same(one: Daemon, other: Daemon, name: str) -> bool:
    with contextlib.suppress(OSError):
        return (one.folder / name).read_bytes() == (other.folder / name).read_bytes()
    return False


def test_a_joiner_who_has_only_the_key_is_reached_through_the_relay_in_its_hints(stage: Stage) -> None:
    began = time.monotonic()
    anna, bob = stage.share()
    until(lambda: same(anna, bob, "a.txt"), "the file came through the relay")
    assert time.monotonic() - began < 15
    assert route(anna) == route(bob) == "relayed"
    peer = bob.status()["folders"][0]["peers"][0]
    assert (peer["via"], peer["relay"]) == ("udp", f"198.18.1.1:{PORT}")
    assert any(relay["relay"] == stage.relay.line for relay in bob.status()["relays"])


def test_a_straight_way_that_comes_up_is_taken_and_one_that_dies_is_left(stage: Stage) -> None:
    anna, bob = stage.share()
    until(lambda: same(anna, bob, "a.txt"), "the file came through the relay")
    session = bob.log.read_text().count("is connected")
    stage.star.forward(True)
    until(lambda: route(anna) == route(bob) == "direct", "the link left the relay", 20)
    until(lambda: bob.status()["folders"][0]["peers"][0]["bulk"] is not None, "still connected")
    stage.star.forward(False)
    (anna.folder / "b.txt").write_text("after the cut")
    began = time.monotonic()
    until(lambda: same(anna, bob, "b.txt"), "the change came through the relay", 10)
    assert time.monotonic() - began < 4
    until(lambda: route(anna) == route(bob) == "relayed", "the link is back at the relay", 5)
    assert bob.log.read_text().count("is connected") == session, "one session for all of it"


def test_a_relay_that_is_killed_in_mid_transfer_and_started_again_costs_no_byte(stage: Stage) -> None:
    anna, bob = stage.share()
    until(lambda: same(anna, bob, "a.txt"), "the file came through the relay")
    (anna.folder / "big.bin").write_bytes(os.urandom(60_000_000))
    until(lambda: bob.status()["folders"][0]["fetched_bytes"] > 5_000_000, "it is under way", 30)
    session = bob.log.read_text().count("is connected")
    stage.relay.kill()
    stage.relay.start()
    until(lambda: same(anna, bob, "big.bin"), "all of it came", 90)
    assert bob.log.read_text().count("is connected") == session, "one session for all of it"


def test_where_udp_is_blocked_the_relay_is_reached_over_tcp(stage: Stage) -> None:
    stage.star.block_udp(stage.star.two)
    anna, bob = stage.share()
    until(lambda: same(anna, bob, "a.txt"), "the file came through the relay", 20)
    peer = bob.status()["folders"][0]["peers"][0]
    assert (peer["route"], peer["via"]) == ("relayed", "tcp")


def test_both_have_other_addresses_and_are_together_again_in_the_same_session(stage: Stage) -> None:
    anna, bob = stage.share()
    until(lambda: same(anna, bob, "a.txt"), "the file came through the relay")
    session = bob.log.read_text().count("is connected")
    for machine, old, new, via in (
        (stage.star.one, "198.18.1.2/24", "198.18.1.77/24", "198.18.1.1"),
        (stage.star.two, "198.18.2.2/24", "198.18.2.77/24", "198.18.2.1"),
    ):
        machine.move(old, new)
        machine.route(via)
    (anna.folder / "c.txt").write_text("from elsewhere")
    until(lambda: same(anna, bob, "c.txt"), "the change came", 10)
    assert bob.log.read_text().count("is connected") == session


def test_a_relay_that_is_not_there_is_a_sentence_and_holds_nothing_up(stage: Stage) -> None:
    stage.relay.kill()
    anna = stage.daemon("anna", stage.star.one, "--relay", stage.relay.line)
    anna.run("share", str(anna.folder))
    until(lambda: anna.status()["relays"][0]["why"], "the reason is known", 20)
    assert "no answer" in anna.status()["relays"][0]["why"]
    assert stage.relay.line.partition("~")[0] in anna.run("status")
    stage.relay.start()
    until(lambda: relay_state(anna) == "reserved", "it registered by itself", 20)
