"""A walk: over when all that was waiting when it began was read once. A file that never rests does not hold it up.

The first one says that a folder was seen as a whole since its engine began; others, that everything which was changed
before somebody asked has been looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

FEW = 64  # files of the walk that are still to be read


class Walk:
    """One walk."""

    def __init__(self) -> None:
        self.done = False
        self._unread: set[str] | None = None  # what was found and nobody has read yet; None: it is still being listed

    def look(self, listing: bool, waiting: Collection[str], reading: Collection[str], read: str) -> None:
        """Whether it is over. `listing`: directories are being listed; `waiting` and `reading`: files that are still to
        be read, and being read; `read`: a path that was read just now, or could not be, or ""."""
        if self.done or (listing and self._unread is None):
            return
        if self._unread is None:
            self._unread = {*waiting, *reading}
        self._unread.discard(read)
        idle = not waiting and not reading
        if idle or len(self._unread) <= FEW:  # some may have vanished unread; to look for them each time costs n²
            self._unread = {path for path in self._unread if path in waiting or path in reading}
        self.done = not self._unread and not listing
