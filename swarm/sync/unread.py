"""Files that differ from the local tree and are to be read: which, and when. Pure; time is an argument.

A file is read once it has rested; one that never rests, between two writes after some time; one that becomes a version
again and again, ever more seldom (see pace.py), but at once when somebody waits.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

from swarm.sync.found import FIRST_BACKOFF, LAST_BACKOFF, Candidate
from swarm.sync.pace import Pace

if TYPE_CHECKING:
    from swarm.sync.files import Stat

LONGEST_WAIT = 2.0  # seconds without quiet before a file that never rests is read between two writes


class Unread:
    """One folder's."""

    def __init__(self) -> None:
        self.waiting: dict[str, Candidate] = {}
        self.reading: dict[str, Candidate] = {}
        self.pace = Pace()
        self.urgent = False  # somebody waits for everything to be looked at: versions come at any pace
        self._due: list[tuple[float, str]] = []  # heap
        self._dropped: set[str] = set()  # being read, and not to be believed

    @property
    def pressing(self) -> bool:
        """Whether something waits that was not put off."""
        return bool(self.reading) or any(not candidate.put_off for candidate in self.waiting.values())

    @property
    def put_off(self) -> str:
        """A file that waits because it is written to all the time; "" for none."""
        return next((path for path, candidate in self.waiting.items() if candidate.put_off), "")

    def next_due(self) -> float | None:
        while self._due:
            when, path = self._due[0]
            candidate = self.waiting.get(path)
            if candidate is not None and candidate.due == when:
                return when
            heappop(self._due)
        return None

    def take(self, now: float) -> str | None:
        """A path that is due, which counts as being read from here on; None if there is none."""
        while (due := self.next_due()) is not None and due <= now:
            path = heappop(self._due)[1]
            candidate = self.waiting[path]
            if path in self.reading:
                # Later than now however long it has waited: what is due again in the same moment is taken without end.
                due, backoff = now + candidate.backoff, candidate.backoff
                self._put(path, candidate.stat, due, backoff, candidate.since, candidate.put_off)
                continue
            self.reading[path] = self.waiting.pop(path)
            return path
        return None

    def take_now(self, path: str) -> bool:
        """The same of one path, due or not; False if it does not wait."""
        candidate = self.waiting.pop(path, None)
        if candidate is not None:
            self.reading[path] = candidate
        return candidate is not None

    def consider(
        self, path: str, stat: Stat, due: float, backoff: float = FIRST_BACKOFF, longest: float = LONGEST_WAIT
    ) -> None:
        """To be read at `due`; a file that changes again and again is read all the same after `longest` seconds."""
        before = self.waiting.get(path)
        if before is not None and before.backoff == backoff:
            due = min(due, max(before.since + longest, before.due))
        self._put(path, stat, due, backoff, before.since if before is not None else due, longest > LONGEST_WAIT)

    def again(self, path: str, stat: Stat | None, now: float, longest: float = LAST_BACKOFF) -> None:
        """It changed while it was read, or something that belongs to it did: later, and later each time."""
        candidate = self.reading.pop(path, None)
        if candidate is not None:
            backoff = min(candidate.backoff * 2, longest)
            newer = self.waiting.get(path)  # it was seen to change while it was read: that is no new beginning
            seen = newer.stat if newer is not None else stat or candidate.stat
            self._put(path, seen, now + backoff, backoff, candidate.since, candidate.put_off)

    def is_restless(self, path: str, now: float) -> bool:
        """Whether a path that is being read has not rested for so long that it is read between two writes."""
        return now >= self.reading[path].since + LONGEST_WAIT

    def drop(self, path: str) -> None:
        """There is nothing any more that could be read there."""
        self.waiting.pop(path, None)
        if path in self.reading:
            self._dropped.add(path)

    def has_read(self, path: str) -> bool:
        """It was read. Whether that is not to be believed."""
        self.reading.pop(path, None)
        dropped = path in self._dropped
        self._dropped.discard(path)
        return dropped

    def hurry(self, now: float) -> None:
        """Somebody waits: what was put off is read now."""
        self.urgent = True
        for path, candidate in list(self.waiting.items()):
            if candidate.put_off:
                self._put(path, candidate.stat, min(candidate.due, now), candidate.backoff, candidate.since, False)

    def _put(self, path: str, stat: Stat, due: float, backoff: float, since: float, put_off: bool) -> None:
        free_at = 0.0 if self.urgent else self.pace.free_at(path, stat.size)
        self.waiting[path] = Candidate(stat, max(due, free_at), backoff, since, put_off or free_at > due)
        heappush(self._due, (self.waiting[path].due, path))
