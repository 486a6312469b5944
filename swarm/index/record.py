"""A record: one signed version of one path, by one device.

The outer part is readable by every member, blind hosts included; the body is sealed. The bytes that were signed are the
bytes that are stored and passed on: nothing is ever re-encoded. Layout: docs/PROTOCOL.md, "Record".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from swarm.ids import Dot

if TYPE_CHECKING:
    from swarm.ids import ContentId, Kind, Origin, PathKey, RecordHash

Context = tuple[tuple["Origin", int], ...]  # sorted by origin, each origin once, every seq >= 1


@dataclass(frozen=True, slots=True)
class Record:
    """One version of one path, opened. Equal hashes mean equal records."""

    # the outer part
    epoch: int
    origin: Origin
    seq: int
    context: Context  # the records that this one supersedes: every dot at this path that it covers
    key: PathKey
    tombstone: bool
    content: ContentId  # b"" for anything but a regular file
    # the sealed body
    path: str
    kind: Kind  # of a tombstone: what was deleted
    size: int  # bytes
    mode: int  # permission bits, & 0o777
    mtime_ns: int
    hlc: int  # hybrid logical clock, milliseconds
    device_name: str  # of the author, as it was
    target: str  # of a symlink, else ""
    base: bytes  # RecordHash of the version that was edited, or b""
    moved: str  # the path that this content was renamed from, or ""
    # the whole
    raw: bytes  # as signed and received
    hash: RecordHash  # BLAKE3 of raw

    @property
    def dot(self) -> Dot:
        return Dot(self.origin, self.seq)

    def covers(self, dot: Dot) -> bool:
        """Whether this record supersedes the one with that dot."""
        return any(origin == dot.origin and seq >= dot.seq for origin, seq in self.context)

    def same_value(self, other: Record) -> bool:
        """Whether both put the same thing at the path (siblings of equal value are one version to a user)."""
        return (
            self.tombstone == other.tombstone
            and self.kind == other.kind
            and self.content == other.content
            and self.target == other.target
        )
