"""The observer: turns what is on the disk into records, and nothing else into records.

The watcher is a hint, the scan is the truth. A scan lists one directory; what differs from the local tree is a
candidate, is left to settle, is hashed, and only then is a version. What a listing lacks is a deletion after it was
looked at again, unless its content turned up elsewhere: then it is a rename and goes at once.

There is no list of our own writes. They come back as events like everybody's; the scan finds that the local tree
already agrees, and nothing happens.

A folder that joins with files, or has lost its database, *holds* what it observes until it has merged with a member:
content that equals a live version is then adopted without a record, and absence never was a deletion.
"""

from __future__ import annotations

from dataclasses import replace
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from swarm.errors import BadPeer
from swarm.ids import NO_CONTENT, Kind, join_path, parent_of
from swarm.index.paths import check_path
from swarm.index.version import context_covers, context_of
from swarm.sync.events import Hash, Scan
from swarm.sync.found import FIRST_BACKOFF, Candidate, Found, is_text, only_inode_changed, same_content, says, unchanged
from swarm.sync.ignore import IgnoreRules
from swarm.sync.ledger import Value
from swarm.sync.missing import Missing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from swarm.sync.changes import Changes
    from swarm.sync.dirty import Dirty
    from swarm.sync.events import Effect, Hashed, HashFailed, ScanFailed, Scanned
    from swarm.sync.files import Stat
    from swarm.sync.ledger import Ledger
    from swarm.sync.store import Local, Store

QUIET = 0.05  # seconds without an event before a file that nobody closed is read
LONGEST_WAIT = 2.0  # seconds without quiet before a file that never rests is read between two writes
DELETION_WAIT = 2.0  # seconds: editors that delete and create again take less
RENAME_WAIT = 0.3  # seconds: the directory itself was seen at its new name
CONFIRM_WAIT = 1.0  # seconds until a deletion that could not be looked at is looked at again
LAST_BACKOFF = 10.0
UNREAD_AGAIN = 30.0  # seconds until what the system would not let us read is looked at again
RACY_NS = 10_000_000  # a write this soon after the last one may carry the same mtime: two ticks of a slow kernel clock
FEW = 64  # files of the first walk that are still to be read
RACY_AGAIN = 0.1  # seconds until such a file is read a second time


