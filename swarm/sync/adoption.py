"""Adoption: when what is on the disk is a live version already, it is taken for that, and no record is made. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from swarm.ids import Kind
from swarm.index.version import context_covers, context_of
from swarm.sync.found import same_content, says
from swarm.sync.store import told_mtime

if TYPE_CHECKING:
    from swarm.sync.found import Found
    from swarm.sync.ledger import Ledger
    from swarm.sync.store import Local


def adopted(
    ledger: Ledger, path: str, found: Found, local: Local | None, renamed: str = "", intended: bytes = b""
) -> Local | None:
    """The local state made of a live version that says what is on the disk already, where the disk said otherwise
    before; else None. A conflict copy stays one: were it given a record, its loser would come back after both are
    deleted. `renamed`: where it was a moment ago, or "". A conflict copy to which a user gave back the name that it had
    lost is a version, and not the loser where it was. `intended`: the content that a run which ended was to put here,
    or b"": that is no user's version, be it superseded by now."""
    if renamed and (before := ledger.store.local(renamed)) is not None and before.copy_of == path:
        return None
    if local is not None and local.copy_of:
        return None
    if local is not None and same_content(local, found):
        return _with_metadata_of(ledger, path, found, local)
    if _wrote_over(ledger, path, found, local):
        return None
    same = [record for record in ledger.register(path) if says(record, found)]
    if same and found.kind is not Kind.DIRECTORY:
        return found.local(context_of(same))
    if intended and found.content == intended:
        return found.local(())  # to be confirmed, or to give way to what superseded it
    entry = ledger.visible(path)
    if entry is None or entry.kind is not found.kind:
        return None
    copy_of = entry.record.path if entry.virtual and entry.record and says(entry.record, found) else ""
    if found.kind is not Kind.DIRECTORY and (not copy_of or local is not None):
        return None
    return replace(found.local(ledger.wanted_context(entry)), copy_of=copy_of)


def _with_metadata_of(ledger: Ledger, path: str, found: Found, local: Local) -> Local | None:
    """The same bytes, with the mode and time of a version that came meanwhile: they are ours, set in an operation that
    failed after that, or a user's who did the same. Neither is to be said again."""
    same = [record for record in ledger.register(path) if says(record, found)]
    stat = found.stat
    if found.kind is Kind.FILE and any(
        (record.mode, record.mtime_ns) == (stat.mode, told_mtime(stat.mtime_ns))
        and not context_covers(local.installed, record.dot)
        for record in same
    ):
        return found.local(context_of(same))
    return None


def _wrote_over(ledger: Ledger, path: str, found: Found, local: Local | None) -> bool:
    """Whether the user put this in place of a version that is live: that must be said, or it would stay a conflict
    copy whose bytes nobody may have any more."""
    return local is not None and any(
        not record.tombstone and not says(record, found) and context_covers(local.installed, record.dot)
        for record in ledger.register(path)
    )
