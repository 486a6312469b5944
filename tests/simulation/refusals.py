"""What the database of one simulated machine refuses: its disk is full, or fails, for a while.

As SQLite has it: after one refusal nothing more goes into the transaction until it is rolled back, which the shell does
by closing everything. A commit may also be reported as failed, and yet be there when the file is opened again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.errors import Bug, Unavailable

if TYPE_CHECKING:
    from tests.simulation.device import Device

WHAT = ("commit", "change", "read", "kept")  # "kept": a commit that succeeds, and is reported as failed


class Refusals:
    """Of one device."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self._what = ""
        self._count = 0
        self._until = 0.0
        self._failed = False

    def begin(self, what: str, count: int, seconds: float) -> None:
        """Refuses the `count`-th of these from now on, and all for that many seconds."""
        self._what, self._count, self._until = what, count, self.device.world.now + seconds
        self.watch()

    def watch(self) -> None:
        """The device has begun to use a store."""
        self.device.store.before = self.before if self._what else None

    def end(self) -> None:
        self._what = ""

    def closed(self) -> None:
        """The file was closed, and its transaction with it."""
        self._failed = False
        self.device.store.before = None

    def before(self, operation: str) -> None:
        """The store's hook. Raises Unavailable."""
        if self._failed:
            raise Bug(f"a {operation} in a transaction that has failed")
        if not self._what or operation != ("commit" if self._what == "kept" else self._what):
            return
        self._count -= 1
        if self._count > 0 or not self.device.at_work:  # else somebody looks on
            return
        what = self._what
        if self.device.world.now >= self._until:
            self._what = ""
        self._failed = True
        if what == "kept":
            store = self.device.store
            store.before = None
            store.commit()
            store.before = self.before
        raise Unavailable(f"the database refuses a {operation}")
