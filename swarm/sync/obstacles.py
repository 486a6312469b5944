"""Obstacles: why a path cannot be on this disk, or not yet, and who waits for that to change.

For good, unless something changes: the disk takes another name here for the same one, or has no such kind of thing, or
what should be the directory above it cannot be here either. For now: its directory is not there yet, or it is missing
from a listing and nobody knows what the name leads to (on a disk that folds names, to another directory). Pure.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from swarm.ids import Kind, name_of, parent_of
from swarm.sync.abilities import refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from swarm.index.view import Entry
    from swarm.sync.files import Traits
    from swarm.sync.ledger import Ledger
    from swarm.sync.store import Store


class Obstacles:
    """One folder's. `missing(path)`: the topmost directory on the way to `path` that a listing lacked, or "".
    `covered(path)`: whether something else is mounted on that directory of ours."""

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        traits: Traits,
        missing: Callable[[str], str],
        covered: Callable[[str], bool],
    ) -> None:
        self.store = store
        self.ledger = ledger
        self.cannot: dict[str, str] = {}  # what this disk cannot hold, and why
        self._traits = traits
        self._missing = missing
        self._covered = covered
        self._waiting: defaultdict[str, dict[str, None]] = defaultdict(dict)  # a path -> who waits for it
        # What is missing or covered -> who waits to know.
        self._unsure: defaultdict[str, dict[str, None]] = defaultdict(dict)

    # -- who waits for whom

    def wait(self, path: str, whom: str) -> None:
        """`whom` is to be looked at again once the local state of `path` is settled."""
        self._waiting[path][whom] = None

    def take_waiting(self, path: str) -> Iterable[str]:
        return self._waiting.pop(path, ())

    def take_below(self, directory: str) -> list[str]:
        """Of those who wait for it, the ones that would be below it; not a rival for its name: the two would wake each
        other without end."""
        waiting = self._waiting.get(directory, {})
        below = [path for path in waiting if path.startswith(directory + "/")]
        for path in below:
            del waiting[path]
        return below

    # -- what is in the way

    def is_unknown(self, path: str) -> bool:
        """Whether nobody knows yet what became of `path`, or of a directory above it."""
        return self._missing(path) != ""

    def waits_to_know(self, path: str) -> bool:
        """The same; it is then to be looked at again as soon as it is known."""
        if missing := self._missing(path):
            self._unsure[missing][path] = None
        return missing != ""

    def take_known(self, path: str) -> Iterable[str]:
        """Who waited to know what became of `path`, or that nothing covers it; nobody as long as that is not so."""
        if self._missing(path) == path or self._covered(path):
            return ()
        return self._unsure.pop(path, ())

    def is_directory_here(self, path: str) -> bool:
        local = self.store.local(path)
        return local is not None and local.kind is Kind.DIRECTORY

    def bars(self, path: str, entry: Entry | None) -> bool:
        """Whether `entry` (None: nothing) cannot be at `path`. Then it waits for whatever might change that."""
        parent = parent_of(path)
        above = parent
        while above and not self._covered(above):
            above = parent_of(above)
        if above:
            self.cannot[path] = f"another file system is mounted at {above}, and mount points are not crossed"
            self._unsure[above][path] = None
            return True
        if entry is None:
            return False
        if parent in self.cannot and not self.is_directory_here(parent):
            self.cannot[path] = self.cannot[parent]
            self.wait(parent, path)
            return True
        if why := refusal(self._traits, path, entry.kind):
            self.cannot[path] = why
            return True
        return self._has_rival(path)

    def _has_rival(self, path: str) -> bool:
        traits = self._traits
        if not (traits.folds_case or traits.folds_unicode):
            return False
        folded = traits.fold(name_of(path))
        for other in self.store.locals_in(parent_of(path)):
            if other != name_of(path) and traits.fold(other) == folded:
                rival = f"{parent_of(path)}/{other}".lstrip("/")
                self.wait(rival, path)  # once it goes, this comes: a case-only rename
                if self.ledger.visible(rival) is not None:
                    self.cannot[path] = f"this disk cannot tell it from {other}"
                return True
        return False
