"""Two devices, each behind a NAT of its own, and a relay: how they meet, by which route, and how fast."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.lab.nat import can_punch
from tests.lab.relay import Relay
from tests.live.daemon import Daemon, settle, until
from tests.live.tree import content, write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lab.internet import Internet, Site
    from tests.lab.nat import Kind
    from tests.lab.wire import Machine

PUNCHED_WITHIN = 3.0  # seconds from the first connection
STAYS = 3.5  # seconds after which nobody tries to punch any more
DIRECT = ("direct", "punched")


@dataclass
class Pair:
    """Anna and Bob, their sites, and the relay between them."""

    relay: Relay
    relay_machine: Machine
    sites: tuple[Site, Site]
    anna: Daemon
    bob: Daemon

    @property
    def peer(self) -> dict[str, Any]:
        """Bob's view of Anna; {} before he knows of her."""
        return peer_of(self.bob)


@dataclass(frozen=True)
class Met:
    """How it went. Times are seconds."""

    route: str
    via: str
    connected: float  # from the start of the join
    best: float  # from there on to the best route


def peer_of(daemon: Daemon) -> dict[str, Any]:
    """The only member of a daemon's folder, as its status has it; {} where there is none, or nobody is connected."""
    try:
        peers = daemon.report()["peers"]
    except StopIteration:  # the folder is not there yet
        return {}
    return dict(peers[0]) if peers and peers[0]["connected"] else {}


@contextlib.contextmanager
def pair(internet: Internet, base: Path, one: Kind, other: Kind, *options: str) -> Iterator[Pair]:
    """Daemons that run, and have nothing in common yet. options: of both."""
    with at(internet, base, (internet.site(one), internet.site(other)), *options) as two:
        yield two


@contextlib.contextmanager
def at(internet: Internet, base: Path, sites: tuple[Site, Site], *options: str) -> Iterator[Pair]:
    """The same, at sites that there are already."""
    machine = internet.public(1, 2)
    relay = Relay(base, "203.0.113.1", machine.inside)
    anna, bob = (
        Daemon(base, name, listen="0.0.0.0", inside=site.host.inside)
        for name, site in zip(("anna", "bob"), sites, strict=True)
    )
    try:
        relay.start()
        for daemon in (anna, bob):
            daemon.options += options
        anna.options += ["--relay", relay.line]
        anna.start()
        bob.start()
        yield Pair(relay, machine, sites, anna, bob)
    finally:
        for daemon in (anna, bob):
            with contextlib.suppress(AssertionError):
                daemon.kill()
        relay.kill()


def meet(two: Pair, timeout: float = 20.0, direct: bool = False, stays: float = STAYS) -> Met:
    """Bob joins what Anna shares, and they do as well as they can. direct: whatever their NATs are.

    stays: seconds for which those that cannot punch are watched.
    """
    write(two.anna.folder / "hello", "from anna")
    key = two.anna.share()
    begun = time.monotonic()
    joining = threading.Thread(target=two.bob.join, args=(key,))
    joining.start()
    try:
        until(lambda: two.peer, "connected", timeout)
        connected = time.monotonic()
        punchable = direct or can_punch(two.sites[0].kind, two.sites[1].kind)
        patience = PUNCHED_WITHIN + 2 if punchable else stays
        with contextlib.suppress(AssertionError):
            until(lambda: two.peer.get("route") in DIRECT, "direct", patience)
        best = time.monotonic()
    finally:
        joining.join()
    peer = two.peer
    reached = best - connected if peer["route"] in DIRECT else 0.0
    return Met(peer["route"], peer.get("via") or "", connected - begun, reached)


def sync(two: Pair, size: int = 1 << 20) -> None:
    """Both write, and both have it."""
    write(two.anna.folder / "large", content(1, size))
    write(two.bob.folder / "small", "from bob")
    settle(two.anna, two.bob)
    assert (two.anna.folder / "small").read_text() == "from bob"
