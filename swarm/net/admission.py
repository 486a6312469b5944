"""Who may open a link: the count of strangers, by host and in all, and when an address must be proved first.

A *stranger* is an incoming link that the session above has not trusted yet. An Initial packet's source address is
anybody's word, so half of each allowance is given away freely and the other half only to addresses that have echoed a
Retry token (RFC 9000, section 8.1.2). Otherwise eight forged packets would lock a host out.
"""

from __future__ import annotations

from collections import Counter
from enum import Enum, auto
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swarm.net.limits import Limits


class Verdict(Enum):
    """What to do with a handshake that begins."""

    ADMIT = auto()
    PROVE_ADDRESS = auto()  # answer with Retry and keep no state
    REFUSE = auto()  # say nothing


def allowance_key(host: str) -> str:
    """IPv6 hosts hold a /64 at least, so that is what counts as one host."""
    address = ip_address(host)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address) >> 64 << 64, 64)))
    return str(address)


class Admission:
    """Counts the links of one endpoint."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._strangers: Counter[str] = Counter()
        self.strangers = 0
        self.links = 0

    def verdict(self, host: str, *, proved: bool) -> Verdict:
        """May a link from `host` begin? `proved`: its address echoed a Retry token."""
        limits, of_host = self._limits, self._strangers[allowance_key(host)]
        if self.links >= limits.links or self.strangers >= limits.strangers or of_host >= limits.strangers_per_host:
            return Verdict.REFUSE
        if not proved and (2 * self.strangers > limits.strangers or 2 * of_host > limits.strangers_per_host):
            return Verdict.PROVE_ADDRESS
        return Verdict.ADMIT

    def enter(self) -> None:
        """A link was made, ours or theirs."""
        self.links += 1

    def leave(self) -> None:
        """A link has ended."""
        self.links -= 1

    def meet(self, host: str) -> None:
        """A stranger from `host` has begun a handshake."""
        self.strangers += 1
        self._strangers[allowance_key(host)] += 1

    def part(self, host: str) -> None:
        """A stranger from `host` was trusted, or has left."""
        key = allowance_key(host)
        self.strangers -= 1
        self._strangers[key] -= 1
        if not self._strangers[key]:
            del self._strangers[key]  # hosts come and go: nothing stays of them
