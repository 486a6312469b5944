"""Names that a listing lacks: a deletion after they were looked for again, unless they turn up elsewhere. Pure.

missing from a listing ──wait──> due ──another listing──> lacks it too: deleted
         │                        └────────────────────> has it: forgotten
         └── its content or its inode turns up at another path: renamed, and deleted at once
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

from swarm.ids import parent_of

if TYPE_CHECKING:
    from collections.abc import Iterator

DELETION_WAIT = 2.0  # seconds: editors that delete and create again take less
RENAME_WAIT = 0.3  # seconds: the directory itself was seen at its new name
CONFIRM_WAIT = 1.0  # seconds until a deletion that could not be looked at is looked at again

_CONFIRMING = float("inf")  # until the listing that confirms it


class Missing:
    """One folder's."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._by_inode: dict[int, str] = {}  # and of all that was below them
        self._due: list[tuple[float, str]] = []  # heap

    def __bool__(self) -> bool:
        return bool(self._until)

    def __contains__(self, path: str) -> bool:
        return path in self._until

    def is_confirming(self, path: str) -> bool:
        return self._until.get(path) == _CONFIRMING

    def has(self, path: str) -> bool:
        """Whether it, or a directory that it was in, is missing from a listing."""
        while path:
            if path in self._until:
                return True
            path = parent_of(path)
        return False

    def at(self, inode: int) -> str | None:
        """Where the missing thing of that inode was."""
        return self._by_inode.get(inode)

    def next_due(self) -> float | None:
        while self._due:
            when, path = self._due[0]
            if self._until.get(path) == when:
                return when
            heappop(self._due)
        return None

    def take(self, now: float) -> Iterator[str]:
        """Those that are due: look at each, and say `confirm`, `wait` or `forget`."""
        while (due := self.next_due()) is not None and due <= now:
            yield heappop(self._due)[1]

    def begin(self, path: str, inodes: dict[int, str], now: float) -> None:
        """A listing lacks it. `inodes`: of it and all below it, with their paths."""
        self._by_inode.update(inodes)
        self.wait(path, now + DELETION_WAIT)

    def wait(self, path: str, due: float) -> None:
        self._until[path] = due
        heappush(self._due, (due, path))

    def confirm(self, path: str) -> None:
        """The next listing of its directory decides."""
        self._until[path] = _CONFIRMING

    def not_listed(self, directory: str, now: float) -> None:
        """That listing was not to be had."""
        for path in [path for path in self._until if parent_of(path) == directory and self.is_confirming(path)]:
            self.wait(path, now + CONFIRM_WAIT)

    def hasten(self, inode: int, now: float) -> None:
        """A directory was seen at its new name: its old one need not wait for an editor."""
        old = self._by_inode.get(inode)
        if old is not None and self._until.get(old, _CONFIRMING) != _CONFIRMING:
            self.wait(old, now + RENAME_WAIT)

    def forget(self, path: str, inode: int | None) -> None:
        """It is there, or is deleted."""
        if self._until.pop(path, None) is not None and inode is not None:
            self._by_inode.pop(inode, None)

    def tidy(self) -> None:
        """Inodes are worth nothing once nothing is missing."""
        if not self._until:
            self._by_inode.clear()
