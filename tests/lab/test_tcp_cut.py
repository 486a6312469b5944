"""TCP that is cut between two machines in the middle of a transfer, while UDP goes on, and that comes back."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.live.daemon import settle, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.conftest import MakeDaemon
    from tests.lab.wire import Machine, Wire
    from tests.live.daemon import Daemon

pytestmark = [pytest.mark.lab, pytest.mark.live]

SIZE_NAME = os.environ.get("SWARM_LAB_SIZE", "small")
SIZE = {"small": 60_000_000, "middle": 200_000_000, "full": 1_000_000_000}  # bytes; seconds of a transfer


def nft(machine: Machine, text: str) -> None:
    subprocess.run([*machine.inside, "nft", "-f", "-"], input=text, text=True, check=True, capture_output=True)


def cut(machine: Machine, verdict: str) -> None:
    """From now on TCP packets meet this verdict in both directions."""
    chains = (
        f"chain {hook} {{\ntype filter hook {hook} priority 0\nmeta l4proto tcp {verdict}\n}}\n"
        for hook in ("input", "output")
    )
    try:
        nft(machine, f"table inet cut {{\n{''.join(chains)}}}\n")
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no packet filter here: {error}")


def carriers(*daemons: Daemon) -> set[str]:
    return {peer["bulk"] for daemon in daemons for peer in daemon.report()["peers"]}


@pytest.mark.parametrize("verdict", ["drop"] if SIZE_NAME == "small" else ["drop", "reject with tcp reset"])
def test_a_transfer_goes_on_without_tcp_and_with_it_again(
    wire: Wire, make_daemon: MakeDaemon, tmp_path: Path, verdict: str
) -> None:
    first, second = wire.machine("198.18.77.1/24"), wire.machine("198.18.77.2/24")
    anna, bob = make_daemon("anna", first), make_daemon("bob", second)
    bob.join(anna.share())
    settle(anna, bob)
    until(lambda: carriers(anna, bob) == {"tcp"}, "lanes over TCP")
    size = SIZE[SIZE_NAME]
    film = tmp_path / "film"
    film.write_bytes(os.urandom(size))
    film.rename(anna.folder / "film")
    until(lambda: bob.fetched() > size // 10, "a beginning")
    cut(first, verdict)
    under_way = bob.report()["need_files"]
    until(lambda: carriers(anna, bob) == {"quic"}, "content over QUIC")
    settle(anna, bob)
    assert bob.fetched() < size * 1.3, "what had arrived over TCP is not fetched again"
    nft(first, "delete table inet cut")
    until(lambda: carriers(anna, bob) == {"tcp"}, "lanes over TCP, again")
    (bob.folder / "back").write_bytes(os.urandom(1_000_000))
    settle(bob, anna)
    assert under_way, "the cut came too late to say anything"
    assert "Traceback" not in anna.log.read_text() + bob.log.read_text()
