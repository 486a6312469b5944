"""`swarm doctor` behind every kind of NAT; and a router that maps a port when it is asked."""

from __future__ import annotations

import contextlib
import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.mapping_router import MappingRouter
from tests.lab.meeting import DIRECT, meet, pair
from tests.lab.nat import Kind
from tests.lab.relay import Relay
from tests.lab.size import some
from tests.live.daemon import SWARM, Daemon, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lab.internet import Internet, Site

pytestmark = [pytest.mark.lab, pytest.mark.live]

TOLD = {
    Kind.NONE: "none",
    Kind.CONE: "cone",
    Kind.INDEPENDENT: "cone",
    Kind.FULL_CONE: "full cone",
    Kind.SYMMETRIC: "symmetric",
    Kind.RANDOM: "symmetric",
    Kind.BLOCKED: "blocked",
}


@contextlib.contextmanager
def patient(internet: Internet, base: Path, kind: Kind) -> Iterator[tuple[Site, Daemon]]:
    """A device behind such a NAT, which knows a relay."""
    relay = Relay(base, "203.0.113.1", internet.public(1, 2).inside)
    site = internet.site(kind)
    daemon = Daemon(base, "anna", listen="0.0.0.0", inside=site.host.inside)
    try:
        daemon.options += ["--relay", relay.start().line]
        yield site, daemon.start()
    finally:
        with contextlib.suppress(AssertionError):
            daemon.kill()
        relay.kill()


def examine(daemon: Daemon) -> dict[str, Any]:
    return dict(json.loads(daemon.run("doctor", "--json", there=True)))


@pytest.mark.parametrize("kind", some(Kind, [Kind.CONE]), ids=lambda kind: kind.value)
def test_the_doctor_knows_the_nat(internet: Internet, tmp_path: Path, kind: Kind) -> None:
    with patient(internet, tmp_path, kind) as (site, daemon):
        told = examine(daemon)
        assert told["nat"] == TOLD[kind]
        relay = told["facts"]["relays"][0]
        if kind is Kind.BLOCKED:
            assert relay["over_tcp"]
        else:
            assert relay["observed"][0] == site.public
            assert relay["rtt"] < 1.0
        daemon.stop()
        assert examine(daemon)["facts"]["running"] is False


@pytest.mark.parametrize("speaks_pcp", some([True, False], [True]))
def test_a_mapped_port_is_told_and_given_back(internet: Internet, tmp_path: Path, speaks_pcp: bool) -> None:
    with patient(internet, tmp_path, Kind.SYMMETRIC) as (site, daemon):
        daemon.stop()
        with MappingRouter(site, speaks_pcp=speaks_pcp) as router:
            daemon.start()
            port = int(daemon.address.rpartition(":")[2])
            outside = f"{site.public}:{port}"
            until(lambda: outside in daemon.status()["device"]["listen"], "the mapped port is one of the addresses")
            command = [*SWARM, "share", str(daemon.folder)]
            shared = subprocess.run(command, env=daemon.environment, capture_output=True, text=True, timeout=60)
            assert outside in shared.stdout
            assert "from anywhere, since the router forwards that port" in shared.stderr
            mapping = examine(daemon)["facts"]["mapping"]
            assert mapping["external"] == [site.public, port]
            assert mapping["spoken"] == ("PCP" if speaks_pcp else "NAT-PMP")
            assert router.fake.mapped == {(17, port): port, (6, port): port}
            daemon.stop()
            until(lambda: not router.fake.mapped, "the mapping is given back")


def test_a_mapped_port_makes_direct_what_could_not_be_punched(internet: Internet, tmp_path: Path) -> None:
    with pair(internet, tmp_path, Kind.SYMMETRIC, Kind.RANDOM) as two:
        two.anna.stop()
        with MappingRouter(two.sites[0]):
            two.anna.start()
            until(lambda: two.sites[0].public in str(two.anna.status()["device"]["listen"]), "mapped")
            assert meet(two, direct=True).route in DIRECT
            two.anna.stop()
