"""Is it crowded around a topic? And where to look then. Pure.

Ids are bound to networks, but who can choose among many networks can still stand closer to one topic than everybody
honest, and swallow its records. He is noticed: the nodes closest to any other target are as far away as the size of the
DHT has it, and those around this one are much closer. Then a record goes to, and is searched at, nodes of the whole
*region* in which the closest ones would be without him; they are found by looking for points in it, since those close
to the topic tell of each other only. (After Sridhar et al., "Content Censorship in the InterPlanetary File System",
2024, who put records in a region rather than at the k closest.)
"""

from __future__ import annotations

from collections import deque
from statistics import median_low
from typing import TYPE_CHECKING, Final

from swarm.discovery.dht.contact import ID_BYTES, distance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from swarm.discovery.dht.contact import Contact

SAMPLE: Final = 16  # the how many closest says how far a target's neighbourhood reaches
SAMPLES: Final = 8  # neighbourhoods that are remembered, the latest
ENOUGH: Final = 3  # of these; before, nothing is known
CROWDED: Final = 2  # times closer than elsewhere: by chance one time in some thousand, and then it costs a few kB
POINTS: Final = 8  # of the region that are looked for


class Crowd:
    """What neighbourhoods look like."""

    def __init__(self) -> None:
        self._reaches: deque[int] = deque(maxlen=SAMPLES)

    def learn(self, target: bytes, closest: Sequence[Contact]) -> None:
        """The nodes closest to a target that nobody could foresee."""
        if len(closest) >= SAMPLE:
            self._reaches.append(distance(closest[SAMPLE - 1].id, target))

    @property
    def region(self) -> int:
        """The distance within which SAMPLE nodes are to be expected; 0 where that is not known."""
        return median_low(self._reaches) if len(self._reaches) >= ENOUGH else 0

    def is_crowded(self, target: bytes, closest: Sequence[Contact]) -> bool:
        """Are the nodes closest to it closer than they should be?"""
        if len(closest) < SAMPLE:
            return False
        return distance(closest[SAMPLE - 1].id, target) * CROWDED < self.region

    def points(self, target: bytes, random: Callable[[int], bytes]) -> list[bytes]:
        """Where else to look: points of the region, none of them close to the target."""
        number, quarter = int.from_bytes(target, "big"), self.region // 4
        offsets = [quarter + int.from_bytes(random(ID_BYTES), "big") % max(1, 3 * quarter) for _ in range(POINTS)]
        return [(number ^ offset).to_bytes(ID_BYTES, "big") for offset in offsets]

    def within(self, target: bytes, contacts: Sequence[Contact]) -> list[Contact]:
        """Those of the region."""
        return [contact for contact in contacts if distance(contact.id, target) <= self.region]
