"""A preview: what joining a folder with files would do, found out before anything is joined.

The folder's own engine takes part in the conversation, over a database that is thrown away. It is never told to look
at the disk, so it makes no record, wants no content, and has none to give: what it says to members is that it knows
nothing and is not done. What it hears is compared with a survey of the directory, by size and time; no content is read.

Nothing of the directory is changed or sent by any of this.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from itertools import takewhile
from typing import TYPE_CHECKING

from swarm.control.daemon import Preview
from swarm.disk.database import SqliteStore
from swarm.disk.probe import CAUTIOUS
from swarm.disk.survey import survey
from swarm.errors import Unavailable
from swarm.ids import Kind
from swarm.index.record_codec import verify_record
from swarm.sync.events import MemberDown, MemberUp, Send, WakeAt
from swarm.sync.folder import Folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from swarm.disk.home import Home
    from swarm.ids import DeviceId
    from swarm.index.record import Record
    from swarm.keys.hints import Hints
    from swarm.node.folder_thread import NetworkEffect
    from swarm.sync.events import Event
    from swarm.sync.files import Stat
    from swarm.sync.folder import Identity
    from swarm.sync.ledger import Ledger

log = logging.getLogger("swarm.preview")

FIRST_MEMBER = 6.0  # seconds for somebody to be there: the DHT takes a few, and people wait for the question
STALLED = 10.0  # seconds without anything new of a member's list
LONGEST = 300.0  # seconds for all of it: a million files take about two minutes
MAX_BATCH = 512  # events in one step
LOOK = 0.25  # seconds at most without a look at whether the preview is still wanted
SAME_TIME = 2_000_000_000  # nanoseconds; FAT rounds to two seconds, and so do many archives


class PreviewThread:
    """One preview, from the question to its answer. `post` may be called from any thread."""

    def __init__(
        self,
        home: Home,
        root: str,
        identity: Identity,
        hints: Hints,
        outlet: Callable[[PreviewThread, list[NetworkEffect]], None],
    ) -> None:
        """hints: of the key that is to be joined with."""
        self.hints = hints
        self.identity = identity
        self.answer: Future[Preview] = Future()
        self._home = home
        self._root = root
        self._outlet = outlet
        self._inbox: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._names: dict[DeviceId, str] = {}
        self._ending = False
        self._thread = threading.Thread(target=self._main, name="preview", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def post(self, event: Event) -> None:
        self._inbox.put(event)

    @property
    def backlog(self) -> int:
        """See Mailbox."""
        return self._inbox.qsize()

    def stop(self) -> None:
        """Ends it, and returns once its database is gone."""
        self._ending = True
        self._thread.join()

    # -- the thread

    def _main(self) -> None:
        try:
            with self._home.scratch() as directory:
                store = SqliteStore(f"{directory}/index.db")
                try:
                    self._give(self._look(store))
                finally:
                    store.close()
        except (OSError, Unavailable) as error:
            self._give_up(error)
        except Exception as error:
            log.exception("a preview failed")
            self._give_up(error)

    def _give(self, preview: Preview) -> None:
        with suppress(InvalidStateError):  # nobody waits for it any more
            self.answer.set_result(preview)

    def _give_up(self, error: Exception) -> None:
        with suppress(InvalidStateError):
            self.answer.set_exception(error)

    def _look(self, store: SqliteStore) -> Preview:
        folder = Folder(self.identity, store, traits=CAUTIOUS, device_rules="", verify=_verify)
        began = news = time.monotonic()
        known = 0
        wake: float | None = None
        events: list[Event] = []
        while not self._ending:
            now = time.monotonic()
            wake = self._pass_on(folder.step(events, now, time.time_ns() // 1_000_000))
            heard = [peer for peer in self._names if folder.exchange.covers(peer)]
            if heard:
                return compare(self._files(), self._names[heard[0]], folder.ledger)
            if (heard_of := sum(folder.ledger.clock.values())) != known:
                known, news = heard_of, now
            if now - news > (STALLED if self._names else FIRST_MEMBER) or now - began > LONGEST:
                break
            events = self._drain(wake)
        return compare(self._files(), next(iter(self._names.values()), ""), None)

    def _files(self) -> Iterator[tuple[str, Stat]]:
        return takewhile(lambda _: not self._ending, survey(self._root))

    def _pass_on(self, effects: Sequence[object]) -> float | None:
        if sends := [effect for effect in effects if isinstance(effect, Send)]:
            self._outlet(self, [*sends])
        return min((effect.when for effect in effects if isinstance(effect, WakeAt)), default=None)

    def _drain(self, wake: float | None) -> list[Event]:
        timeout = LOOK if wake is None else min(LOOK, max(0.0, wake - time.monotonic()))
        events: list[Event] = []
        try:
            events.append(self._inbox.get(timeout=timeout))
            while len(events) < MAX_BATCH:
                events.append(self._inbox.get_nowait())
        except queue.Empty:
            pass
        for event in events:
            match event:
                case MemberUp():
                    self._names[event.peer] = event.name
                case MemberDown():
                    self._names.pop(event.peer, None)
        return events


def compare(here: Iterable[tuple[str, Stat]], member: str, ledger: Ledger | None) -> Preview:
    """The files of a directory against those that a member has. ledger: None when it has not told them all."""
    only_here = only_here_bytes = same = differ = differ_bytes = 0
    for path, stat in here:
        entry = ledger.visible(path) if ledger is not None else None
        record = entry.record if entry is not None else None
        if record is None or record.kind is Kind.DIRECTORY:
            only_here += 1
            only_here_bytes += stat.size
        elif _looks_the_same(stat, record):
            same += 1
        else:
            differ += 1
        if record is not None and record.kind is not Kind.DIRECTORY:
            differ_bytes += record.size
    there = ledger.totals.files - same - differ if ledger is not None else 0
    there_bytes = ledger.totals.bytes - differ_bytes if ledger is not None else 0
    return Preview(member, ledger is not None, only_here, only_here_bytes, there, there_bytes, same, differ)


def _looks_the_same(stat: Stat, record: Record) -> bool:
    if stat.kind is not record.kind:
        return False
    if record.kind is Kind.SYMLINK:
        return True  # where it leads is its content, and no content is read
    return stat.size == record.size and abs(stat.mtime_ns - record.mtime_ns) <= SAME_TIME


def _verify(signed: Sequence[tuple[bytes, DeviceId]]) -> Sequence[bool]:
    return [verify_record(raw, device) for raw, device in signed]
