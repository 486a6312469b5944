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
from typing import TYPE_CHECKING

from swarm.errors import BadPeer
from swarm.ids import NO_CONTENT, Kind, join_path, parent_of
from swarm.index.paths import check_path
from swarm.index.version import context_of
from swarm.sync.adoption import adopted
from swarm.sync.databases import LAST_PAUSE, LONGEST_REST, REST, Databases, database_of, files_of
from swarm.sync.events import Hash, ReadDatabase
from swarm.sync.found import FIRST_BACKOFF, Found, hides_writes, is_text, only_inode_changed, told_mode, unchanged
from swarm.sync.held import Held
from swarm.sync.ignore import IgnoreRules
from swarm.sync.ledger import Value
from swarm.sync.links import other_names
from swarm.sync.listings import Listings
from swarm.sync.missing import CONFIRM_WAIT, DELETION_WAIT, RENAME_WAIT, Missing
from swarm.sync.repositories import NAMES_LAST, names_objects
from swarm.sync.unread import Unread
from swarm.sync.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from swarm.sync.changes import Changes
    from swarm.sync.dirty import Dirty
    from swarm.sync.events import DatabaseRead, Effect, Hashed, HashFailed, ScanFailed, Scanned
    from swarm.sync.files import Stat, Traits
    from swarm.sync.intents import Intents
    from swarm.sync.ledger import Ledger
    from swarm.sync.store import Local, Store

QUIET = 0.05  # seconds without an event before a file that nobody closed is read
UNREAD_AGAIN = 30.0  # seconds until what the system would not let us read is looked at again
RACY_NS = 10_000_000  # a write this soon after the last one may carry the same mtime: two ticks of a slow kernel clock
RACY_AGAIN = 0.1  # seconds until such a file is read a second time


