"""The DHT with real daemons: two who know nothing but a bare key, and a node that knows nothing of them."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest

from tests.live.daemon import settle, until

if TYPE_CHECKING:
    from tests.live.conftest import MakeDaemon
    from tests.live.daemon import Daemon

pytestmark = pytest.mark.live

SOON = 5.0  # seconds


def in_dht(make_daemon: MakeDaemon, name: str, *bootstrap: Daemon, **options: object) -> Daemon:
    daemon = make_daemon(name, **options)
    daemon.dht = True
    daemon.options = [word for node in bootstrap for word in ("--bootstrap", node.address)]
    return daemon


def bare(key: str) -> str:
    return key.partition("+")[0]


def peer_of(daemon: Daemon) -> dict[str, object]:
    return dict(next(iter(daemon.report()["peers"]), {}))


def test_two_with_a_bare_key_find_each_other_through_one_node(make_daemon: MakeDaemon) -> None:
    node = in_dht(make_daemon, "node").start()
    anna, bob = (in_dht(make_daemon, name, node).start() for name in ("anna", "bob"))
    key = bare(anna.share())
    (anna.folder / "far.txt").write_text("found")
    begun = time.monotonic()
    bob.join(key)
    until(lambda: peer_of(bob).get("connected"), "bob finds anna", timeout=SOON)
    assert time.monotonic() - begun < SOON
    settle(anna, bob)
    assert "dht" in (peer_of(bob)["found"], peer_of(anna)["found"])
    assert "found by the DHT" in bob.run("peers") + anna.run("peers")
    assert node.status()["device"]["dht"]["records"] >= 1


def test_a_key_brings_the_nodes_along_that_whoever_printed_it_was_given(make_daemon: MakeDaemon) -> None:
    node = in_dht(make_daemon, "node").start()
    anna, bob = in_dht(make_daemon, "anna", node).start(), in_dht(make_daemon, "bob").start()
    key, *hints = anna.share().split("+")
    bob.join("+".join([key, *(hint for hint in hints if hint.startswith("dht="))]))
    until(lambda: peer_of(bob).get("connected"), "bob finds anna", timeout=SOON)
    assert f"dht={node.address}" in bob.run("key", str(bob.folder))


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
def test_over_ipv6_it_is_the_same(make_daemon: MakeDaemon) -> None:
    node = in_dht(make_daemon, "node", listen="[::1]").start()
    anna, bob = (in_dht(make_daemon, name, node, listen="[::1]").start() for name in ("anna", "bob"))
    bob.join(bare(anna.share()))
    until(lambda: peer_of(bob).get("connected"), "bob finds anna", timeout=SOON)
    settle(anna, bob)


def test_both_come_back_at_other_addresses_and_find_each_other_again(make_daemon: MakeDaemon) -> None:
    node = in_dht(make_daemon, "node").start()
    anna, bob = (in_dht(make_daemon, name, node) for name in ("anna", "bob"))
    anna.start(), bob.start()
    bob.join(bare(anna.share()))
    until(lambda: peer_of(bob).get("connected"), "bob finds anna", timeout=SOON)
    settle(anna, bob)
    for daemon, host in ((anna, "127.0.0.21"), (bob, "127.0.0.22")):
        daemon.stop()
        daemon._listen, daemon._port = host, 0
    (anna.folder / "after.txt").write_text("the move")
    for daemon in (anna, bob):
        daemon.start()
    until(lambda: peer_of(bob).get("connected"), "bob finds anna again", timeout=2 * SOON)
    settle(anna, bob)


def test_a_bootstrap_node_that_is_down_is_named_and_tried_again(make_daemon: MakeDaemon) -> None:
    node = in_dht(make_daemon, "node").start()
    node.stop()
    anna, bob = (in_dht(make_daemon, name, node).start() for name in ("anna", "bob"))
    key = bare(anna.share())
    bob.join(key)
    until(lambda: node.address in str(bob.report()["why"]), "bob says what is down")
    assert "no bootstrap node answers" in str(bob.report()["why"])
    node.start()
    until(lambda: peer_of(bob).get("connected"), "bob finds anna", timeout=60)


def test_without_the_dht_a_bare_key_finds_nobody(make_daemon: MakeDaemon) -> None:
    node = in_dht(make_daemon, "node").start()
    anna, bob, carol = (in_dht(make_daemon, name, node) for name in ("anna", "bob", "carol"))
    bob.dht = False
    for daemon in (anna, bob, carol):
        daemon.start()
    key = bare(anna.share())
    bob.join(key)
    carol.join(key)
    until(lambda: peer_of(carol).get("connected"), "carol finds anna", timeout=SOON)
    assert not peer_of(bob).get("connected")
    assert bob.status()["device"]["dht"] is None