class Observer:
    """One folder's eyes. Effects go to `out`, paths whose local state changed to `touched`."""

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        *,
        holding: bool,
        may_write: bool,
        changes: Changes,
        device_rules: str,
        busy: Callable[[], Collection[str]],
        out: Callable[[Effect], None],
        touched: Callable[[str], None],
    ) -> None:
        self.store = store
        self.ledger = ledger
        self.holding = holding
        self.may_write = may_write
        self.changes = changes
        self.cannot: dict[str, str] = {}  # what is here and cannot be synced, and why
        self.first_walk_done = False
        self._busy = busy
        self._out = out
        self._touched = touched
        self._device_rules = device_rules
        self._rules_by_directory: dict[str, str] = {}
        self.rules = IgnoreRules(True, {}, device_rules)
        self._walking: dict[str, bool] = {}  # directories being listed; True: and all below
        self._again: dict[str, bool] = {}  # directories that changed while being listed
        self._closed: set[str] = set()
        self._candidates: dict[str, Candidate] = {}
        self._due: list[tuple[float, str]] = []  # heap over candidates
        self._hashing: dict[str, Candidate] = {}
        self.missing = Missing(store)
        self._held: dict[str, Found] = {}
        self._unread: dict[str, tuple[float, bool]] = {}  # directories: when to list them again, and all below?
        self._first: set[str] | None = None  # what the first walk found and nobody has read yet

    # -- what the engine asks

    @property
    def settled(self) -> bool:
        """Nothing on the disk waits to be looked at."""
        return not (self._walking or self._candidates or self._hashing or self.missing)

    @property
    def held(self) -> int:
        """How many names are held until a member was heard."""
        return len(self._held)

    def next_due(self) -> float | None:
        times = [when for when, _ in self._unread.values()]
        times += [due for due in (self._next_candidate(), self.missing.next_due()) if due is not None]
        return min(times, default=None)

    def _next_candidate(self) -> float | None:
        while self._due:
            when, path = self._due[0]
            candidate = self._candidates.get(path)
            if candidate is not None and candidate.due == when:
                return when
            heappop(self._due)
        return None

    # -- events

    def start(self) -> None:
        """The first walk over the whole folder."""
        self._scan("", recursive=True)

    def rescan(self) -> None:
        self._scan("", recursive=True)

    def look_at(self, directory: str) -> None:
        """Something of ours was not as expected in that directory."""
        self._scan(directory, recursive=False)

    def dirty(self, event: Dirty) -> None:
        if event.overflow:
            self._scan("", recursive=True)
        self._closed |= event.closed
        for directory in sorted(event.directories):
            self._scan(directory, recursive=False)

    def scanned(self, event: Scanned, now: float, wall: int) -> None:
        directory = event.directory
        recursive = self._walking.pop(directory, False)
        self.cannot.pop(directory, None)
        if directory in self._again:
            self._scan(directory, self._again.pop(directory))
        if directory and self.rules.ignores(directory, True):
            return
        if directory and not self._is_directory(directory):
            self._scan(parent_of(directory), recursive=False)  # its own parent tells what it is
            return
        self._read_rules(directory, event.rules)
        above = f"{directory}/" if directory else ""
        for path in [path for path in self.cannot if path and path.startswith(above)]:
            name, _, below = path.removeprefix(above).partition("/")
            stat = event.entries.get(name)
            if stat is None or (below and stat.kind is not Kind.DIRECTORY):
                del self.cannot[path]  # what could not be read is no more
        known = self.store.locals_in(directory)
        for name, local in known.items():
            if name not in event.entries:
                self._lacks(join_path(directory, name), local, now, wall)
        for name, stat in event.entries.items():
            self._present(join_path(directory, name), stat, known.get(name), recursive, now, wall)
        self._finish_walk()

    def scan_failed(self, event: ScanFailed, now: float) -> None:
        directory = event.directory
        self._walking.pop(directory, None)
        self._again.pop(directory, None)
        if event.gone:
            if directory:
                self._scan(parent_of(directory), recursive=False)
        else:
            self.cannot[directory] = event.why
            self._unread[directory] = (now + UNREAD_AGAIN, True)
        self.missing.unconfirmed(directory, now + CONFIRM_WAIT)
        self._finish_walk()

    def hashed(self, event: Hashed, now: float, wall: int) -> None:
        self._hashing.pop(event.path, None)
        self.cannot.pop(event.path, None)
        if event.target and not is_text(event.target):
            self.cannot[event.path] = "a symbolic link to a name that is not UTF-8"
            self._finish_walk(event.path)
            return
        for identifier, raw in event.nodes:
            self.store.put_manifest_node(identifier, raw)
        if event.stat.kind is Kind.FILE:
            self.store.put_chunks(event.path, event.chunks)
        kind = Kind.FILE if event.stat.kind is Kind.FILE else Kind.SYMLINK
        self._observe(event.path, Found(event.stat, kind, event.content, event.target), now, wall)
        # A time in the future is no fresh write: read again and again, such a file would never settle.
        if abs(wall * 1_000_000 - event.stat.mtime_ns) < RACY_NS and kind is Kind.FILE:
            self._consider(event.path, event.stat, now + RACY_AGAIN, FIRST_BACKOFF)
        self._finish_walk(event.path)

    def hash_failed(self, event: HashFailed, now: float) -> None:
        candidate = self._hashing.pop(event.path, None)
        if event.gone:
            self._scan(parent_of(event.path), recursive=False)
        elif event.unsettled:
            # Its stat has changed, so the directory is read again; the pause grows with each vain attempt.
            backoff = min((candidate.backoff if candidate else FIRST_BACKOFF) * 2, LAST_BACKOFF)
            if event.stat is not None and event.stat.kind not in (Kind.FILE, Kind.SYMLINK):
                self._scan(parent_of(event.path), recursive=False)  # there is nothing to read there any more
            elif candidate is not None and event.path not in self._candidates:
                self._consider(event.path, event.stat or candidate.stat, now + backoff, backoff)
        else:
            self.cannot[event.path] = event.why
            self._unread.setdefault(parent_of(event.path), (now + UNREAD_AGAIN, False))
        self._finish_walk(event.path)

    def tick(self, now: float) -> None:
        """Sends off what is due."""
        for directory, (when, recursive) in list(self._unread.items()):
            if when <= now:
                del self._unread[directory]
                self._scan(directory, recursive)
        while (due := self._next_candidate()) is not None and due <= now:
            path = heappop(self._due)[1]
            candidate = self._candidates[path]
            if path in self._hashing:
                self._consider(path, candidate.stat, now + candidate.backoff, candidate.backoff)
                continue
            del self._candidates[path]
            self._hashing[path] = candidate
            self._out(Hash(path, candidate.stat))
        for path in self.missing.take_due(now):
            if self.store.local(path) is None:
                self.missing.forget(path)  # went with its directory
                self._touched(path)
            elif path in self._busy():
                self.missing.wait(path, now + CONFIRM_WAIT)
            else:
                self.missing.confirm(path)
                self._scan(parent_of(path), recursive=False)

    def release(self, now: float, wall: int) -> None:
        """A member was heard to the end: what was held becomes adoptions and records."""
        self.holding = False
        held, self._held = self._held, {}
        for path in sorted(held, key=str.encode):
            self._observe(path, held[path], now, wall)

    # -- the walk

    def _scan(self, directory: str, recursive: bool) -> None:
        if directory in self._walking:
            self._again[directory] = self._again.get(directory, False) or recursive
        else:
            self._walking[directory] = recursive
            self._out(Scan(directory))

    def _finish_walk(self, read: str = "") -> None:
        """The first walk is done when all that it found was read once; a file that never rests does not hold it up.

        `read`: a path that was read just now, or could not be.
        """
        if self.first_walk_done or self._walking:
            return
        if self._first is None:
            self._first = {*self._candidates, *self._hashing}
        self._first.discard(read)
        idle = not self._candidates and not self._hashing
        if idle or len(self._first) <= FEW:  # some may have vanished unread; to look for them each time costs n²
            self._first = {path for path in self._first if path in self._candidates or path in self._hashing}
        self.first_walk_done = not self._first

    def _read_rules(self, directory: str, rules: str | None) -> None:
        if self._rules_by_directory.get(directory) == rules:
            return
        if rules is None:
            del self._rules_by_directory[directory]
        else:
            self._rules_by_directory[directory] = rules
        self.rules = IgnoreRules(True, self._rules_by_directory, self._device_rules)
        self._scan(directory, recursive=True)

    def _is_directory(self, path: str) -> bool:
        held = self._held.get(path)
        local = self.store.local(path)
        return (local is not None and local.kind is Kind.DIRECTORY) or (
            held is not None and held.kind is Kind.DIRECTORY
        )

    def _present(self, path: str, stat: Stat, local: Local | None, recursive: bool, now: float, wall: int) -> None:
        if self.missing.forget(path, local):
            self._touched(path)  # whoever waits to know
        closed = path in self._closed
        self._closed.discard(path)
        if local is None and not self._may_sync(path, stat):
            return
        if self.rules.ignores(path, stat.kind is Kind.DIRECTORY):
            return
        if path in self._busy():
            return  # our own operation; its result says what is there
        held = self._held.get(path)
        if stat.kind is Kind.DIRECTORY:
            if path not in self._unread:
                self.cannot.pop(path, None)  # it was a file that could not be read
            new = (local is None or local.kind is not Kind.DIRECTORY) and held is None
            # Another inode: made anew under its old name. Known, or its removal would never find what it expects.
            if new or (local is not None and (local.mode != stat.mode or local.inode != stat.inode)):
                self._observe(path, Found(stat, Kind.DIRECTORY, NO_CONTENT, ""), now, wall)
            if new or recursive or (local is not None and local.inode != stat.inode):
                self._scan(path, recursive=True)
            return
        if (local is not None and unchanged(local, stat)) or (held is not None and held.stat == stat):
            candidate = self._candidates.get(path)
            if candidate is not None and candidate.stat != stat:  # equal: to be read again, since it was so fresh
                del self._candidates[path]
            self.cannot.pop(path, None)
            return
        if local is None and self._was_moved(path, stat, now, wall):
            return
        if stat.kind is None:
            return
        old = wall * 1_000_000 - stat.mtime_ns > 2_000_000_000
        due = now if closed or old or stat.kind is Kind.SYMLINK else now + QUIET
        hashing = self._hashing.get(path)
        if hashing is not None and hashing.stat == stat:
            return
        self._consider(path, stat, due, hashing.backoff if hashing else FIRST_BACKOFF)

    def _may_sync(self, path: str, stat: Stat) -> bool:
        try:
            check_path(path)
        except BadPeer as error:
            self.cannot[path] = error.message
            return False
        if stat.kind is None:
            self.cannot[path] = "a socket, FIFO, device or mount point"
            return False
        return True

    def _consider(self, path: str, stat: Stat, due: float, backoff: float) -> None:
        """To be read at `due`; a file that changes again and again is read all the same after LONGEST_WAIT."""
        before = self._candidates.get(path)
        if before is not None and before.backoff == backoff:
            due = min(due, before.since + LONGEST_WAIT)
        since = before.since if before is not None else due
        self._candidates[path] = Candidate(stat, due, backoff, since)
        heappush(self._due, (due, path))

    # -- deletions and renames

    def _lacks(self, path: str, local: Local, now: float, wall: int) -> None:
        """A listing of its directory does not have it."""
        self._candidates.pop(path, None)
        self.cannot.pop(path, None)
        if self.missing.confirmed(path):
            self._delete(path, wall)
        elif path not in self.missing and not self.rules.ignores(path, local.kind is Kind.DIRECTORY):
            self.missing.add(path, local, now + DELETION_WAIT)

    def _was_moved(self, path: str, stat: Stat, now: float, wall: int) -> bool:
        """A file of a directory that was renamed: the very inode, untouched, so it need not be read again."""
        old = self.missing.was_at(stat.inode)
        local = self.store.local(old) if old is not None else None
        if old is None or local is None or self.holding or not unchanged(local, stat) or stat.kind is None:
            return False
        self.store.move_chunks(old, path)
        self._observe(path, Found(stat, stat.kind, local.content, local.target), now, wall, moved=old)
        return True

    def _renamed_from(self, found: Found) -> str:
        """The missing path whose content turned up, or ""."""
        if found.kind is not Kind.FILE or not self.missing:
            return ""
        return next((path for path in self.store.locals_with(found.content) if self.missing.above(path)), "")

    def _delete(self, path: str, wall: int) -> None:
        """The user deleted `path` and, of a directory, all that was below it."""
        self._delete_below(path, wall)
        self._delete_one(path, wall)
        self.missing.tidy()

    def _delete_below(self, path: str, wall: int) -> None:
        for below in sorted((below for below, _ in self.store.locals_below(path)), key=str.encode, reverse=True):
            self._delete_one(below, wall)

    def _delete_one(self, path: str, wall: int) -> None:
        local = self.store.local(path)  # as it is now: to delete a conflict copy writes the register that it is from
        if local is None:
            return
        self._touched(path)
        if not self.may_write:
            self.changes.deleted(path)
            return
        before: Local | None = local
        if local.copy_of:
            before = self.ledger.settle_copy(path, local, wall)
        self.store.put_local(path, None)
        self.store.drop_chunks(path)
        if before is not None and any(not record.tombstone for record in self.ledger.register(path)):
            self.ledger.write(path, Value(local.kind, tombstone=True), before, wall)

    # -- versions

    def _observe(self, path: str, found: Found, now: float, wall: int, moved: str = "") -> None:
        if self.holding:
            self._held[path] = found
            return
        local = self.store.local(path)
        if local is not None and only_inode_changed(local, found):
            self.store.put_local(path, replace(found.local(local.installed), copy_of=local.copy_of))
            self._touched(path)
            return
        adopted = self._adoptable(path, found, local)
        if adopted is not None:
            self.store.put_local(path, adopted)
        else:
            if local is not None and local.kind is Kind.DIRECTORY and found.kind is not Kind.DIRECTORY:
                self._delete_below(path, wall)  # where a file is, nothing can be below
            if self.may_write:
                if local is not None and local.copy_of:
                    local = self.ledger.settle_copy(path, local, wall)
                moved = moved or (self._renamed_from(found) if local is None else "")
                record = self.ledger.write(path, found.value(), local, wall, moved)
                self.store.put_local(path, found.local(context_of([record])))
            else:
                self.changes.edited(path, found.local(()))
            if moved:
                self.missing.forget(moved)
                self._delete(moved, wall)
            if found.kind is Kind.DIRECTORY:
                self.missing.hasten(found.stat.inode, now + RENAME_WAIT)
        self._touched(path)

    def _adoptable(self, path: str, found: Found, local: Local | None) -> Local | None:
        """The local state made of a live version that says what is on the disk already, where the disk said otherwise
        before. A conflict copy stays one: were it given a record, its loser would come back after both are deleted."""
        if local is not None and (local.copy_of or same_content(local, found)):
            return None
        if self._wrote_over(path, found, local):
            return None
        same = [record for record in self.ledger.register(path) if says(record, found)]
        if same and found.kind is not Kind.DIRECTORY:
            return found.local(context_of(same))
        entry = self.ledger.visible(path)
        if entry is None or entry.kind is not found.kind:
            return None
        copy_of = entry.record.path if entry.virtual and entry.record and says(entry.record, found) else ""
        if found.kind is not Kind.DIRECTORY and (not copy_of or local is not None):
            return None
        return replace(found.local(self.ledger.wanted_context(entry)), copy_of=copy_of)

    def _wrote_over(self, path: str, found: Found, local: Local | None) -> bool:
        """Whether the user put this in place of a version that is live: that must be said, or it would stay a conflict
        copy whose bytes nobody may have any more."""
        return local is not None and any(
            not record.tombstone and not says(record, found) and context_covers(local.installed, record.dot)
            for record in self.ledger.register(path)
        )
