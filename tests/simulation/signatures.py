"""What a device signs: no deletion of what no user of that disk deleted, no version that none of them made.

A user's doing is told once. What is stated again is not covered by a deletion on its way, and would bring back what
nobody wrote again. Excused are conflict copies, which get records of their own when somebody goes on working, what a
new life says again of the one before, and what is found where an installation was when a run ended.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swarm.ids import Kind, parent_of

if TYPE_CHECKING:
    from swarm.index.record import Record
    from swarm.sync.ledger import Ledger
    from tests.simulation.device import Device
    from tests.simulation.oracle import Oracle
    from tests.simulation.watched import Watched

REAPPEARED_SECONDS = 8.0  # a change that was seen may be signed that much after it was undone


@dataclass(frozen=True, slots=True)
class Signatures:
    """Of one device, as its world's oracle sees it."""

    oracle: Oracle
    device: Device

    @property
    def watched(self) -> Watched:
        return self.oracle.watched(self.device)

    def judge(self) -> None:
        """It has committed."""
        oracle, device, watched = self.oracle, self.device, self.watched
        assert device.folder is not None
        ledger = device.folder.ledger
        after = watched.signed.get(ledger.origin, 0)
        if ledger.seq <= after:
            return
        oracle.look(device)
        records = device.store.records_after(ledger.origin, after, 1 << 20)
        copies = [record.path for record in records if " (conflict " in record.path]
        for record in records:
            oracle.claims.signed(device, record)
            if record.tombstone:
                if not self._moves_out_a_loser(ledger, record.path, copies):
                    self._check_deletion(record.path)
            elif record.kind is Kind.FILE:
                self._check_version(record)
        watched.signed[ledger.origin] = ledger.seq

    def _moves_out_a_loser(self, ledger: Ledger, path: str, copies: list[str]) -> bool:
        """Whether a tombstone at `path` only makes a loser a file of its own: what has the name keeps it, and the copy
        has a record in the same commit."""
        stem = path.rpartition("/")[2].partition(".")[0]
        beside = any(parent_of(copy) == parent_of(path) and stem in copy and copy != path for copy in copies)
        return beside and ledger.visible(path) is not None

    def _check_deletion(self, path: str) -> None:
        oracle, watched, name = self.oracle, self.watched, self.device.name
        if path in watched.dead:
            return
        when = watched.removed.get(path)
        if when is None:
            oracle.convict(f"{name} signed the deletion of {path}, which nobody there deleted")
        elif oracle.world.now - watched.reappeared.get(path, oracle.world.now) > REAPPEARED_SECONDS:
            oracle.convict(f"{name} signed the deletion of {path}, which has been there again")
        watched.dead.add(path)

    def _check_version(self, record: Record) -> None:
        oracle, watched, name = self.oracle, self.watched, self.device.name
        if not oracle.is_known(record.content):
            oracle.convict(f"{name} signed a version of {record.path} that no user wrote")
        made = [
            (path, data)
            for path, data in watched.versions
            if path == record.path
            and oracle.name_of(data) == record.content
            and oracle.world.now - watched.taken.get((path, data), oracle.world.now) <= REAPPEARED_SECONDS
        ]
        in_new_life = bool(watched.signed) and record.origin not in watched.signed  # says again what nobody heard
        if not made and not (" (conflict " in record.path or in_new_life or record.path in watched.doubted):
            oracle.convict(f"{name} signed a version of {record.path} that nobody there has made")
        watched.versions -= Counter(made)
