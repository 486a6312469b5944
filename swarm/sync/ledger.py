"""The ledger: the only hand that changes a folder's index, for records made here and records received.

It merges records into registers, keeps the tries, the virtual copies and the totals in step with them, and says which
paths of the view changed. It writes this device's own records, and keeps the promises that make the merge safe:

- A record's context covers what was installed at its path on this disk, never a record that was only received.
- Conflicts materialise before any write: a loser whose copy is on this disk gets a record of its own at its conflict
  name, in the same transaction, before the new record covers it.
- Nothing is stated again that no user wrote again: a deletion on its way would not cover the new statement.
- A later record of this device at a path covers every earlier one of its own there. A version vector cannot leave out
  a dot below another, so an own loser that is not on the disk yet is materialised as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from swarm.errors import Bug
from swarm.ids import NO_CONTENT, ContentId, Kind, Origin, PathKey, parent_of
from swarm.index import record_codec, trie, version, view
from swarm.index.paths import below_git
from swarm.keys.role import Role
from swarm.keys.seal import path_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from swarm.index.record import Context, Record
    from swarm.index.view import Entry, Resolution
    from swarm.keys.chain import FolderKeys
    from swarm.keys.device import DeviceKey
    from swarm.sync.store import Local, Store

MAX_ORPHANS = 1 << 31  # all: they are in memory once, and few, for members confirm what they have within seconds
HLC_AHEAD_MS = 5 * 60 * 1000  # a clock that far ahead of ours is not followed: one wrong device must not win for ever


@dataclass(frozen=True, slots=True)
class Value:
    """What is at a path, as one version states it."""

    kind: Kind
    content: ContentId = NO_CONTENT
    size: int = 0  # bytes
    mode: int = 0
    mtime_ns: int = 0
    target: str = ""
    tombstone: bool = False

    @classmethod
    def of(cls, record: Record) -> Value:
        return cls(
            record.kind,
            record.content,
            record.size,
            record.mode,
            record.mtime_ns,
            record.target,
            record.tombstone,
        )


@dataclass(slots=True)
class Totals:
    """Of the whole view."""

    files: int = 0  # regular files and symlinks, conflict copies included
    bytes: int = 0
    conflicts: int = 0  # conflict copies without a record of their own

    def count(self, entries: Iterable[Entry], sign: int) -> None:
        for entry in entries:
            if entry.record is not None and entry.record.kind is not Kind.DIRECTORY:
                self.files += sign
                self.bytes += sign * entry.record.size
            if entry.virtual:
                self.conflicts += sign


class _Registers:
    """The registers as they are."""

    def __init__(self, store: Store, key: bytes) -> None:
        self.store = store
        self.key = key

    def register(self, path: str) -> tuple[Record, ...]:
        return self.store.register(path_key(self.key, path))

    def live_below(self, path: str) -> bool:
        return self.store.live_below(path)


class _Before(_Registers):
    """The registers as they were before the one at `path` changed."""

    def __init__(self, store: Store, key: bytes, path: str, was: tuple[Record, ...]) -> None:
        super().__init__(store, key)
        self.path = path
        self.was = was
        self.turned: set[str] = set()  # directories below which something lives now and nothing did, or the reverse

    def register(self, path: str) -> tuple[Record, ...]:
        return self.was if path == self.path else super().register(path)

    def live_below(self, path: str) -> bool:
        return super().live_below(path) != (path in self.turned)


@dataclass(slots=True)
class Ledger:
    """One folder's index."""

    store: Store
    keys: FolderKeys
    device: DeviceKey
    device_name: str
    origin: Origin  # of this device in this life
    totals: Totals = field(default_factory=Totals)
    changed: set[str] = field(default_factory=set)  # paths of the view that changed and nobody has looked at yet
    written: bool = False  # records of our own were made since the last seal
    _path_key: bytes = b""
    _seq: int = 0
    _hlc: int = 0
    _dirty: dict[PathKey, tuple[Record, ...]] = field(default_factory=dict)
    _clock: dict[Origin, int] = field(default_factory=dict)
    _moved: set[Origin] = field(default_factory=set)  # whose part of the clock is not in the store yet
    _roots: tuple[bytes, bytes] = (b"", b"")

    def __post_init__(self) -> None:
        self._path_key = self.keys.path_key()
        self._clock = self.store.clock()
        self._seq = max(self._clock.get(self.origin, 0), self.store.highest_seq(self.origin))
        self._hlc = int.from_bytes(self.store.get("hlc") or b"", "big")
        self._roots = (trie.root(self.store.live_trie), trie.root(self.store.tombstone_trie))

    # -- what is known

    @property
    def clock(self) -> dict[Origin, int]:
        return self._clock

    @property
    def roots(self) -> tuple[bytes, bytes]:
        """Of the live and the tombstone trie, as of the last `seal`."""
        return self._roots

    @property
    def seq(self) -> int:
        """Of this device's last record in this life."""
        return self._seq

    def key_of(self, path: str) -> PathKey:
        return path_key(self._path_key, path)

    def register(self, path: str) -> tuple[Record, ...]:
        return self.store.register(self.key_of(path))

    def has_live(self, path: str, installed: Context) -> bool:
        """Whether a live version at `path` is among those: a deletion of what was superseded since would say nothing,
        and contradict what was never here."""
        return any(
            not record.tombstone and version.context_covers(installed, record.dot) for record in self.register(path)
        )

    def resolve(self, path: str) -> Resolution:
        """What is visible thanks to the register at `path`."""
        return view.resolve(path, _Registers(self.store, self._path_key))

    def visible(self, path: str) -> Entry | None:
        """What the view has at `path`."""
        for source in (path, self.store.claimant(path)):
            if source is not None:
                for entry in self.resolve(source).entries:
                    if entry.path == path:
                        return entry
        return None

    def visible_record(self, path: str) -> Record | None:
        """The record of what the view has at `path`."""
        return entry.record if (entry := self.visible(path)) else None

    def is_below_file(self, path: str) -> bool:
        """Whether the view has a file or symlink where `path` needs a directory."""
        while path := parent_of(path):
            entry = self.visible(path)
            if entry is not None and entry.record is not None and entry.record.kind is not Kind.DIRECTORY:
                return True
        return False

    def wanted_context(self, entry: Entry) -> Context:
        """What a device that has installed `entry` may supersede: its record, and the siblings that say the same."""
        if entry.record is None:
            return ()
        register = self.store.register(entry.record.key)
        return version.context_of([record for record in register if record.same_value(entry.record)])

    # -- records received

    def merge(self, record: Record) -> bool:
        """Takes in a verified record. False when it is known, or superseded by one that is."""
        was = self.store.register(record.key)
        register = version.merge(was, (record,))
        if register == was:
            return False
        self._put(record.path, record.key, was, register)
        return True

    def advance(self, origin: Origin, seq: int) -> None:
        """Every current record of `origin` up to `seq` has been taken in."""
        if seq > self._clock.get(origin, 0):
            self._clock[origin] = seq
            self._moved.add(origin)

    def seen(self, hlc: int, wall: int) -> None:
        """A record with this hybrid clock was received; ours stays ahead of it, within reason."""
        if hlc > self._hlc and hlc <= wall + HLC_AHEAD_MS:
            self._hlc = hlc

    # -- records made here

    def write(self, path: str, value: Value, local: Local | None, wall: int, moved: str = "") -> Record:
        """This device's user put `value` at `path`, on top of what was `local` there."""
        register = self.register(path)
        base = local if local is not None and not local.copy_of else None
        covered = [record for record in register if record.origin == self.origin]
        for entry in self.resolve(path).entries if register else ():
            if not entry.virtual or entry.record is None or not self._may_materialise(path, entry):
                continue
            if base is not None and version.context_covers(base.installed, entry.record.dot):
                continue  # the winner was not here yet: this loser is what the user worked on, and its bytes are gone
            covered += [record for record in register if record.same_value(entry.record)]
            self._materialise(entry, wall)
        if register:
            self._keep_own_winner(path, value, base, wall)
        context = version.context_of(covered, base.installed if base is not None else ())
        return self._author(path, value, context, wall, moved)

    def settle_copy(self, path: str, copy: Local, wall: int) -> Local | None:
        """The user changed a conflict copy that has no record of its own: gives it one first.

        The loser that it shows leaves its register by a tombstone that covers nothing else. (Rejected: to state the
        winner anew, with the loser covered. A deletion of the winner on its way to us would not cover the new
        statement, and the file would come back though no user wrote it.) Returns what then is local at `path`; None
        where the copy shows no loser any more, or one that cannot be told from another by a context: what the user made
        of it is a new file.
        """
        source = copy.copy_of
        entry = next((entry for entry in self.resolve(source).entries if entry.virtual and entry.path == path), None)
        if entry is None or entry.record is None or not self._may_materialise(source, entry):
            return None
        register = self.register(source)
        losers = [record for record in register if record.same_value(entry.record)]
        context = version.context_of(losers)
        if any(version.context_covers(context, record.dot) for record in register if record not in losers):
            return None
        self._materialise(entry, wall)
        self._author(source, Value(entry.kind, tombstone=True), context, wall, "")
        return self.store.local(path)

    def begin_life(self, origin: Origin, wall: int, doubles: Sequence[Record] = ()) -> None:
        """From now on under a new origin. Records of the old life that nobody may have seen are written anew.

        Those are the ones beyond what was confirmed; a seq of theirs may stand for another record elsewhere. From the
        first of `doubles` on it does, whatever was confirmed: records of this life that somebody else has signed. They
        stay as they are. So what is written anew covers none of those seqs: it was of other records.
        """
        old, self.origin = self.origin, origin
        confirmed = int.from_bytes(self.store.get("confirmed") or b"", "big")
        confirmed = min([confirmed, *(record.seq - 1 for record in doubles)])
        strange = {record.hash for record in doubles}
        self._seq = self._clock.get(origin, 0)
        for orphan in self.store.records_after(old, confirmed, limit=MAX_ORPHANS):
            if orphan.hash in strange:
                continue
            register = self.store.register(orphan.key)
            rest = tuple(record for record in register if record.hash != orphan.hash)
            self._put(orphan.path, orphan.key, register, rest)
            context = tuple(
                (o, min(seq, confirmed) if o == old else seq) for o, seq in orphan.context if o != old or confirmed
            )
            record = self._author(orphan.path, Value.of(orphan), context, wall, orphan.moved, hlc=orphan.hlc)
            local = self.store.local(orphan.path)
            if local is not None and orphan.dot in local.installed:
                self.store.put_local(orphan.path, replace(local, installed=version.context_of([record])))
        self._clock[old] = min(self._clock.get(old, 0), confirmed)
        self.store.set_clock(old, self._clock[old])
        self.store.put("confirmed", None)

    def confirm(self, seq: int) -> None:
        """A member has said that it knows our records up to there: they are ours beyond doubt."""
        if int.from_bytes(self.store.get("confirmed") or b"", "big") < seq <= self._seq:
            self.store.put("confirmed", seq.to_bytes(8, "big"))

    def _may_materialise(self, path: str, entry: Entry) -> bool:
        assert entry.record is not None
        if entry.record.origin == self.origin:
            return True
        copy = self.store.local(entry.path)
        return copy is not None and copy.copy_of == path and entry.record.dot in copy.installed

    def _keep_own_winner(self, path: str, value: Value, base: Local | None, wall: int) -> None:
        """A record of ours has the name, and what it says is not here: it was a loser until just now, when the user
        removed the directory that it gave way to, or a member deleted the winner. What is written now covers it, and
        did not replace it: so its value goes on at its conflict name, where the copy still is."""
        entry = next((entry for entry in self.resolve(path).entries if entry.path == path), None)
        winner = entry.record if entry is not None else None
        if winner is None or winner.origin != self.origin or below_git(path):
            return
        here = base is not None and version.context_covers(base.installed, winner.dot)
        same = (winner.kind, winner.content, winner.target) == (value.kind, value.content, value.target)
        if here or (same and not value.tombstone) or winner.kind is Kind.DIRECTORY:
            return
        copy = view.copy_of(path, winner, _Registers(self.store, self._path_key))
        if copy is not None:
            self._materialise(copy, wall)

    def _materialise(self, entry: Entry, wall: int) -> None:
        assert entry.record is not None
        record = self._author(entry.path, Value.of(entry.record), (), wall, "")
        copy = self.store.local(entry.path)
        if copy is not None and copy.copy_of:
            self.store.put_local(entry.path, replace(copy, installed=version.context_of([record]), copy_of=""))

    def _author(self, path: str, value: Value, context: Context, wall: int, moved: str, hlc: int = 0) -> Record:
        """`hlc`: not 0 where it says again what was said then, and is no newer than that."""
        if not self.keys.role.holds(Role.WRITE):
            raise Bug("a reader was about to make a record")
        # A liar's context may cover records that we have yet to write: ours never does, and so neither supersedes the
        # other, and both stay.
        context = tuple(
            (origin, seq) if origin != self.origin else (origin, min(seq, self._seq))
            for origin, seq in context
            if origin != self.origin or self._seq
        )
        self._seq += 1
        if not hlc:
            hlc = self._hlc = max(wall, self._hlc + 1)
        record = record_codec.author(
            record_codec.Draft(
                origin=self.origin,
                seq=self._seq,
                context=context,
                tombstone=value.tombstone,
                content=value.content,
                path=path,
                kind=value.kind,
                size=value.size,
                mode=value.mode,
                mtime_ns=value.mtime_ns,
                hlc=hlc,
                device_name=self.device_name,
                target=value.target,
                moved=moved,
            ),
            self.keys,
            self.device,
        )
        self.merge(record)
        self.advance(self.origin, self._seq)
        self.written = True
        return record

    # -- keeping all in step

    def _put(self, path: str, key: PathKey, was: tuple[Record, ...], register: tuple[Record, ...]) -> None:
        before, after = _Before(self.store, self._path_key, path, was), _Registers(self.store, self._path_key)
        lived, lives = _lives(was), _lives(register)
        if lives and not lived:
            before.turned.update(self._lifeless_above(path))
        self.store.put_register(key, register)
        self._dirty[key] = register
        if lived and not lives:
            before.turned.update(self._lifeless_above(path))
        for source in view.affected(path, self.store.claimant, before.turned.__contains__):
            old, new = view.resolve(source, before), view.resolve(source, after)
            if old.claims != new.claims:
                self.store.set_claims(source, new.claims)
            if old.entries != new.entries:
                self.totals.count(old.entries, -1)
                self.totals.count(new.entries, +1)
                self.changed.update(entry.path for entry in (*old.entries, *new.entries))
        self.changed.add(path)

    def _lifeless_above(self, path: str) -> Iterator[str]:
        """The directories above `path` below which nothing lives; what is above the first other one is none."""
        while (path := parent_of(path)) and not self.store.live_below(path):
            yield path

    def seal(self) -> None:
        """Brings tries and single values up to date; called once before each commit."""
        while self._moved:
            origin = self._moved.pop()
            self.store.set_clock(origin, self._clock[origin])
        if self._dirty:
            live: dict[PathKey, bytes | None] = {}
            dead: dict[PathKey, bytes | None] = {}
            for key, register in self._dirty.items():
                live[key], dead[key] = trie.register_leaves(register)
            self._roots = (
                trie.update(self.store.live_trie, live),
                trie.update(self.store.tombstone_trie, dead),
            )
            self._dirty.clear()
            self.store.put("hlc", self._hlc.to_bytes(8, "big"))

    def count_all(self) -> None:
        """Totals from scratch, and every path of the view as changed: once, at the start."""
        self.totals = Totals()
        registers = _Registers(self.store, self._path_key)
        for register in self.store.registers():
            entries = view.resolve(register[0].path, registers).entries
            self.totals.count(entries, +1)
            self.changed.update(entry.path for entry in entries)


def _lives(register: Iterable[Record]) -> bool:
    return any(not record.tombstone for record in register)
