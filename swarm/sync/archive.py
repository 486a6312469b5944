"""The archive: reads what is in history where the database does not know, so that whoever lacks it can have it.

A database that is new, or an old copy, knows nothing of the files that an earlier one had moved to history. The bytes
of a version may be there and nowhere else. So history is read through once, one file after the other, when the folder
itself has been; an interruption begins it anew. Of a run that ended before it could note where it had put things, only
what may be of the paths in doubt is read. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.ids import Kind, join_path, name_of, parent_of
from swarm.sync.events import Hash, Scan
from swarm.sync.files import HISTORY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from swarm.sync.events import Effect, Hashed, Scanned
    from swarm.sync.files import Stat
    from swarm.sync.store import Store

_UNREAD = "history unread"  # the name of a value in the store: _ALL, or paths, each with NUL before it
_ALL = b"1"
STEM = 32  # characters of a name that are sure to be in that of its file in history, however long it is


class Archive:
    """One folder's."""

    def __init__(self, store: Store, *, out: Callable[[Effect], None]) -> None:
        self.store = store
        self._out = out
        self._directories: list[str] = []
        self._files: list[tuple[str, Stat]] = []
        self._reading = False
        self._beginnings: dict[str, tuple[str, ...]] = {}  # directory -> of the names that count there; else all do

    @staticmethod
    def has(path: str) -> bool:
        """Whether an event about `path` is for the archive."""
        return path == HISTORY or path.startswith(HISTORY + "/")

    def distrust(self) -> None:
        """The database does not know what is in history."""
        self.store.put(_UNREAD, _ALL)
        self._reading = False

    def doubt(self, paths: Iterable[str]) -> None:
        """What was at these paths may be in history, and the database would not know."""
        known = self.store.get(_UNREAD) or b""
        if known != _ALL:
            doubted = {*known.decode().split("\0"), *paths} - {""}
            self.store.put(_UNREAD, "".join("\0" + path for path in sorted(doubted)).encode() or None)

    def interrupt(self) -> None:
        """The disk is away."""
        self._reading = False

    def tick(self) -> None:
        """The folder itself was read: begins, if there is anything to do."""
        if self._reading or (unread := self.store.get(_UNREAD)) is None:
            return
        self._reading = True
        self._directories, self._files, self._beginnings = [HISTORY], [], {}
        if unread != _ALL:
            for path in unread.decode().split("\0")[1:]:
                directory = join_path(HISTORY, parent_of(path)).rstrip("/")
                self._beginnings[directory] = (*self._beginnings.get(directory, ()), _beginning(path))
            self._directories = sorted(self._beginnings)
        self._next()

    def scanned(self, event: Scanned) -> None:
        beginnings = self._beginnings.get(event.directory)
        for name, stat in sorted(event.entries.items()):
            if beginnings is not None and not ("~" in name and name.startswith(beginnings)):
                continue
            path = join_path(event.directory, name)
            if stat.kind is Kind.DIRECTORY:
                self._directories.append(path)
            elif stat.kind is Kind.FILE and stat.size:
                self._files.append((path, stat))
        self._next()

    def hashed(self, event: Hashed) -> None:
        for identifier, raw in event.nodes:
            self.store.put_manifest_node(identifier, raw)
        self.store.put_chunks(event.path, event.chunks)
        self._next()

    def failed(self) -> None:
        """A directory or file of it could not be read, or has gone: it is left out."""
        self._next()

    def _next(self) -> None:
        if not self._reading:
            return
        if self._files:
            self._out(Hash(*self._files.pop()))
        elif self._directories:
            self._out(Scan(self._directories.pop()))
        else:
            self.store.put(_UNREAD, None)
            self._reading = False


def _beginning(path: str) -> str:
    """How the names in history of what was at `path` begin: the rest of one may be cut, or comes behind the time."""
    name = name_of(path)
    return (name.rpartition(".")[0] or name)[:STEM]
