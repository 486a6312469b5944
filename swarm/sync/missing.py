"""What listings lacked: each path waits for the moment at which its deletion is believed.

    missing from a listing ──> waits, for an editor that creates it again ──> its directory is listed once more
    there again, or found at another name ──> forgotten
    missing in that listing as well ──> deleted

Until then nothing is known of what is at such a path, nor of what is below it. Pure.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

from swarm.ids import Kind, parent_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swarm.sync.store import Local, Store

DELETION_WAIT = 2.0  # seconds: editors that delete and create again take less
RENAME_WAIT = 0.3  # seconds: the directory itself was seen at its new name
CONFIRM_WAIT = 1.0  # seconds until a deletion that could not be looked at is looked at again

_LISTED = float("inf")  # when it is due: when the listing says so


class Missing:
    """One folder's missing paths."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._inodes: dict[int, str] = {}  # of what is missing, and of what is below it
        self._confirming: set[str] = set()

    def __len__(self) -> int:
        return len(self._due)

    def __contains__(self, path: str) -> bool:
        return path in self._due

    # -- what is asked

    def above(self, path: str) -> str:
        """The topmost of `path` and the directories above it that is missing, or ""."""
        found = ""
        while path and self._due:
            if path in self._due:
                found = path
            path = parent_of(path)
        return found

    def was_at(self, inode: int) -> str | None:
        """Where the thing with that inode was, if it is missing there: it may be back, with all that is below it."""
        old = self._inodes.get(inode)
        return old if old is not None and self.above(old) else None

    def next_due(self) -> float | None:
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    # -- what happens

    def add(self, path: str, local: Local, due: float) -> None:
        """A listing lacks it. `due`: when that is to be looked at again."""
        self.wait(path, due)
        self._inodes[local.inode] = path
        if local.kind is Kind.DIRECTORY:
            for below, child in self.store.locals_below(path):
                self._inodes[child.inode] = below

    def wait(self, path: str, due: float) -> None:
        self._due[path] = due
        heappush(self._heap, (due, path))

    def hasten(self, inode: int, due: float) -> None:
        """That directory was seen at another name: its old one need not wait for an editor."""
        old = self._inodes.get(inode)
        if old is not None and self._due.get(old, 0.0) not in (0.0, _LISTED):
            self.wait(old, due)

    def take_due(self, now: float) -> Iterator[str]:
        """Each path whose time has come; whoever takes it has it confirmed, waits again, or forgets it."""
        while (due := self.next_due()) is not None and due <= now:
            yield heappop(self._heap)[1]

    def confirm(self, path: str) -> None:
        """Its directory is being listed once more."""
        self._confirming.add(path)
        self._due[path] = _LISTED

    def confirmed(self, path: str) -> bool:
        """Whether the listing that lacks it was that one. Then it is missing no longer, but deleted."""
        if path not in self._confirming:
            return False
        self._confirming.discard(path)
        self._due.pop(path, None)
        return True

    def unconfirmed(self, directory: str, due: float) -> None:
        """The directory could not be listed."""
        for path in [path for path in self._confirming if parent_of(path) == directory]:
            self._confirming.discard(path)
            self.wait(path, due)

    def forget(self, path: str, local: Local | None = None) -> bool:
        """It is there again (`local`), or was found elsewhere. Whether it was missing."""
        self._confirming.discard(path)
        if self._due.pop(path, None) is None:
            return False
        if local is not None:
            self._inodes.pop(local.inode, None)
        self.tidy()
        return True

    def tidy(self) -> None:
        """Inodes are of use while something is missing."""
        if not self._due:
            self._inodes.clear()
