"""A lookup: whom to ask next on the way to the nodes closest to a target. Pure.

Kademlia's (Maymounkov and Mazières, 2002), by events instead of rounds.

Up to `alpha` questions are under way. A node that does not answer within a few round trips is *slow*: it counts neither
there nor among the closest, so that a dead one costs a fraction of a second instead of its timeout; what it answers
later is still taken. The lookup is over when the `k` closest have answered, or everybody has or will not.

*Against liars.* Of one network only MAX_OF_NETWORK nodes are asked, and only the MAX_TOLD closest of what one node
tells are taken up, so that nobody fills the list alone. The first ones asked begin each a *way*: what is learnt belongs
to the way of who told it. As long as several ways have somebody left to ask, they are asked in turn: one that was led
astray does not starve the others.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from swarm.discovery.dht.contact import Contact, distance, party

if TYPE_CHECKING:
    from collections.abc import Iterable

K: Final = 20  # nodes closest to a target that have to have answered
ALPHA: Final = 4  # questions under way
WAYS: Final = 4
MAX_ASKED: Final = 96  # questions of one lookup, whatever it is told: a thousand nodes take about 25
MAX_TOLD: Final = 12  # contacts of one answer that are taken up
MAX_KNOWN: Final = 512  # contacts of one lookup that are remembered
MAX_OF_NETWORK: Final = 2  # of one network that are asked
SLOW_TRIPS: Final = 3.0  # round trips after which a question stops counting
SLOWEST, FASTEST = 0.6, 0.1  # seconds; bounds of that
FIRST_GUESS: Final = 0.2  # seconds of a round trip, before one was measured


@dataclass(slots=True, eq=False)
class _Candidate:
    contact: Contact
    distance: int
    hops: int
    way: int
    asked_at: float | None = None
    answered: bool = False
    failed: bool = False


class Lookup:
    """One search. Told what happened; asked what to do."""

    def __init__(self, target: bytes, own: bytes, seeds: Iterable[Contact], *, k: int = K, alpha: int = ALPHA) -> None:
        """`seeds`: whom to begin with. `own`: our id, which others will tell us of."""
        self._target, self._own = target, own
        self._k, self._alpha = k, alpha
        self._known: dict[bytes, _Candidate] = {}
        self._ordered: list[_Candidate] = []  # the same, by distance
        self._addresses: set[tuple[str, int]] = set()
        self._networks: Counter[bytes] = Counter()  # of those asked
        self._turn = 0
        self.trip = FIRST_GUESS
        self.asked = self.hops = 0
        for index, seed in enumerate(sorted(seeds, key=lambda seed: distance(seed.id, target))):
            self._learn(seed, 1, index % WAYS)

    def due(self, now: float) -> list[Contact]:
        """Whom to ask now; they count as asked."""
        chosen: list[Contact] = []
        room = self._alpha - sum(self._is_awaited(candidate, now) for candidate in self._known.values())
        while len(chosen) < room and self.asked < MAX_ASKED and (candidate := self._next(now)) is not None:
            candidate.asked_at = now
            self._networks[party(candidate.contact)] += 1
            self.asked += 1
            chosen.append(candidate.contact)
        return chosen

    def answered(self, contact: Contact, told: Iterable[Contact], now: float, name: bytes | None = None) -> None:
        """The node answered, and told of others. `name`: the id that it gave, where that is another.

        It counts by its own: else a liar could hide a node by telling of its address under a wrong id.
        """
        candidate = self._known.get(contact.id)
        if candidate is None or (asked_at := candidate.asked_at) is None or candidate.answered:
            return
        if name is not None and name != contact.id:
            candidate.failed = True
            known = self._known.get(name)
            if name == self._own or (known is not None and known.answered):
                return
            real = contact._replace(id=name)
            candidate = _Candidate(real, distance(name, self._target), candidate.hops, candidate.way, asked_at)
            self._enter(candidate)
        candidate.answered, candidate.failed = True, False
        self.hops = max(self.hops, candidate.hops)
        self.trip += (now - asked_at - self.trip) / 4
        for other in sorted(told, key=lambda other: distance(other.id, self._target))[:MAX_TOLD]:
            self._learn(other, candidate.hops + 1, candidate.way)

    def failed(self, contact: Contact) -> None:
        """It did not answer, or is not who it was said to be."""
        candidate = self._known.get(contact.id)
        if candidate is not None and not candidate.answered and not candidate.failed:
            candidate.failed = True

    def wake_at(self, now: float) -> float | None:
        """When a question that is under way stops counting; None when none counts."""
        moments = [
            candidate.asked_at + self._patience()
            for candidate in self._known.values()
            if candidate.asked_at is not None and self._is_awaited(candidate, now)
        ]
        return min(moments, default=None)

    def is_finished(self, now: float) -> bool:
        """Have the k closest answered, or is nobody left who may?"""
        best = self._best(now)
        if not all(candidate.answered for candidate in best):
            return False
        return len(best) == self._k or not any(self._is_slow(candidate, now) for candidate in self._known.values())

    def closest(self, count: int, now: float) -> list[Contact]:
        """Those closest to the target that answered."""
        return [candidate.contact for candidate in self._best(now) if candidate.answered][:count]

    def _learn(self, contact: Contact, hops: int, way: int) -> None:
        if contact.id in self._known or contact.address in self._addresses or contact.id == self._own:
            return
        far = distance(contact.id, self._target)
        if len(self._known) >= MAX_KNOWN:
            last = next((candidate for candidate in reversed(self._ordered) if candidate.asked_at is None), None)
            if last is None or last.distance < far:
                return
            del self._known[last.contact.id]
            self._ordered.remove(last)
            self._addresses.discard(last.contact.address)
        self._addresses.add(contact.address)
        self._enter(_Candidate(contact, far, hops, way))

    def _enter(self, candidate: _Candidate) -> None:
        replaced = self._known.get(candidate.contact.id)
        if replaced is not None:
            self._ordered.remove(replaced)
        self._known[candidate.contact.id] = candidate
        insort(self._ordered, candidate, key=lambda one: one.distance)

    def _best(self, now: float) -> list[_Candidate]:
        """The k closest that are alive as far as we know, few of each network."""
        best: list[_Candidate] = []
        for candidate in self._ordered:
            if candidate.failed or self._is_slow(candidate, now):
                continue
            if candidate.asked_at is None and self._networks[party(candidate.contact)] >= MAX_OF_NETWORK:
                continue
            best.append(candidate)
            if len(best) == self._k:
                break
        return best

    def _next(self, now: float) -> _Candidate | None:
        """The closest that was not asked, of each way in turn."""
        waiting = [candidate for candidate in self._best(now) if candidate.asked_at is None]
        if not waiting:
            return None
        self._turn += 1
        way = self._turn % WAYS
        return next((candidate for candidate in waiting if candidate.way == way), waiting[0])

    def _is_awaited(self, candidate: _Candidate, now: float) -> bool:
        return self._is_open(candidate) and not self._is_slow(candidate, now)

    def _is_slow(self, candidate: _Candidate, now: float) -> bool:
        at = candidate.asked_at
        return at is not None and self._is_open(candidate) and now - at >= self._patience()

    @staticmethod
    def _is_open(candidate: _Candidate) -> bool:
        """Asked, and may still answer."""
        return candidate.asked_at is not None and not candidate.answered and not candidate.failed

    def _patience(self) -> float:
        return min(SLOWEST, max(FASTEST, SLOW_TRIPS * self.trip))
