"""A small internet: public machines on a wire, and sites behind the NATs of swarm's users.

host 10.0.1.12 ── 10.0.1.1 router 203.0.113.10 ──┐
                                                 ├── wire ── public machines 203.0.113.1, .2, …
host 10.0.2.12 ── 10.0.2.1 router 203.0.113.20 ──┘
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass

from tests.lab import inside
from tests.lab.nat import Kind, rules
from tests.lab.wire import Machine, Wire, ip

NETWORK = "203.0.113"
HOLE = """
table ip hole {
  chain arriving { type filter hook prerouting priority raw; ip saddr %(address)s drop; ip daddr %(address)s drop; }
  chain leaving { type filter hook output priority raw; ip daddr %(address)s drop; }
}
"""


@dataclass
class Site:
    """A host, and the router before it; without one the host is on the wire itself."""

    kind: Kind
    host: Machine
    router: Machine | None
    public: str  # the address that others see
    inner: str = ""  # the router's, inside

    @property
    def gate(self) -> Machine:
        """What has the public address."""
        return self.router or self.host

    def blackhole(self, address: str) -> None:
        """Nothing comes from there or goes there any more, and nobody is told."""
        nft(self.gate, HOLE % {"address": address})

    def heal(self) -> None:
        nft(self.gate, "delete table ip hole")

    def move(self, public: str) -> None:
        """The provider gives it another address: no mapping and no connection outlives that."""
        self.gate.move(f"{self.public}/24", f"{public}/24")
        ip("-n", self.gate.namespace, "route", "replace", "default", "via", f"{NETWORK}.1")
        self.public = public
        self.forget()

    def forget(self) -> None:
        """The router forgets every mapping, as a reboot does."""
        if self.router is not None:
            if self.kind in (Kind.INDEPENDENT, Kind.FULL_CONE):
                nft(self.router, "flush map ip nat mapped")
            inside.forget_connections(self.router.namespace)


class Internet:
    """Makes public machines and sites on a wire, which takes all of it away again."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._sites = 0

    def public(self, number: int, *more: int) -> Machine:
        """A machine with the address 203.0.113.`number`, and `more` of them."""
        machine = self._wire.machine(f"{NETWORK}.{number}/24")
        for other in more:
            ip("-n", machine.namespace, "addr", "add", f"{NETWORK}.{other}/24", "dev", "eth0")
        return machine

    def site(self, kind: Kind, inner: str | None = None) -> Site:
        """The next one: site n has the public address 203.0.113.n0. `inner`: its router's, inside, if not 10.0.n.1."""
        self._sites += 1
        number = self._sites
        public = f"{NETWORK}.{number}0"
        outside = self._wire.machine(f"{public}/24")
        ip("-n", outside.namespace, "route", "add", "default", "via", f"{NETWORK}.1")
        if kind is Kind.NONE:
            return Site(kind, outside, None, public)
        inner = inner or f"10.0.{number}.1"
        self._wire.lan(outside, inner)
        host = self._wire.behind(outside, inner, f"{inner}2")
        nft(outside, rules(kind))
        return Site(kind, host, outside, public, inner)

    def neighbour(self, site: Site) -> Site:
        """Another host behind the same router."""
        assert site.router is not None
        host = self._wire.behind(site.router, site.inner, f"{site.inner}3")
        return Site(site.kind, host, site.router, site.public, site.inner)


def nft(machine: Machine, commands: str) -> None:
    subprocess.run(
        [*machine.inside, "nft", "-f", "-"], input=commands.encode(), check=True, capture_output=True, timeout=20
    )


def available() -> bool:
    """Is there what makes NATs?"""
    return shutil.which("nft") is not None
