"""The planner: compares the view with the local tree, path by path, and says what must happen on disk.

It decides and never acts. A path whose local state comes from the very records that the view shows needs nothing. All
else is one operation, held back until its turn: a parent directory first, a directory's children before its removal, a
file's content before its name. Whatever the outcome, the path is looked at again.
"""

from __future__ import annotations

from dataclasses import replace
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from swarm.ids import Kind, directories_above, join_path, parent_of
from swarm.sync.assembly import temp_of
from swarm.sync.need import Need, Running, local_of, says_the_same
from swarm.sync.obstacles import Obstacles
from swarm.sync.operation import (
    Confirm,
    InstallFile,
    InstallLink,
    MakeDirectory,
    MoveFile,
    Operation,
    Outcome,
    Remove,
    Result,
    SetMetadata,
)
from swarm.sync.repositories import Repositories
from swarm.sync.store import Local, told_mtime

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm.content.chunk import ChunkRef
    from swarm.index.record import Record
    from swarm.index.view import Entry
    from swarm.sync.changes import Changes
    from swarm.sync.fetcher import Fetcher
    from swarm.sync.files import Traits
    from swarm.sync.ignore import IgnoreRules
    from swarm.sync.ledger import Ledger
    from swarm.sync.store import Store

MAX_GROUP = 1024  # operations in one group: few enough to be told of progress, many enough to share one syncfs
NEXT_GROUP = 256  # so many that are ready go to the installer while it is at work: neither waits for the other
FIRST_RETRY = 0.5  # seconds; doubled each time in a row
LAST_RETRY = 60.0
IN_THE_WAY = "The directory that is here holds what is not synced. Move that away, and it goes on by itself."
DIRECTORY_MODE = 0o755  # of a directory that nobody has a record of


