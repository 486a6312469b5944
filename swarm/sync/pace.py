"""How often a file may become a new version. Pure; time is an argument.

A log that is appended to all day would otherwise be a version every second or two: each is sent to everybody, and each
displaces a whole copy into the history of everybody. So a file that was a version FREE times in a row without a calm in
between waits longer and longer for the next: as long as it takes to send what a version costs at RATE.
"""

from __future__ import annotations

from dataclasses import dataclass

FREE = 20  # versions in a row that cost no waiting: somebody who saves again and again
CALM = 300.0  # seconds without a version after which a file is as good as new
RATE = 2048  # bytes a second, for one file that never rests: some 170 MB a day
COST = 128 << 10  # bytes that one version is taken to cost at most: the last chunks of a file that grows
MAX_PACED = 10_000  # files whose versions are counted; beyond it the one that was quiet for longest is forgotten


@dataclass(slots=True)
class _Row:
    """Versions of one file without a calm between them."""

    count: int
    last: float


class Pace:
    """Of all files of a folder."""

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}  # the one that was a version last is at the end

    def told(self, path: str, now: float) -> None:
        """`path` has become a new version."""
        row = self._rows.pop(path, None)
        if row is None or now - row.last >= CALM:
            row = _Row(0, now)
        self._rows[path] = _Row(row.count + 1, now)
        if len(self._rows) > MAX_PACED:
            del self._rows[next(iter(self._rows))]

    def free_at(self, path: str, size: int) -> float:
        """When it may become one again; `size`: bytes of the file now."""
        row = self._rows.get(path)
        if row is None or row.count < FREE:
            return 0.0
        return row.last + min(size, COST) / RATE
