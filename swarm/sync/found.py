"""What is found on the disk, and when it is what we know already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from swarm.ids import Kind
from swarm.sync.ledger import Value
from swarm.sync.store import Local, told_mtime

if TYPE_CHECKING:
    from swarm.ids import ContentId
    from swarm.index.record import Context, Record
    from swarm.sync.files import Stat

FILE_MODE, DIRECTORY_MODE = 0o644, 0o755  # of what comes from a disk without modes
YOUNG_NS = 2_000_000_000  # a ctime that old was there before whoever closed the file a moment ago
FIRST_BACKOFF = 0.05  # seconds; doubled each time a file changes under our eyes
LAST_BACKOFF = 10.0


@dataclass(slots=True)
class Candidate:
    """A file that differs from the local tree."""

    stat: Stat
    due: float
    backoff: float = FIRST_BACKOFF
    since: float = 0.0  # when it was first seen to differ
    put_off: bool = False  # it never rests


@dataclass(frozen=True, slots=True)
class Found:
    """One name on the disk, read."""

    stat: Stat
    kind: Kind
    content: ContentId
    target: str

    def local(self, installed: Context) -> Local:
        stat = self.stat
        return Local(
            self.kind,
            stat.size,
            stat.mode,
            stat.mtime_ns,
            stat.ctime_ns,
            stat.inode,
            self.content,
            self.target,
            installed,
        )

    def value(self, mode: int) -> Value:
        """What a record says of it; `mode`: see `told_mode`."""
        mtime_ns = 0 if self.kind is Kind.DIRECTORY else told_mtime(self.stat.mtime_ns)
        return Value(self.kind, self.content, self.stat.size, mode, mtime_ns, self.target)


def told_mode(found: Found, modes: bool, before: Record | None) -> int:
    """The mode that others are told. A disk without modes (`modes` is False) shows the same for everything, and that is
    nobody's wish: what was told before (`before`) stays."""
    if modes:
        return found.stat.mode
    if before is not None and before.kind is found.kind:
        return before.mode
    return DIRECTORY_MODE if found.kind is Kind.DIRECTORY else FILE_MODE


def is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def unchanged(local: Local, stat: Stat) -> bool:
    return (
        local.kind is stat.kind
        and local.mtime_ns == stat.mtime_ns
        and local.ctime_ns == stat.ctime_ns
        and local.size == stat.size
        and local.inode == stat.inode
        and local.mode == stat.mode
    )


def hides_writes(stat: Stat, wall: int) -> bool:
    """Whether a write to a file of this stat may have left it as it was: by a program that sets the old mtime, within
    one tick of the clock that stamps ctime. `wall`: now, milliseconds since 1970."""
    return abs(wall * 1_000_000 - stat.ctime_ns) < YOUNG_NS


def same_content(local: Local, found: Found) -> bool:
    return local.kind is found.kind and local.content == found.content and local.target == found.target


def only_inode_changed(local: Local, found: Found) -> bool:
    """The same thing with the same metadata, though perhaps another inode or ctime."""
    same_metadata = local.mode == found.stat.mode and (
        found.kind is Kind.DIRECTORY or local.mtime_ns == found.stat.mtime_ns
    )
    return same_content(local, found) and same_metadata


def says(record: Record, found: Found) -> bool:
    return (
        not record.tombstone
        and record.kind is found.kind
        and record.content == found.content
        and record.target == found.target
    )
