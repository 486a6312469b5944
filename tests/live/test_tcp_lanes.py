"""Content over TCP between two daemons, and what happens when TCP is not to be had, or is taken away."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.live.daemon import Daemon, settle, until

if TYPE_CHECKING:
    from tests.live.conftest import MakeDaemon

pytestmark = pytest.mark.live

CUTTABLE = (sys.executable, "-P", str(Path(__file__).with_name("cut_tcp.py")))


def carriers(daemon: Daemon) -> list[str]:
    return [peer["bulk"] for peer in daemon.report()["peers"] if peer["connected"]]


def test_tcp_carries_content_where_it_can_and_the_route_stays_that_of_the_link(pair: tuple[Daemon, Daemon]) -> None:
    anna, bob = pair
    until(lambda: carriers(bob) == carriers(anna) == ["tcp"], "lanes over TCP")
    (anna.folder / "film").write_bytes(os.urandom(5_000_000))
    settle(anna, bob)
    assert [peer["route"] for peer in bob.report()["peers"]] == ["direct"]
    anna.stop()
    until(lambda: not any(peer["connected"] for peer in bob.report()["peers"]), "anna is gone")
    assert [peer["bulk"] for peer in bob.report()["peers"]] == [None]


def test_a_transfer_outlives_its_connections_over_tcp(
    make_daemon: MakeDaemon, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    anna, bob = make_daemon("anna").start(), make_daemon("bob")
    with monkeypatch.context() as patch:
        patch.setattr("tests.live.daemon.SWARM", CUTTABLE)
        bob.start()
    bob.join(anna.share())
    until(lambda: carriers(bob) == ["tcp"], "lanes over TCP")
    size = 200_000_000
    outside = tmp_path / "film"
    outside.write_bytes(os.urandom(1 << 20) * 10 + os.urandom(size - (10 << 20)))
    outside.rename(anna.folder / "film")
    for share in (0.1, 0.5):  # the second time it may be QUIC that carries; then nothing is cut
        under_way = share * size
        until(lambda under_way=under_way: bob.fetched() > under_way, "the transfer is under way")  # type: ignore[misc]
        os.kill(bob.pid, signal.SIGUSR1)
    settle(anna, bob)
    log = bob.log.read_text()
    assert "cut 2 lanes" in log or "cut 4 lanes" in log, log
    assert "Traceback" not in log + anna.log.read_text()
    until(lambda: carriers(bob) == ["tcp"], "lanes over TCP, again")
