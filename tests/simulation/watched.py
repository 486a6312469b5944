"""What the oracle remembers of one device."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swarm.ids import Origin
    from swarm.sync.memory_files import Tree
    from tests.simulation.witness import Ours


@dataclass(slots=True)
class Watched:
    """One device, as the oracle has seen it so far."""

    tree: Tree = field(default_factory=dict)  # of the user, as last looked at
    kept: frozenset[bytes] = frozenset()  # contents in history
    displaced: frozenset[bytes] = frozenset()  # those of them that our last system call put there
    ours: Ours = (frozenset(), b"")  # what lies beside temps and history, and the marker
    seen: bool = False
    pending: str = ""  # a system call of ours that was let go, and not yet looked at
    removed: dict[str, float] = field(default_factory=dict)  # path -> when a user took it away
    reappeared: dict[str, float] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)  # paths of which this device signed a deletion
    signed: dict[Origin, int] = field(default_factory=dict)  # up to where its records were looked at
    versions: Counter[tuple[str, bytes]] = field(
        default_factory=Counter
    )  # how often a user made (path, content), untold
    taken: dict[tuple[str, bytes], float] = field(default_factory=dict)  # (path, content) -> when a user took it away
    acted: set[str] = field(default_factory=set)  # paths that a user changed since the installer began
    took: set[tuple[str, bytes]] = field(default_factory=set)  # (path, content) that went from there in that time
    visible: set[bytes] = field(default_factory=set)  # contents that were ever at a user's path
    users: set[int] = field(default_factory=set)  # inodes that a user made or wrote to
    given: set[str] = field(default_factory=set)  # paths that the installer had at the last commit
    doubted: set[str] = field(default_factory=set)  # paths that the installer had when a run ended

    def made(self, path: str, data: bytes) -> None:
        """A user put these bytes there, or touched what is there: it may be told."""
        self.versions[path, data] += 1
        self.taken.pop((path, data), None)
