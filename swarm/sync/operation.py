"""Operations: what must happen on disk so that the view becomes true.

Disposable: each names the local state that it expects. If the disk differs when its turn comes, nothing is touched, the
result says `RACED`, the place is scanned again, and a new plan is made. They are never stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swarm.ids import ContentId
    from swarm.sync.files import Stat
    from swarm.sync.store import Local


@dataclass(frozen=True, slots=True)
class MakeDirectory:
    path: str
    mode: int


@dataclass(frozen=True, slots=True)
class InstallFile:
    """Puts the finished temp of a content at `path`; what was there goes to history."""

    path: str
    expected: Local | None
    content: ContentId
    size: int  # bytes
    mode: int
    mtime_ns: int
    temp: str  # path of the assembled temp; "" for an empty file


@dataclass(frozen=True, slots=True)
class InstallLink:
    path: str
    expected: Local | None
    target: str
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class MoveFile:
    """A rename made elsewhere: our own file with this content goes to its new name, and nothing is copied."""

    source: str
    source_expected: Local
    path: str
    content: ContentId
    mode: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class SetMetadata:
    """Mode of a file or directory, mtime of a file or symlink."""

    path: str
    expected: Local
    mode: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Confirm:
    """Another version says what is at `path` already. Nothing is changed, but looked at: what a user has deleted or
    written a moment ago is not of that version, and must not be taken for it."""

    path: str
    expected: Local
    lasting: bool = False  # what was done at `path` before could not be made durable: try again


@dataclass(frozen=True, slots=True)
class Remove:
    """A file or symlink goes to history; a directory is removed when it is empty."""

    path: str
    expected: Local


Operation = MakeDirectory | InstallFile | InstallLink | MoveFile | SetMetadata | Confirm | Remove


class Outcome(Enum):
    DONE = "done"
    RACED = "raced"  # the disk was not as expected; nothing was changed, or what came out was put back
    KEPT = "kept"  # a directory that still holds things we do not sync: it stays
    FAILED = "failed"  # the system said no; try again later


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one operation."""

    operation: Operation
    outcome: Outcome
    stat: Stat | None = None  # of what now is at the operation's path, as achieved; None when it was removed. FAILED
    # with one: it is there to be seen, and may not last
    history: str = ""  # where the file that was replaced or removed now is, or ""
    spare: str = ""  # where in history the new file is as well, since it was seen before it had to give way; or ""
    why: str = ""  # a sentence, for FAILED
    covered: bool = False  # FAILED: another file system is mounted on the way
    permanent: bool = False  # FAILED: trying again will not help until something changes (a name impossible here)

    @property
    def lasts(self) -> bool:
        """Whether a power cut leaves it as it was reported."""
        return self.outcome is not Outcome.FAILED or self.stat is None
