"""What the planner knows of a path that is not as the view wants it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from swarm.ids import NO_CONTENT, Kind
from swarm.sync.store import Local

if TYPE_CHECKING:
    from swarm.index.record import Context, Record
    from swarm.index.view import Entry
    from swarm.sync.files import Stat
    from swarm.sync.operation import Operation


@dataclass(slots=True)
class Need:
    """A path whose local state is not what the view says."""

    entry: Entry | None  # None: nothing shall be there
    installed: Context  # what the local state will come from
    bytes: int = 0

    @property
    def is_directory(self) -> bool:
        return self.entry is not None and (self.entry.record is None or self.entry.record.kind is Kind.DIRECTORY)


@dataclass(frozen=True, slots=True)
class Running:
    """An operation that the installer has."""

    operation: Operation
    need: Need


def says_the_same(record: Record, local: Local) -> bool:
    """But for mode and times."""
    return (record.kind, record.content, record.target) == (local.kind, local.content, local.target)


def local_of(kind: Kind, stat: Stat, installed: Context, copy_of: str) -> Local:
    """What the installer has put there, without a content or target as yet."""
    stamps = stat.size, stat.mode, stat.mtime_ns, stat.ctime_ns, stat.inode
    return Local(kind, *stamps, NO_CONTENT, "", installed, copy_of)
