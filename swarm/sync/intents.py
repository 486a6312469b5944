"""Intents: which paths the installer was told to work on, noted in the commit before it is told.

A run may end, or its database refuse, after the installer has acted and before the result is noted. The next run then
finds things gone, or another content in their place, and it was not the user. So what was intended and not reported is
*in doubt*: until it was looked at once, its absence is no deletion, and a version that is found there is taken for
installed. Should it have been the user after all, the view is put there again, which loses nothing. The same holds in a
run whose disk goes away and comes back, of what was done there and could not be made durable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.sync.operation import MoveFile, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swarm.sync.operation import Operation, Result
    from swarm.sync.store import Store

_VALUE = "intents"  # in the store: paths, with NUL between them, which no path has


class Intents:
    """Of one folder. What a run before this one left is in doubt."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._doubted = {path for path in (store.get(_VALUE) or b"").decode().split("\0") if path}
        self._running: set[str] = set()
        self._unlasting: set[str] = set()  # done, and a power cut may undo it
        self._changed = False

    @property
    def doubted(self) -> frozenset[str]:
        """The paths in doubt."""
        return frozenset(self._doubted)

    def looked(self, path: str) -> bool:
        """What is there was seen, and is told from now on by others. Whether it was in doubt."""
        if path not in self._doubted:
            return False
        self._doubted.discard(path)
        self._changed = True
        return True

    def begin(self, operations: Iterable[Operation]) -> None:
        """They go to the installer after the commit."""
        self._running.update(path for operation in operations for path in _paths(operation))
        self._changed = True

    def end(self, results: Iterable[Result]) -> None:
        """The installer has reported them. Only what was done ends a doubt."""
        for result in results:
            paths = _paths(result.operation)
            self._running.difference_update(paths)
            if not result.lasts:
                self._unlasting.update(paths)
            elif result.outcome is Outcome.DONE:
                self._unlasting.difference_update(paths)
                self._doubted.difference_update(paths)
            self._changed = True

    def doubt(self) -> None:
        """The disk was away: what is not known to last there may have gone with what the disk had not written yet."""
        self._doubted |= self._running | self._unlasting
        self._changed = True

    def note(self) -> None:
        """Once before each commit."""
        if self._changed:
            self._changed = False
            paths = "\0".join(sorted(self._running | self._unlasting | self._doubted))
            self._store.put(_VALUE, paths.encode() or None)


def _paths(operation: Operation) -> tuple[str, ...]:
    if isinstance(operation, MoveFile):
        return operation.path, operation.source
    return (operation.path,)
