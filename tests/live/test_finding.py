"""Finding each other: by the local network where there is no address, and by word of a member."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.live.daemon import settle, until

if TYPE_CHECKING:
    from tests.live.conftest import MakeDaemon
    from tests.live.daemon import Daemon

pytestmark = pytest.mark.live


def connected(daemon: Daemon) -> set[str]:
    return {peer["name"] for peer in daemon.report()["peers"] if peer["connected"]}


def test_two_who_know_only_a_third_connect_to_each_other(make_daemon: MakeDaemon) -> None:
    anna, bob, carol = (make_daemon(name).start() for name in ("anna", "bob", "carol"))
    key = anna.share()  # with anna's address, and nobody else's
    bob.join(key)
    carol.join(key)
    until(lambda: connected(bob) == {"anna", "carol"}, "bob meets carol")
    until(lambda: connected(carol) == {"anna", "bob"}, "carol meets bob")
    anna.stop()
    (bob.folder / "without-anna.txt").write_text("directly")
    settle(bob, carol)


def test_a_bare_key_finds_who_is_on_the_same_network(make_daemon: MakeDaemon) -> None:
    """The network is loopback here. Where even that has no multicast, tests/lab has real ones."""
    anna, bob = make_daemon("anna"), make_daemon("bob")
    anna.lan = bob.lan = True
    anna.start()
    bob.start()
    bare, _, _ = anna.share().partition("+")
    (anna.folder / "found.txt").write_text("by ear")
    bob.join(bare)
    settle(anna, bob)


def test_no_lan_says_nothing_and_hears_nothing(make_daemon: MakeDaemon) -> None:
    anna, bob, carol = (make_daemon(name) for name in ("anna", "bob", "carol"))
    anna.lan = carol.lan = True
    for daemon in (anna, bob, carol):
        daemon.start()
    bare, _, _ = anna.share().partition("+")
    bob.join(bare)
    carol.join(bare)
    until(lambda: connected(carol) == {"anna"}, "carol hears anna")
    assert connected(bob) == set()
