"""Listings: which directories are being listed, and whether with all below them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.sync.events import Scan

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm.sync.events import Effect


class Listings:
    """One folder's."""

    def __init__(self, out: Callable[[Effect], None]) -> None:
        self._out = out
        self._walking: dict[str, bool] = {}  # directories being listed; True: and all below
        self._again: dict[str, bool] = {}  # directories that changed while being listed

    def __len__(self) -> int:
        return len(self._walking)

    def scan(self, directory: str, recursive: bool = False) -> None:
        """Lists it; once more afterwards where it is being listed just now, for that may have passed what is new."""
        if directory in self._walking:
            self._again[directory] = self._again.get(directory, False) or recursive
        else:
            self._walking[directory] = recursive
            self._out(Scan(directory))

    def listed(self, directory: str) -> bool:
        """Here is its listing; whether all below it is to be listed as well."""
        recursive = self._walking.pop(directory, False)
        if directory in self._again:
            self.scan(directory, self._again.pop(directory))
        return recursive

    def failed(self, directory: str) -> None:
        """It could not be listed, and is not to be tried again at once."""
        self._walking.pop(directory, None)
        self._again.pop(directory, None)
