"""Intents: which paths the installer was told to work on, noted in the commit before it is told.

A run may end, or its database refuse, after the installer has acted and before the result is noted. The next run then
finds things gone, or another content in their place, and it was not the user. So what was intended and not reported is
*in doubt*: until it was looked at once, its absence is no deletion, and a version that is found there is taken for
installed, as is what was to be put there, though it is no version any more. Should it have been the user after all,
the view is put there again, which loses nothing. The same holds in a run whose disk goes away and comes back, of what
was done there and could not be made durable, or went wrong and was not looked at since.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.sync.operation import InstallFile, MoveFile, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swarm.sync.operation import Operation, Result
    from swarm.sync.store import Store

_VALUE = "intended"  # in the store: paths and contents in hex, with NUL between them, which no path has


class Intents:
    """Of one folder. What a run before this one left is in doubt."""

    def __init__(self, store: Store) -> None:
        self._store = store
        noted = iter((store.get(_VALUE) or b"").decode().split("\0"))
        # Each a path with the content that was to be put there, b"" for none.
        self._doubted = {path: bytes.fromhex(content) for path, content in zip(noted, noted, strict=False)}
        self._running: dict[str, bytes] = {}
        self._unlasting: dict[str, bytes] = {}  # done, and a power cut may undo it
        # Not as expected, or the disk went away in the middle; and not looked at since.
        self._vain: dict[str, bytes] = {}
        self._changed = False

    @property
    def doubted(self) -> frozenset[str]:
        """The paths in doubt."""
        return frozenset(self._doubted)

    def intended(self, path: str) -> bytes:
        """The content that a run which ended was to put there, as long as that is in doubt; else b""."""
        return self._doubted.get(path, b"")

    def looked(self, path: str) -> bool:
        """What is there was seen, and is told from now on by others. Whether it was in doubt."""
        self._changed |= self._vain.pop(path, None) is not None
        if path not in self._doubted:
            return False
        del self._doubted[path]
        self._changed = True
        return True

    def begin(self, operations: Iterable[Operation]) -> None:
        """They go to the installer after the commit."""
        for operation in operations:
            self._running.update(_paths(operation))
        self._changed = True

    def end(self, results: Iterable[Result]) -> None:
        """The installer has reported them. Only what was done ends a doubt."""
        for result in results:
            paths = _paths(result.operation)
            _drop(self._running, paths)
            if not result.lasts:
                self._unlasting.update(paths)
            elif result.outcome is Outcome.DONE:
                _drop(self._vain, paths)
                _drop(self._unlasting, paths)
                _drop(self._doubted, paths)
            else:
                self._vain.update(paths)
            self._changed = True

    def doubt(self) -> None:
        """The disk was away: what is not known to last there may have gone with what the disk had not written yet."""
        self._doubted |= self._vain | self._unlasting | self._running
        self._changed = True

    def note(self) -> None:
        """Once before each commit."""
        if self._changed:
            self._changed = False
            noted = sorted((self._doubted | self._vain | self._unlasting | self._running).items())
            self._store.put(_VALUE, "\0".join(f"{path}\0{content.hex()}" for path, content in noted).encode() or None)


def _paths(operation: Operation) -> dict[str, bytes]:
    """What it is about, each with the content that comes there."""
    match operation:
        case MoveFile():
            return {operation.path: operation.content, operation.source: b""}
        case InstallFile():
            return {operation.path: operation.content}
    return {operation.path: b""}


def _drop(noted: dict[str, bytes], paths: Iterable[str]) -> None:
    for path in paths:
        noted.pop(path, None)
