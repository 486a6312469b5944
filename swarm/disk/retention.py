"""Retention: which versions in history are let go. A pure decision; `tidy.py` acts on it.

    age of a version          what is kept of each path
    up to an hour             the newest 20, and of those before them the first one of each five minutes
    up to a day               the last one of each hour
    up to 30 days             the last one of each day
    more                      nothing

Hours and days are those of UTC, so that what was kept once is kept the next time as well. A log that is written all day
thus costs some 32 + 24 + 30 copies of itself, and a file that was replaced once is there for 30 days. Of the last hour
it is the first of some minutes that stays: what was there before something went wild is worth more than what it made.

If what is left takes more than a tenth of the disk, or the disk has less free than its reserve, the oldest go until it
fits. What is kept of the last hour never goes: whoever finds that all was overwritten has that long, whatever is
written. A disk that is full all the same stops the sync, and says so.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swarm.disk.versions import Version

NEWEST = 20  # versions of a path, none of which is let go within the hour
BURST_MS = 5 * 60_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
KEPT_MS = 30 * DAY_MS  # a month: a file that nobody missed for so long was meant to go
SHARE = 10  # of the disk, one part for history
RESERVE_SHARE = 50  # of the disk, one part that history leaves free
LARGEST_RESERVE = 10 << 30  # bytes; 2 % of a large disk are more than anybody needs free


def to_drop(versions: Iterable[Version], now_ms: int, total: int, free: int) -> list[Version]:
    """What goes. `now_ms`: Unix time, milliseconds; `total`, `free`: bytes of the disk that history is on."""
    dropped: list[Version] = []
    kept: list[Version] = []
    taken: set[tuple[str, int, int]] = set()
    newest_first = sorted(versions, key=lambda one: (one.when_ms, one.id), reverse=True)
    bursts = _bursts(newest_first, now_ms)
    dropped.extend(bursts)
    for version in newest_first:
        if version in bursts:
            continue
        slot = _slot(version, now_ms)
        if slot is None or slot in taken:
            dropped.append(version)
            continue
        if slot[1]:
            taken.add(slot)
        kept.append(version)
    reserve = min(total // RESERVE_SHARE, LARGEST_RESERVE)
    size = sum(version.stat.size for version in kept)
    freed = sum(version.stat.size for version in dropped)
    excess = max(size - total // SHARE, reserve - free - freed)
    for version in reversed(kept):
        if excess <= 0:
            break
        if abs(now_ms - version.when_ms) >= HOUR_MS and version.stat.size:
            dropped.append(version)
            excess -= version.stat.size
    return dropped


def _bursts(newest_first: Iterable[Version], now_ms: int) -> set[Version]:
    """What goes of the last hour: of a path that is replaced again and again."""
    counts: Counter[str] = Counter()
    first: dict[tuple[str, int], Version] = {}
    going: set[Version] = set()
    for version in newest_first:
        if now_ms - version.when_ms >= HOUR_MS:
            break
        counts[version.path] += 1
        if counts[version.path] <= NEWEST:
            continue
        slot = version.path, version.when_ms // BURST_MS
        if slot in first:
            going.add(first[slot])
        first[slot] = version
    return going


def _slot(version: Version, now_ms: int) -> tuple[str, int, int] | None:
    """Of the versions in one slot, the last one stays: (path, length of the slot, its number); length 0: all stay.

    None: its time is up. A time in the future is that of a clock that was wrong, and as good as now.
    """
    age = now_ms - version.when_ms
    if age < HOUR_MS:
        return version.path, 0, 0
    if age < DAY_MS:
        return version.path, HOUR_MS, version.when_ms // HOUR_MS
    if age < KEPT_MS:
        return version.path, DAY_MS, version.when_ms // DAY_MS
    return None
