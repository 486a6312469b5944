"""Client or server? What a node may claim of itself. Pure.

A *client* asks and is answered, and never enters anybody's table: behind a NAT it would be a dead entry to everybody
else. A node becomes a *server* once it was reached by somebody that it had not spoken to, and has kept its address for
STABLE seconds since; when its address changes it begins anew. What it hears of its own address counts by networks, a
vote each, so that one liar does not move it.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from swarm.discovery.dht.contact import Scope, network, scope

if TYPE_CHECKING:
    from swarm.discovery.dht.contact import Address

STABLE: Final = 600.0  # seconds; a laptop in a café is not a server
PROOF: Final = 3_600.0  # seconds that having been reached is good for
MAX_VOTES: Final = 16  # networks, the latest


class Standing:
    """What is known of our own address, and of who reached it."""

    def __init__(self, *, always_server: bool = False, address: Address | None = None) -> None:
        """`always_server`: a relay, whose owner says that it is reachable; `address`: and where."""
        self._always, self._fixed = always_server, address
        self._votes: OrderedDict[bytes, Address] = OrderedDict()
        self.address: Address | None = address
        self._since: float | None = None  # reached at this address
        self._proved: float | None = None

    def seen(self, address: Address, by: str) -> bool:
        """The node at `by` says that our datagram came from `address`. True when we are somewhere else than before."""
        if self._fixed is not None or scope(by) is Scope.NOWHERE or scope(address[0]) is Scope.NOWHERE:
            return False
        if scope(by) < scope(address[0]):
            return False  # behind the same router, of the outside it knows nothing
        self._votes[network(by)] = address
        self._votes.move_to_end(network(by))
        if len(self._votes) > MAX_VOTES:
            self._votes.popitem(last=False)
        agreeing = sum(vote == address for vote in self._votes.values())
        if address == self.address or 2 * agreeing <= len(self._votes):
            return False
        self.address = address
        self._since = self._proved = None
        return True

    def forget(self) -> None:
        """This machine is in another network: what was seen of it before says nothing."""
        self._votes.clear()

    def reached(self, by: str, now: float) -> None:
        """Somebody that we had not spoken to got through to us."""
        if self.address is None or scope(by) < scope(self.address[0]):
            return  # from within our own network, which proves nothing of the outside
        if self._since is None or self._proved is None or now - self._proved > PROOF:
            self._since = now
        self._proved = now

    def wants_proof(self, now: float) -> bool:
        """Should somebody be asked to try?"""
        return not self._always and (self._proved is None or now - self._proved > PROOF / 2)

    def is_server(self, now: float) -> bool:
        if self._always:
            return True
        if self._since is None or self._proved is None or now - self._proved > PROOF:
            return False
        return now - self._since >= STABLE
