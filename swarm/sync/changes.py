"""Local changes: what a user made of a folder that this device may only read.

A reader cannot make a record, so an edit stays on its own disk. It is kept as long as nothing else needs its place:

    edited, made or deleted here ──> kept, on top of the records that the path came from (its base)
    another version arrives      ──> it gives way: what is on the disk goes to history
    the user says revert         ──> the same

Whether another version has arrived is one comparison: the view wants what the base is, or it wants something else. So
the local tree always says what is on the disk, the planner's operations expect that, and no edit is in the way for
ever. Rejected: leaving the local tree as it was installed; each operation at the path would then find a disk that it
does not expect, again and again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swarm.index.record import Context
    from swarm.sync.store import Local, Store


class Changes:
    """One folder's local changes; empty for ever on a device that may write."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._bases: dict[str, Context] = store.changes()

    def __len__(self) -> int:
        return len(self._bases)

    def __contains__(self, path: str) -> bool:
        return path in self._bases

    def __iter__(self) -> Iterator[str]:
        return iter(self._bases)

    # -- what the user did

    def edited(self, path: str, now: Local) -> None:
        """`now` is at `path`, and no record says so."""
        local = self.store.local(path)
        base = self._bases.get(path, local.installed if local is not None else ())
        self.keep(path, base)
        self.store.put_local(path, replace(now, installed=base, copy_of=local.copy_of if local is not None else ""))

    def deleted(self, path: str) -> None:
        """Nothing is at `path` any more."""
        local = self.store.local(path)
        if local is not None:
            self.keep(path, self._bases.get(path, local.installed))
            self.store.put_local(path, None)
        self.store.drop_chunks(path)

    # -- what becomes of it

    def keeps(self, path: str, wanted: Context) -> bool:
        """Whether the user's doing at `path` stays, now that the view wants what comes from `wanted`."""
        return self._bases.get(path) == wanted

    def stays(self, path: str, wanted: Context, going: bool) -> bool:
        """The same of a path that is not as the view wants it; `going`: the view wants nothing there.

        A directory that is removed elsewhere, and in which a file was made here, becomes a change itself.
        """
        if self.keeps(path, wanted):
            return True
        if not going or not self._bases or not any(self.keeps(below, ()) for below, _ in self.store.locals_below(path)):
            return False
        self.keep(path, ())
        return True

    def keep(self, path: str, base: Context) -> None:
        if self._bases.get(path) != base:
            self._bases[path] = base
            self.store.put_change(path, base)

    def drop(self, path: str) -> None:
        """It is no change, or shall be none any longer."""
        if self._bases.pop(path, None) is not None:
            self.store.put_change(path, None)

    def drop_from(self, path: str) -> list[str]:
        """The same at `path` and below it ("" for all); the paths that were changed."""
        gone = [changed for changed in self._bases if not path or changed == path or changed.startswith(path + "/")]
        for changed in gone:
            self.drop(changed)
        return gone