class Planner:
    """One folder's plan."""

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        fetcher: Fetcher,
        *,
        traits: Traits,
        rules: Callable[[], IgnoreRules],
        look_at: Callable[[str], None],
        removed: Callable[[str], None],
        missing: Callable[[str], str],
        covered: Callable[[str], bool],
        changes: Changes,
    ) -> None:
        self.store = store
        self.ledger = ledger
        self.changes = changes
        self.fetcher = fetcher
        self.obstacles = Obstacles(store, ledger, traits, missing, covered)
        self.troubles: dict[str, str] = {}  # what failed and is tried again, and why
        self.need_bytes = 0
        self._traits = traits
        self._rules = rules
        self._look_at = look_at
        self._removed = removed
        self._dirty: dict[str, None] = {}
        self._needs: dict[str, Need] = {}
        self._ready: dict[str, None] = {}
        self._removable: dict[str, None] = {}  # ready as well; taken when nothing else is
        self._repositories = Repositories()
        self._removals: set[str] = set()  # every path where nothing shall be
        self._running: dict[str, Running] = {}
        self._group = 0  # operations that the installer has not reported yet
        self._sources: dict[str, str] = {}  # of running moves: source -> path
        self._kept: set[str] = set()  # directories that hold what we do not sync
        self._failed: set[str] = set()  # tried in vain, and not looked at since
        self._unsettled: set[str] = set()  # as the view wants it, and not durable
        self._retry: list[tuple[float, str]] = []
        self._pauses: dict[str, float] = {}

    @property
    def need_files(self) -> int:
        return len(self._needs) + len(self._running) + len(self._failed)

    @property
    def cannot(self) -> dict[str, str]:
        """What this disk cannot hold, and why."""
        return self.obstacles.cannot

    @property
    def busy(self) -> dict[str, Running]:
        """Paths at which the installer is at work."""
        return self._running

    def needed_paths(self, limit: int) -> list[str]:
        return [path for path, _ in zip(self._needs, range(limit), strict=False)]

    # -- what changed

    def touch(self, path: str) -> None:
        """The view or the local tree may have changed at `path`."""
        self._dirty[path] = None

    def emptied(self, directory: str) -> None:
        """A listing has nothing in it: what nobody knew of, and it was kept for, has gone."""
        if directory in self._kept:
            self._kept.discard(directory)
            self.touch(directory)

    def content_ready(self, path: str) -> None:
        if path in self._needs:
            self._ready[path] = None

    def content_failed(self, path: str, why: str) -> None:
        if path in self._needs:
            self.troubles[path] = why
            self._pauses[path] = LAST_RETRY / 2

    # -- planning

    def next_due(self) -> float | None:
        return self._retry[0][0] if self._retry else None

    def plan(self, now: float) -> None:
        """Looks at every path that was touched."""
        while self._retry and self._retry[0][0] <= now:
            self.touch(heappop(self._retry)[1])
        while self._dirty:
            dirty, self._dirty = self._dirty, {}
            entries = {path: self.ledger.visible(path) for path in dirty if path and not self._is_busy(path)}
            # What shall not be there is looked at first and done last, so that a rename finds its source.
            for path, entry in sorted(entries.items(), key=lambda item: item[1] is not None):
                self._look(path, entry)
        for path, pause in list(self._pauses.items()):
            if path in self._needs and path in self.troubles and path not in self._ready:
                heappush(self._retry, (now + pause, path))
                del self._pauses[path]

    def take(self) -> tuple[Operation, ...]:
        """The next group for the installer: once it has reported the last one, or ahead, where many are ready."""
        if self._group > MAX_GROUP or (self._group and not self._has_many_ready()):
            return ()
        group: list[Operation] = []
        held: list[str] = []
        making = any(isinstance(running.operation, MakeDirectory) for running in self._running.values())
        while len(group) < MAX_GROUP and (path := self._next(held, making)) is not None:
            need = self._needs[path]
            operation = self._operation(path, need)
            if operation is None:
                continue
            self._drop(path)
            self._running[path] = Running(operation, need)
            if isinstance(operation, MoveFile):
                self._sources[operation.source] = path
                self._drop(operation.source)
            group.append(operation)
            making |= isinstance(operation, MakeDirectory)
        for path in held:
            if (waiting := self._needs.get(path)) is not None:
                (self._removable if waiting.entry is None else self._ready)[path] = None
        self._group += len(group)
        return tuple(group)

    def _has_many_ready(self) -> bool:
        """Removals count only where nothing else is needed: a rename may yet want what they take away."""
        only_removals = len(self._needs) == len(self._removable)
        return len(self._removable if only_removals else self._ready) >= NEXT_GROUP

    def _next(self, held: list[str], making: bool) -> str | None:
        """A path that is ready. `held`: gets those that are ready but for what reads them. `making`: directories are,
        and what shall be in them may yet be moved there from where it is to go."""
        for ready in (self._ready,) if making else (self._ready, self._removable):
            while True:
                while ready:
                    path = next(iter(ready))
                    del ready[path]
                    need = self._needs.get(path)
                    if need is None or self._is_busy(path):
                        continue
                    if self.obstacles.is_unknown(path):
                        self.touch(path)  # it went missing in this very step
                    elif self.fetcher.reads(path):
                        held.append(path)
                    elif need.is_directory or not self._repositories.hold(path, need.entry is None):
                        return path  # a directory may be what objects wait for
                if (freed := self._repositories.free()) is None:
                    break
                ready[freed] = None
        return None

    def _is_busy(self, path: str) -> bool:
        return path in self._running or path in self._sources

    def _look(self, path: str, entry: Entry | None) -> None:
        self._drop(path)
        self._failed.discard(path)
        for waiter in self.obstacles.take_known(path):
            self.touch(waiter)
        local = self.store.local(path)
        need = self._need(path, entry, local)
        if need is None or (path in self.changes and self.ledger.is_below_file(path)):
            self.changes.drop(path)
        elif self.changes.stays(path, need.installed, going=need.entry is None):
            need = None
        if need is None:
            self._unsettled.discard(path)
            self.fetcher.forget(path)
            self.cannot.pop(path, None)
            self.troubles.pop(path, None)
            self._wake(path)
            return
        if self.obstacles.bars(path, need.entry):
            self.fetcher.forget(path)
            for below in self.obstacles.take_below(path) if path in self.cannot else ():
                self.touch(below)  # which cannot be here either; where a rival is about to go, it waits on
            return
        self._needs[path] = need
        self._repositories.needed(path, need.entry is None)
        self.need_bytes += need.bytes
        if need.entry is None:
            self._removals.add(path)
        self._make_ready(path, need, local)

    def _drop(self, path: str) -> None:
        need = self._needs.pop(path, None)
        if need is not None:
            self.need_bytes -= need.bytes
            self._repositories.needed(path, need.entry is None, -1)
        self._removals.discard(path)
        self._ready.pop(path, None)
        self._removable.pop(path, None)

    def _need(self, path: str, entry: Entry | None, local: Local | None) -> Need | None:
        if entry is None:
            if local is not None and local.kind is Kind.DIRECTORY and self._holds_only_kept(path):
                self._kept.add(path)
            if local is None or path in self._kept or self._rules().ignores(path, local.kind is Kind.DIRECTORY):
                return None
            return Need(None, ())
        self._kept.discard(path)
        record = entry.record
        kind = Kind.DIRECTORY if record is None else record.kind
        if self._rules().ignores(path, kind is Kind.DIRECTORY):
            return None
        installed = self.ledger.wanted_context(entry)
        if local is not None and local.kind is kind:
            if record is None:
                return None
            if says_the_same(record, local):
                copy_of = record.path if entry.virtual else ""
                same = local.installed == installed and local.copy_of == copy_of
                if same and not self._metadata_differs(record, local) and path not in self._unsettled:
                    return None
                return Need(entry, installed)  # of another version with the same bytes too: are they still there?
        return Need(entry, installed, record.size if record is not None and kind is Kind.FILE else 0)

    def _holds_only_kept(self, directory: str) -> bool:
        """Whether all that is left in it are directories that stay: then it stays as well."""
        names = self.store.locals_in(directory)
        return bool(names) and all(join_path(directory, name) in self._kept for name in names)

    def _metadata_differs(self, record: Record, local: Local) -> bool:
        if record.kind is Kind.SYMLINK:
            return False
        if self._traits.modes and record.mode != local.mode:
            return True
        grain = self._traits.mtime_granularity_ns
        return record.kind is Kind.FILE and record.mtime_ns // grain != told_mtime(local.mtime_ns) // grain

    def _make_ready(self, path: str, need: Need, local: Local | None) -> None:
        """Ready, or waiting for a parent, for children, for content, or to know what the user did."""
        if self.obstacles.waits_to_know(path):
            return
        if need.entry is None or (local is not None and local.kind is Kind.DIRECTORY and not need.is_directory):
            if local is None or local.kind is not Kind.DIRECTORY or not self._has_children(path):
                (self._removable if need.entry is None else self._ready)[path] = None
            elif need.entry is not None:
                for below in self.changes.drop_from(path):
                    self.touch(below)
            return  # the last child's removal looks at its parent again
        parent = parent_of(path)
        if parent and not self.obstacles.is_directory_here(parent):
            self.obstacles.wait(parent, path)
            self.changes.drop(parent)
            if parent not in self._needs and parent not in self._running and parent not in self.cannot:
                self.touch(parent)
            return
        record = need.entry.record
        if record is not None and record.kind is Kind.FILE and not (local and says_the_same(record, local)):
            if local is None and self._move_source(record):
                self._ready[path] = None
            else:
                self.fetcher.want(path, record.content, record.size)
            return
        self._ready[path] = None

    def _has_children(self, path: str) -> bool:
        return next(iter(self.store.locals_below(path)), None) is not None

    def _wake(self, path: str) -> None:
        """The local state of `path` is settled: whoever waits for it is looked at again."""
        for child in self.obstacles.take_waiting(path):
            self.touch(child)
        parent = parent_of(path)
        if parent in self._needs:
            self.touch(parent)

    def _operation(self, path: str, need: Need) -> Operation | None:
        """What to do now; None when the moment has passed (the path is looked at again)."""
        local = self.store.local(path)
        entry = need.entry
        if entry is None:
            return Remove(path, local) if local is not None else None
        if local is not None and local.kind is Kind.DIRECTORY and not need.is_directory:
            return Remove(path, local)
        record = entry.record
        if record is None or record.kind is Kind.DIRECTORY:
            mode = record.mode if record is not None else DIRECTORY_MODE
            if local is None:
                return MakeDirectory(path, mode)
            if local.kind is not Kind.DIRECTORY:
                return Remove(path, local)
            if local.mode != mode:
                return SetMetadata(path, local, mode, local.mtime_ns)
            return Confirm(path, local, path in self._unsettled)
        if local is not None and says_the_same(record, local):
            if self._metadata_differs(record, local):
                return SetMetadata(path, local, record.mode, record.mtime_ns)
            return Confirm(path, local, path in self._unsettled)
        if record.kind is Kind.SYMLINK:
            return InstallLink(path, local, record.target, record.mtime_ns)
        source = self._move_source(record) if local is None else None
        if source is not None:
            moving = self.store.local(source)
            assert moving is not None
            self.fetcher.forget(path)
            return MoveFile(source, moving, path, record.content, record.mode, record.mtime_ns)
        if not self.fetcher.is_ready(path):
            self.fetcher.want(path, record.content, record.size)
            if not self.fetcher.is_ready(path):
                return None
        temp = temp_of(record.content) if record.size else ""
        return InstallFile(path, local, record.content, record.size, record.mode, record.mtime_ns, temp)

    def _move_source(self, record: Record) -> str | None:
        """A file of ours with that content, which the view no longer has where it is."""
        if not record.size or not self._removals:
            return None
        for path in self.store.locals_with(record.content):
            if path not in self._removals or self.obstacles.is_unknown(path):
                continue
            local = self.store.local(path)
            if local is not None and not local.copy_of:
                return path
        return None

    # -- results

    def done(self, results: tuple[Result, ...], now: float) -> None:
        """Brings the local tree in step with what the installer did."""
        for result in results:
            operation = result.operation
            running = self._running.pop(operation.path, None)
            if running is None:
                continue
            self._group -= 1
            if isinstance(operation, MoveFile):
                self._sources.pop(operation.source, None)
            if result.outcome is Outcome.DONE:
                self._pauses.pop(operation.path, None)
                self.troubles.pop(operation.path, None)
                self._unsettled.discard(operation.path)
                self._record_done(result, running.need)
            elif result.outcome is Outcome.KEPT and running.need.entry is None:
                self._kept.add(operation.path)
            elif result.outcome is Outcome.KEPT:  # something else shall be there: not again at once, nor without a word
                self._look_at(operation.path)
                self._record_failed(Result(operation, Outcome.FAILED, why=IN_THE_WAY), now)
                continue
            else:
                if result.stat is not None:  # a user may act on it already
                    self._record_done(result, running.need)
                    self._unsettled.add(operation.path)
                self._record_failed(result, now)
                continue
            self.touch(operation.path)
            if isinstance(operation, MoveFile):
                self.touch(operation.source)

    def _record_done(self, result: Result, need: Need) -> None:
        operation, stat = result.operation, result.stat
        path = operation.path
        if isinstance(operation, Remove):
            self._store_history(path, result.history)
            self.store.put_local(path, None)
            self._removed(path)
            self._wake(path)
            if (parent := parent_of(path)) in self._kept:
                self._kept.discard(parent)  # it held something that nobody knew of, and that may be what has gone
                self.touch(parent)
            return
        assert stat is not None
        entry = need.entry
        copy_of = entry.record.path if entry is not None and entry.virtual and entry.record is not None else ""
        match operation:
            case Confirm(expected=expected):
                local = replace(expected, installed=need.installed, copy_of=copy_of)
            case MakeDirectory():
                local = local_of(Kind.DIRECTORY, stat, need.installed, copy_of)
            case InstallLink(target=target):
                self._store_history(path, result.history)
                local = replace(local_of(Kind.SYMLINK, stat, need.installed, copy_of), target=target)
            case SetMetadata(expected=expected):
                local = replace(
                    local_of(expected.kind, stat, need.installed, copy_of),
                    content=expected.content,
                    target=expected.target,
                )
            case InstallFile(content=content):
                self._store_history(path, result.history)
                self.store.put_chunks(path, self._chunks_of(path))
                local = replace(local_of(Kind.FILE, stat, need.installed, copy_of), content=content)
            case MoveFile(source=source, content=content):
                self.store.move_chunks(source, path)
                self.store.put_local(source, None)
                self._removed(source)
                local = replace(local_of(Kind.FILE, stat, need.installed, copy_of), content=content)
        self.store.put_local(path, local)

    def _chunks_of(self, path: str) -> tuple[ChunkRef, ...]:
        return self.fetcher.installed(path)

    def _store_history(self, path: str, history: str) -> None:
        if history:
            self.store.move_chunks(path, history)
        else:
            self.store.drop_chunks(path)

    def _record_failed(self, result: Result, now: float) -> None:
        path = result.operation.path
        if result.outcome is Outcome.FAILED:
            if result.permanent:
                self.cannot[path] = result.why
                self.fetcher.forget(path)
                return
            self.troubles[path] = result.why
            self._unsettled.add(path)  # should it be there all the same, nobody knows whether it lasts
            for directory in directories_above(path) if result.covered else ():
                self._look_at(directory)  # one of these listings tells by what
        else:
            self._look_at(parent_of(path))
            if isinstance(result.operation, MoveFile):
                self._look_at(parent_of(result.operation.source))
        if isinstance(result.operation, InstallFile) and result.stat is None:
            if result.spare:
                self.store.put_chunks(result.spare, self.fetcher.chunks_of(path))
            self.fetcher.temp_lost(path)
        self._failed.add(path)
        pause = min(self._pauses.get(path, FIRST_RETRY / 2) * 2, LAST_RETRY)
        self._pauses[path] = pause
        heappush(self._retry, (now + pause, path))
        if isinstance(result.operation, MoveFile):
            heappush(self._retry, (now + pause, result.operation.source))
