"""The watcher of one simulated machine: hints of what changed, a moment later, all that came meanwhile in one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.ids import Kind, parent_of
from swarm.sync.dirty import Dirty

if TYPE_CHECKING:
    from tests.simulation.device import Device

WATCH_SECONDS = 0.02  # until the watcher tells


class Watch:
    """Of one device."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.dirty: set[str] = set()  # directories that it has yet to tell of
        self._closed: set[str] = set()

    def tell(self, path: str, closed: bool = False) -> None:
        """A directory comes with every directory below it.

        It knows directories by their inodes, so it says a name as it is, however the user spelled it.
        """
        path = self._as_it_is(path)
        files = self.device.files
        if not self.dirty:
            self.device.world.after(WATCH_SECONDS, self._tell_now)
        self.dirty.add(parent_of(path))
        if closed:
            self._closed.add(path)
        try:
            if files.node(path).kind is Kind.DIRECTORY:
                self.dirty.add(path)
                self.dirty |= {below for below, (kind, _) in files.tree(path).items() if kind is Kind.DIRECTORY}
        except OSError:
            return

    def _as_it_is(self, path: str) -> str:
        """The path as the disk has it: one that folds names takes others for it."""
        files = self.device.files
        node, names = files._disk.root, path.split("/")
        for number, name in enumerate(names):
            entry = node.entries.get(files._key(name))
            if entry is None:
                break
            names[number], node = entry
        return "/".join(names)

    def _tell_now(self) -> None:
        dirty, self.dirty = frozenset(self.dirty), set()
        closed, self._closed = frozenset(self._closed), set()
        self.device.post(Dirty(dirty, closed, written=closed))