class Observer:
    """One folder's eyes. Effects go to `out`, paths whose local state changed to `touched`."""

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        intents: Intents,
        *,
        traits: Traits,
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
        self.intents = intents
        self.holding = holding
        self.may_write = may_write
        self.changes = changes
        self.cannot: dict[str, str] = {}  # what is here and cannot be synced, and why
        self._busy = busy
        self._out = out
        self._touched = touched
        self._traits = traits
        self._racy_ns = max(RACY_NS, 2 * traits.mtime_granularity_ns)
        self.rules = IgnoreRules(True, {}, device_rules)
        self._listings = Listings(out)
        self._scan = self._listings.scan
        self._files = Unread()
        self._databases = Databases()
        self.missing = Missing(store)
        self.covered: set[str] = set()  # directories of ours on which something else is mounted
        self._held = Held()
        self._unread: dict[str, tuple[float, bool]] = {}  # directories: when to list them again, and all below?
        self._first_walk = Walk()
        self._asked = Walk()  # for somebody who waits

    # -- what the engine asks

    @property
    def first_walk_done(self) -> bool:
        """All that was here when the engine began has been looked at."""
        return self._first_walk.done

    @property
    def settled(self) -> bool:
        """Nothing on the disk waits to be looked at, but for what is written to all the time."""
        return not (self._listings or self._files.pressing or self.missing)

    @property
    def held(self) -> int:
        """How many names are held until a member was heard."""
        return len(self._held)

    @property
    def put_off(self) -> str:
        """A file that is written to all the time, and waits for its next version; "" for none."""
        return self._files.put_off

    def hurry(self, now: float) -> None:
        """Somebody waits until all that was changed before now was looked at: until `caught_up`."""
        self._asked = Walk()
        self._files.hurry(now)

    def caught_up(self) -> bool:
        """Whether that is so by now."""
        self._finish_walk()
        if not self._asked.done or self.missing:
            return False
        self._files.urgent = False
        return True

    def next_due(self) -> float | None:
        times = [when for when, _ in self._unread.values()]
        times += [due for due in (self.missing.next_due(), self._files.next_due()) if due is not None]
        return min(times, default=None)

    # -- events

    def rescan(self) -> None:
        """Walks over the whole folder."""
        self._scan("", recursive=True)

    def look_at(self, directory: str) -> None:
        """Something of ours was not as expected in that directory."""
        self._scan(directory)

    def removed(self, path: str) -> None:
        """Nothing is at `path` any more: whoever reads it now reads what a disk that folds names takes for it."""
        self._files.drop(path)
        self.missing.forget(path)  # a listing that came before our result lacked it

    def dirty(self, event: Dirty) -> None:
        self._listings.dirty(event)

    def scanned(self, event: Scanned, now: float, wall: int) -> None:
        directory = event.directory
        recursive = self._listings.listed(directory)
        self.cannot.pop(directory, None)
        if directory and self.rules.ignores(directory, True):
            return
        if directory and (self.missing.above(directory) or not self._is_directory(directory)):
            self.missing.unconfirmed(directory, now + CONFIRM_WAIT)
            self._scan(parent_of(directory))  # its own parent tells what it is, and whether it is that one
            return
        recursive |= self._unread.pop(directory, (now, False))[1]  # who still cannot be read waits anew
        if (rules := self.rules.changed(directory, event.rules)) is not None:
            self.rules = rules
            self._scan(directory, recursive=True)
        above = f"{directory}/" if directory else ""
        for path in [path for path in self.cannot if path and path.startswith(above)]:
            name, _, below = path.removeprefix(above).partition("/")
            stat = event.entries.get(name)
            if stat is None or (below and stat.kind is not Kind.DIRECTORY):
                del self.cannot[path]  # what could not be read is no more
        self._held.listed(directory, event.entries)
        known = self.store.locals_in(directory)
        self._databases.listed(directory, {*event.entries, *known})
        for name, local in known.items():
            if name not in event.entries:
                self._lacks(join_path(directory, name), local, now, wall)
        for name, stat in event.entries.items():
            self._present(join_path(directory, name), stat, known.get(name), recursive, now, wall)
        self._finish_walk()

    def scan_failed(self, event: ScanFailed, now: float) -> None:
        directory = event.directory
        self._listings.failed(directory)
        if event.gone:
            if directory:
                self._scan(parent_of(directory))
        else:
            self.cannot[directory] = event.why
            self._unread[directory] = (now + UNREAD_AGAIN, True)
        self.missing.unconfirmed(directory, now + CONFIRM_WAIT)
        self._finish_walk()

    def hashed(self, event: Hashed, now: float, wall: int) -> None:
        if self._files.has_read(event.path):
            self._scan(parent_of(event.path))
            self._finish_walk(event.path)
            return
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
        if abs(wall * 1_000_000 - event.stat.mtime_ns) < self._racy_ns and kind is Kind.FILE:
            pause = max(RACY_AGAIN, self._traits.mtime_granularity_ns / 1e9)
            self._files.consider(event.path, event.stat, now + pause)
        self._finish_walk(event.path)

    def hash_failed(self, event: HashFailed, now: float) -> None:
        replaced = event.stat is not None and event.stat.kind not in (Kind.FILE, Kind.SYMLINK)
        if event.gone or (event.unsettled and replaced):
            self._files.reading.pop(event.path, None)
            self._scan(parent_of(event.path))  # there is nothing to read there any more
        elif event.unsettled:
            # Its stat has changed, so the directory is read again; the pause grows with each vain attempt.
            self._files.again(event.path, event.stat, now)
        else:
            self._files.reading.pop(event.path, None)
            self.cannot[event.path] = event.why
            self._unread.setdefault(parent_of(event.path), (now + UNREAD_AGAIN, False))
        self._finish_walk(event.path)

    def tick(self, now: float) -> None:
        """Sends off what is due."""
        for directory, (when, recursive) in list(self._unread.items()):
            if when <= now:
                del self._unread[directory]
                self._scan(directory, recursive)
        while (path := self._files.take(now)) is not None:
            self._read(path, now)
        for path in self.missing.take_due(now):
            if self.store.local(path) is None:
                self.missing.forget(path)  # went with its directory
                self._touched(path)
            elif path in self._busy():
                self.missing.wait(path, now + CONFIRM_WAIT)
            else:
                self.missing.confirm(path)
                self._scan(parent_of(path))

    def _read(self, path: str, now: float) -> None:
        """`path` is due; with it all that changed of the database that it belongs to."""
        stat = self._files.reading[path].stat
        if path not in self._databases:
            self._out(Hash(path, stat, self._files.is_restless(path, now)))
            return
        database = database_of(path)
        paths = [file for file in files_of(database) if not self.rules.ignores(file, False)]
        if database in self._databases.reading or any(file in self._busy() for file in paths):
            self._files.again(path, stat, now)
            return
        waiting = [file for file in paths if file == path or self._files.take_now(file)]
        others = ((file, self.store.local(file)) for file in paths if file not in waiting)
        self._databases.reading[database] = waiting
        known = tuple((file, local) for file, local in others if local is not None)
        self._out(ReadDatabase(database, tuple(paths), known))

    def database_read(self, event: DatabaseRead, now: float, wall: int) -> None:
        waiting = self._databases.reading.pop(event.database, [])
        if event.failure is not None:
            return self._database_failed(event.failure, waiting, now)
        for result in event.files:
            self.hashed(result, now, wall)
        for path in waiting:
            self._files.reading.pop(path, None)
            self._finish_walk(path)
        gone = [path for path in files_of(event.database)[1:] if path not in event.there]
        for path in gone if event.database in event.there else ():
            local = self.store.local(path)
            if local is not None and not self.rules.ignores(path, False):
                self.missing.forget(path, local)
                self._delete(path, wall)

    def _database_failed(self, failure: HashFailed, waiting: list[str], now: float) -> None:
        if failure.unsettled:
            for path in waiting:
                self._files.again(path, None, now, LAST_PAUSE)
                self._finish_first_walk(path)  # it may never rest; who waits for it goes on waiting
            return
        for path in waiting:  # one of them cannot be read, and without it the others are worth nothing
            self._files.reading.pop(path, None)
            self._unread.setdefault(parent_of(path), (now + UNREAD_AGAIN, False))
        self.hash_failed(failure, now)
        for path in waiting:
            self._finish_walk(path)

    def release(self, now: float, wall: int) -> None:
        """A member was heard to the end: what was held becomes adoptions and records."""
        self.holding = False
        for path, found in self._held.take():
            self._observe(path, found, now, wall)

    def _finish_walk(self, read: str = "") -> None:
        self._finish_first_walk(read)
        self._asked.look(bool(self._listings), self._files.waiting, self._files.reading, read)

    def _finish_first_walk(self, read: str = "") -> None:
        self._first_walk.look(bool(self._listings), self._files.waiting, self._files.reading, read)

    def _is_directory(self, path: str) -> bool:
        held = self._held.get(path)
        local = self.store.local(path)
        return any(known is not None and known.kind is Kind.DIRECTORY for known in (local, held))

    def _present(self, path: str, stat: Stat, local: Local | None, recursive: bool, now: float, wall: int) -> None:
        if back := self.missing.forget(path, local):
            self._touched(path)  # whoever waits to know
        if local is None and not self._may_sync(path, stat):
            return
        if (path in self.covered) != (local is not None and local.kind is Kind.DIRECTORY and stat.kind is None):
            self.covered ^= {path}
            self._touched(path)  # whoever is below it, or waits to be
        if self.rules.ignores(path, stat.kind is Kind.DIRECTORY):
            return
        written = path in self._listings.written
        if path in self._busy():  # our own operation; its result says what is there, but for what hides behind it
            if written:
                self._listings.keep_written(path)
                self._unread.setdefault(parent_of(path), (now + CONFIRM_WAIT, False))
            return
        held = self._held.get(path)
        if stat.kind is Kind.DIRECTORY:
            if path not in self._unread:
                self.cannot.pop(path, None)  # it was a file that could not be read
            new = not self._is_directory(path)
            # Another inode: made anew under its old name. Known, or its removal would never find what it expects.
            if new or (local is not None and (local.mode != stat.mode or local.inode != stat.inode)):
                self._observe(path, Found(stat, Kind.DIRECTORY, NO_CONTENT, ""), now, wall)
            if new or recursive or back or (local is not None and local.inode != stat.inode):
                self._listings.scan_below(path)
            return
        if (local is not None and unchanged(local, stat)) or (held is not None and held.stat == stat):
            candidate = self._files.waiting.get(path)
            if candidate is not None and candidate.stat != stat:  # equal: to be read again, since it was so fresh
                del self._files.waiting[path]
            self.cannot.pop(path, None)
            self.intents.looked(path)
            if written and hides_writes(stat, wall):
                self._files.consider(path, stat, now)
            return
        if local is None and self._was_moved(path, stat, now, wall):
            return
        if stat.kind is None:
            return
        hashing = self._files.reading.get(path)
        if hashing is not None and hashing.stat == stat:
            return
        old = wall * 1_000_000 - stat.mtime_ns > 2_000_000_000
        if path in self._databases:
            waiting = self._files.waiting.get(path)
            backoff = waiting.backoff if waiting is not None else FIRST_BACKOFF
            self._files.consider(path, stat, now if old else now + REST, backoff, LONGEST_REST)
            return
        due = now if path in self._listings.closed or old or stat.kind is Kind.SYMLINK else now + QUIET
        due = due + NAMES_LAST if names_objects(path) and not old else due
        self._files.consider(path, stat, due, hashing.backoff if hashing else FIRST_BACKOFF)

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

    # -- deletions and renames

    def _lacks(self, path: str, local: Local, now: float, wall: int) -> None:
        """A listing has not what the local tree has."""
        self._files.drop(path)
        self.cannot.pop(path, None)
        if self.missing.confirmed(path):
            self._delete(path, wall)
        elif path not in self.missing and not self.rules.ignores(path, local.kind is Kind.DIRECTORY):
            self.missing.add(path, local, now + DELETION_WAIT)

    def _was_moved(self, path: str, stat: Stat, now: float, wall: int) -> bool:
        """A file of a directory that was renamed: the very inode, untouched, so it need not be read again."""
        # Where times are coarse, another file may by now have the inode, the size and the times of one that has gone.
        old = self._inode_left(stat.inode) if self._traits.mtime_granularity_ns <= RACY_NS else ""
        local = self.store.local(old) if old else None
        if local is None or self.holding or not unchanged(local, stat) or stat.kind is None:
            return False
        self.store.move_chunks(old, path)
        self._observe(path, Found(stat, stat.kind, local.content, local.target), now, wall, moved=old)
        return True

    def _inode_left(self, inode: int, here: Local | None = None) -> str:
        """The missing path that had this inode, or ""; none where it is known `here`, and so is no rename any more."""
        made_up = not self._traits.modes  # FAT and its kin have neither; this one may have been given twice
        return "" if made_up or (here is not None and here.inode == inode) else self.missing.was_at(inode) or ""

    def _renamed_from(self, path: str, found: Found, local: Local | None) -> str:
        """The missing path whose content turned up, or ""; over what was known here, only of a copy that lost it."""
        if found.kind is not Kind.FILE or not self.missing:
            return ""
        sources = [source for source in self.store.locals_with(found.content) if self.missing.above(source)]
        lost = (source for source in sources if (copy := self.store.local(source)) and copy.copy_of == path)
        return next(iter(sources) if local is None else lost, "")

    def _delete(self, path: str, wall: int) -> None:
        """The user deleted `path` and, of a directory, all that was below it."""
        self._delete_below(path, wall)
        self._delete_one(path, wall)
        self.missing.tidy()

    def _delete_below(self, path: str, wall: int) -> None:
        for below in sorted((below for below, _ in self.store.locals_below(path)), key=str.encode, reverse=True):
            self._files.drop(below)
            self._delete_one(below, wall)

    def _delete_one(self, path: str, wall: int) -> None:
        local = self.store.local(path)  # as it is now: to delete a conflict copy writes the register that it is from
        if local is None:
            return
        self._touched(path)
        if not self.may_write:
            self.changes.deleted(path)
            return
        doubtful = self.intents.looked(path)
        before = self.ledger.settle_copy(path, local, wall) if local.copy_of and not doubtful else local
        self.store.put_local(path, None)
        self.store.drop_chunks(path)
        if before is not None and not doubtful and self.ledger.has_live(path, before.installed):
            self.ledger.write(path, Value(local.kind, tombstone=True), before, wall)

    # -- versions

    def _observe(self, path: str, found: Found, now: float, wall: int, moved: str = "") -> None:
        if self.holding:
            self._held.put(path, found)
            return
        local = self.store.local(path)
        if local is not None and local.kind is Kind.FILE and local.inode == found.stat.inode:
            for other in other_names(self.store, path, local):
                self._scan(parent_of(other))
        left = self._inode_left(found.stat.inode, local)
        if local is not None and only_inode_changed(local, found) and left in ("", path):
            self.store.put_local(path, replace(found.local(local.installed), copy_of=local.copy_of))
            self._touched(path)
            return
        if local is not None and local.kind is Kind.DIRECTORY and found.kind is not Kind.DIRECTORY:
            self._delete_below(path, wall)  # where a file is, nothing can be below
        intended, doubtful = self.intents.intended(path), self.intents.looked(path)
        before = None if doubtful else local
        renamed = self._renamed_from(path, found, local)
        if (taken := adopted(self.ledger, path, found, before, renamed, intended)) is not None:
            self.store.put_local(path, taken)
        else:
            if self.may_write:
                if local is not None and local.copy_of:
                    local = self.ledger.settle_copy(path, local, wall)
                moved = moved or renamed
                mode = told_mode(
                    found, self._traits.modes, None if self._traits.modes else self.ledger.visible_record(moved or path)
                )
                self._files.pace.told(path, now)
                base = None if doubtful else local  # a crash may have brought back what was there before
                record = self.ledger.write(path, found.value(mode), base, wall, moved)
                self.store.put_local(path, found.local(context_of([record])))
            else:
                self.changes.edited(path, found.local(()))
            if moved:
                self.removed(moved)
                self._delete(moved, wall)
            if found.kind is Kind.DIRECTORY:
                self.missing.hasten(found.stat.inode, now + RENAME_WAIT)
        self._touched(path)
