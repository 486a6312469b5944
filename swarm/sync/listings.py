"""Listings: which directories are being listed, whether with all below them, and what is known to be complete in them.
Pure."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from swarm.ids import parent_of
from swarm.sync.events import Scan
from swarm.sync.found import is_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm.sync.dirty import Dirty
    from swarm.sync.events import Effect


class Listings:
    """One folder's."""

    def __init__(self, out: Callable[[Effect], None]) -> None:
        self._out = out
        self._walking: dict[str, bool] = {}  # directories being listed; True: and all below
        self._numbers: dict[str, int] = {}  # of those listings, in the order in which they were asked for
        self._last = 0
        self._taken = 0  # the number of the listing that came last
        self._again: dict[str, bool] = {}  # directories that changed while being listed
        self.closed: set[str] = set()  # files of the directory listed last of which the watcher said so, and
        self.written: set[str] = set()  # those of them that a writer closed
        self._closed: defaultdict[str, set[str]] = defaultdict(set)  # by directory, until it is listed
        self._written: defaultdict[str, set[str]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._walking)

    def dirty(self, event: Dirty) -> None:
        """What the watcher tells. Directories that cannot be named are not synced, so they are not listed either."""
        if event.overflow:
            self.scan("", recursive=True)
        directories = list(filter(is_text, sorted(event.directories)))
        for told, known in ((event.closed, self._closed), (event.written, self._written)):
            for path in told:
                if (directory := parent_of(path)) in event.directories and is_text(directory):
                    known[directory].add(path)
        for directory in directories:
            self.scan(directory)

    def keep_written(self, path: str) -> None:
        """It was not the time to look at it: the next listing tells of it again."""
        self._written[parent_of(path)].add(path)

    def scan(self, directory: str, recursive: bool = False) -> None:
        """Lists it; once more afterwards where it is being listed just now, for that may have passed what is new."""
        if directory in self._walking:
            self._again[directory] = self._again.get(directory, False) or recursive
        else:
            self._last += 1
            self._walking[directory], self._numbers[directory] = recursive, self._last
            self._out(Scan(directory))

    def scan_below(self, directory: str) -> None:
        """Lists what the listing that came last has in it, with all below. Where that was asked for after it, it is
        made after it: listings are made in their order. So it passes nothing of what a walk is for."""
        if self._numbers.get(directory, 0) > self._taken:
            self._walking[directory] = True
        else:
            self.scan(directory, recursive=True)

    def listed(self, directory: str) -> bool:
        """Here is its listing; whether all below it is to be listed as well."""
        recursive = self._walking.pop(directory, False)
        self._taken = self._numbers.pop(directory, self._last)
        self.closed, self.written = self._closed.pop(directory, set()), self._written.pop(directory, set())
        if directory in self._again:
            self.scan(directory, self._again.pop(directory))
        return recursive

    def failed(self, directory: str) -> None:
        """It could not be listed, and is not to be tried again at once."""
        self._walking.pop(directory, None)
        self._numbers.pop(directory, None)
        self._again.pop(directory, None)
        self._closed.pop(directory, None)
        self._written.pop(directory, None)
