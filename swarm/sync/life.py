"""Lives: under which incarnation this device signs, and what shows that it must begin another.

Two records with one dot are the one thing that the merge cannot make good by itself. They come of a database that was
brought back, or copied together with the device's identity. It shows when a member knows more records of this life than
this device has told of, or when a record of this life arrives that this device does not have: only its own key can have
signed that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.ids import short
from swarm.keys.certificate import Certificate, Introduction
from swarm.keys.role import Role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from swarm.keys.chain import FolderKeys
    from swarm.keys.device import DeviceKey
    from swarm.sync.ledger import Ledger
    from swarm.sync.store import Store

PAUSE_MS = 60_000  # after a life was begun, until a member that says that it knows more of us can end it
LONGEST_PAUSE_MS = 86_400_000  # it doubles: a liar must not use up the lives that a folder can have (MAX_ORIGINS)


class Life:
    """Of one device in one folder. `next_incarnation`: to begin with, should a new life begin."""

    def __init__(self, store: Store, keys: FolderKeys, device: DeviceKey, next_incarnation: int) -> None:
        self.store = store
        self.may_write = keys.role.holds(Role.WRITE)
        self._keys = keys
        self._device = device
        self._next = next_incarnation
        self._last_birth = 0
        self._pause = PAUSE_MS // 2

    def introduction(self, new: bool) -> Introduction | None:
        """This device's own, in the life that the store has or a new one; None where its key does not let it write."""
        if not self.may_write:
            self.store.put("incarnation", bytes(8))
            return None
        known = self.store.get("incarnation")
        if not new and known is not None:
            return self._introduced(int.from_bytes(known, "big"))
        self.store.put("confirmed", None)  # what members have of an earlier life says nothing of this one
        return self._introduced(self._next)

    def open(self, ledger: Ledger) -> None:
        """The database was opened. What it had told by then is in whatever it may be a copy of as well: no seq of those
        stands for another record, and they are not written anew should this life end. (What superseded one of them
        elsewhere would not cover it then, and a file would come back that nobody wrote again.)"""
        ledger.confirm(int.from_bytes(self.store.get("told") or b"", "big"))

    def check(self, ledger: Ledger, clock: Mapping[bytes, int], wall: int) -> str:
        """A member's clock: why a new life must begin, or ""."""
        if not self.may_write:
            return ""
        known = clock.get(ledger.origin, 0)
        if known <= min(ledger.seq, self._told(ledger)):
            ledger.confirm(known)
            return ""
        if 0 <= wall - self._last_birth < self._pause:
            return ""  # a member that makes up clocks shall not have us live a thousand lives
        return f"the index of this folder is an older copy of itself (life {short(ledger.origin)})"

    def tell(self, ledger: Ledger) -> None:
        """With this commit all of this life's records may go to whoever was heard. What a member knows beyond them,
        this database never said, though it may have made as many records since."""
        seq = ledger.seq.to_bytes(8, "big")
        if self.may_write and self.store.get("told") != seq:
            self.store.put("told", seq)

    def _told(self, ledger: Ledger) -> int:
        told = self.store.get("told")
        return ledger.seq if told is None else int.from_bytes(told, "big")

    def begin(self, wall: int) -> Introduction:
        """This device's own, in a new life."""
        last = int.from_bytes(self.store.get("incarnation") or b"", "big")
        incarnation = max(self._next, wall << 20, last + 1)  # never one of before, wherever the clock was set
        self._last_birth = wall
        self._pause = min(2 * self._pause, LONGEST_PAUSE_MS)
        return self._introduced(incarnation)

    def _introduced(self, incarnation: int) -> Introduction:
        if self.store.get("incarnation") != incarnation.to_bytes(8, "big"):
            self.store.put("told", bytes(8))
        self.store.put("incarnation", incarnation.to_bytes(8, "big"))
        certificate = Certificate.issue(self._keys, self._device.id, Role.WRITE)
        return Introduction.issue(certificate, self._device, incarnation)
