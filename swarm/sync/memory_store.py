"""The Store port in memory: what the simulator and the engine's tests run on.

Transactions are real: each change notes how to undo itself, and a rollback runs the notes backwards. The answers are
those of `swarm.disk.database.SqliteStore`; one suite checks both.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from copy import deepcopy
from functools import partial
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, TypeVar

from swarm.errors import Bug
from swarm.ids import PathKey, name_of, parent_of
from swarm.index.memory_trie import MemoryTrieStore
from swarm.sync.store import ChunkPlace, Local

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from swarm.ids import ChunkId, ContentId, Origin
    from swarm.index.record import Context, Record

    Undo = Callable[["MemoryStore"], None]
    Pieces = tuple[tuple[ChunkId, int, int], ...]  # chunk, offset, length

K = TypeVar("K")
V = TypeVar("V")
C = TypeVar("C", str, tuple[int, bytes, PathKey])

_in_order = attrgetter("origin", "seq", "hash")


class MemoryStore:
    """A Store that lasts as long as the object. `close` loses what was not committed, as a crash does, and no more.

    `before(operation)` is called ahead of every "commit" and "change", and of every "read" of a register, a manifest
    node or the local tree: it may raise Unavailable in its place, as a disk that is full or fails has SQLite do.
    """

    def __init__(self) -> None:
        self.before: Callable[[str], None] | None = None
        self._journal: list[Undo] = []
        self._values: dict[str, bytes] = {}
        self._introductions: dict[Origin, bytes] = {}
        self._clock: dict[Origin, int] = {}
        self._registers: dict[PathKey, tuple[Record, ...]] = {}
        self._claimants: dict[str, str] = {}  # source by name
        self._locals: dict[str, Local] = {}
        self._changes: dict[str, Context] = {}
        self._manifest: dict[bytes, bytes] = {}
        self._chunks: dict[str, Pieces] = {}
        self.live_trie = MemoryTrieStore()
        self.tombstone_trie = MemoryTrieStore()
        # What follows from the above, kept because asking is frequent. Lists are sorted; dicts serve as ordered sets.
        self._by_origin: dict[Origin, list[tuple[int, bytes, PathKey]]] = {}
        self._alive: list[str] = []  # paths with a live record
        self._claims: dict[str, dict[str, None]] = {}  # names by source
        self._local_paths: list[str] = []
        self._children: dict[str, dict[str, None]] = {}  # paths by directory
        self._with_content: dict[ContentId, dict[str, None]] = {}
        self._places: dict[ChunkId, dict[ChunkPlace, None]] = {}

    # -- transactions

    def _enter(self, operation: str) -> None:
        if self.before is not None:
            self.before(operation)

    def _note(self, undo: Undo) -> None:
        """Ahead of each change."""
        self._enter("change")
        self._journal.append(undo)

    def commit(self) -> None:
        self._enter("commit")
        self._journal.clear()
        self.live_trie.commit()
        self.tombstone_trie.commit()

    def rollback(self) -> None:
        for undo in reversed(self._journal):
            undo(self)
        self._journal.clear()
        self.live_trie.rollback()
        self.tombstone_trie.rollback()

    def close(self) -> None:
        self.rollback()

    def snapshot(self) -> MemoryStore:
        """A store of its own with the committed state: a backup, a cloned disk, or the one to roll back to."""
        twin = MemoryStore()
        twin._values = dict(self._values)
        twin._introductions = dict(self._introductions)
        twin._clock = dict(self._clock)
        twin._changes = dict(self._changes)
        twin._manifest = dict(self._manifest)
        for key, register in self._registers.items():
            twin._place_register(key, register)
        for name, source in self._claimants.items():
            twin._place_claim(name, source)
        for path, local in self._locals.items():
            twin._place_local(path, local)
        for path, pieces in self._chunks.items():
            twin._place_chunks(path, pieces)
        twin.live_trie = deepcopy(self.live_trie)
        twin.tombstone_trie = deepcopy(self.tombstone_trie)
        twin._journal = list(self._journal)
        twin.rollback()
        return twin

    # -- single values

    def get(self, name: str) -> bytes | None:
        return self._values.get(name)

    def put(self, name: str, value: bytes | None) -> None:
        old = self._values.get(name)
        self._note(lambda store: _set(store._values, name, old))
        _set(self._values, name, value)

    # -- origins

    def introductions(self) -> dict[Origin, bytes]:
        return dict(self._introductions)

    def put_introduction(self, origin: Origin, raw: bytes) -> None:
        old = self._introductions.get(origin)
        self._note(lambda store: _set(store._introductions, origin, old))
        self._introductions[origin] = raw

    def clock(self) -> dict[Origin, int]:
        return dict(self._clock)

    def set_clock(self, origin: Origin, seq: int) -> None:
        old = self._clock.get(origin)
        self._note(lambda store: _set(store._clock, origin, old))
        self._clock[origin] = seq

    # -- registers

    def register(self, key: PathKey) -> tuple[Record, ...]:
        self._enter("read")
        return self._registers.get(key, ())

    def put_register(self, key: PathKey, records: Sequence[Record]) -> None:
        for record in records:
            _check_text(record.path)
        old = self._registers.get(key, ())
        self._note(lambda store: store._place_register(key, old))
        self._place_register(key, tuple(sorted(records, key=_in_order)))

    def _place_register(self, key: PathKey, records: tuple[Record, ...]) -> None:
        old = self._registers.pop(key, ())
        for record in old:
            _remove(self._by_origin[record.origin], (record.seq, record.hash, key))
        if any(not record.tombstone for record in old):
            _remove(self._alive, old[0].path)
        for record in records:
            insort(self._by_origin.setdefault(record.origin, []), (record.seq, record.hash, key))
        if any(not record.tombstone for record in records):
            insort(self._alive, records[0].path)
        if records:
            self._registers[key] = records

    def registers(self) -> Iterator[tuple[Record, ...]]:
        # Python compares text by code points, which is the order of the UTF-8 bytes.
        yield from sorted(self._registers.values(), key=lambda register: register[0].path)

    def records_after(self, origin: Origin, after: int, limit: int) -> list[Record]:
        dots = self._by_origin.get(origin, [])
        first = bisect_left(dots, after + 1, key=lambda dot: dot[0])
        return [
            next(record for record in self._registers[key] if record.hash == digest)
            for _, digest, key in dots[first : first + limit]
        ]

    def signed_after(self, origin: Origin, after: int, limit: int) -> list[tuple[int, bytes]]:
        return [(record.seq, record.raw) for record in self.records_after(origin, after, limit)]

    def highest_seq(self, origin: Origin) -> int:
        dots = self._by_origin.get(origin)
        return dots[-1][0] if dots else 0

    def live_below(self, path: str) -> bool:
        return bool(self.paths_below(path, 1))

    def paths_below(self, path: str, limit: int) -> list[str]:
        first, last = _below(self._alive, path)
        return self._alive[first : min(last, first + limit)]

    # -- the names of conflict copies

    def claimant(self, name: str) -> str | None:
        return self._claimants.get(name)

    def set_claims(self, source: str, names: Sequence[str]) -> None:
        for name in tuple(self._claims.get(source, ())):
            self._change_claim(name, None)
        for name in names:
            _check_text(name)
            self._change_claim(name, source)

    def _change_claim(self, name: str, source: str | None) -> None:
        old = self._claimants.get(name)
        self._note(lambda store: store._place_claim(name, old))
        self._place_claim(name, source)

    def _place_claim(self, name: str, source: str | None) -> None:
        old = self._claimants.get(name)
        if old is not None:
            _drop(self._claims, old, name)
        if source is not None:
            self._claims.setdefault(source, {})[name] = None
        _set(self._claimants, name, source)

    # -- the local tree

    def local(self, path: str) -> Local | None:
        self._enter("read")
        _check_text(path)
        return self._locals.get(path)

    def put_local(self, path: str, local: Local | None) -> None:
        _check_text(path)
        old = self._locals.get(path)
        self._note(lambda store: store._place_local(path, old))
        self._place_local(path, local)

    def _place_local(self, path: str, local: Local | None) -> None:
        old = self._locals.get(path)
        if old is not None and old.content:
            _drop(self._with_content, old.content, path)
        if local is not None and local.content:
            self._with_content.setdefault(local.content, {})[path] = None
        if old is None and local is not None:
            insort(self._local_paths, path)
            self._children.setdefault(parent_of(path), {})[path] = None
        elif old is not None and local is None:
            _remove(self._local_paths, path)
            _drop(self._children, parent_of(path), path)
        _set(self._locals, path, local)

    def locals_in(self, directory: str) -> dict[str, Local]:
        _check_text(directory)
        return {name_of(path): self._locals[path] for path in sorted(self._children.get(directory, ()))}

    def locals_below(self, path: str) -> Iterator[tuple[str, Local]]:
        first, last = _below(self._local_paths, path)
        for found in self._local_paths[first:last]:
            yield found, self._locals[found]

    def locals_with(self, content: ContentId, limit: int = 16) -> list[str]:
        return sorted(self._with_content.get(content, ()))[:limit]

    # -- local changes

    def changes(self) -> dict[str, Context]:
        return dict(self._changes)

    def put_change(self, path: str, base: Context | None) -> None:
        _check_text(path)
        old = self._changes.get(path)
        self._note(lambda store: _set(store._changes, path, old))
        _set(self._changes, path, base)

    # -- manifests and chunks

    def manifest_node(self, identifier: bytes) -> bytes | None:
        self._enter("read")
        return self._manifest.get(identifier)

    def put_manifest_node(self, identifier: bytes, raw: bytes) -> None:
        old = self._manifest.get(identifier)
        self._note(lambda store: _set(store._manifest, identifier, old))
        self._manifest[identifier] = raw

    def put_chunks(self, path: str, chunks: Iterable[tuple[ChunkId, int, int]]) -> None:
        _check_text(path)
        self._change_chunks(path, tuple(chunks))

    def move_chunks(self, path: str, new: str) -> None:
        _check_text(new)
        if path != new:
            pieces = self._chunks.get(path, ())
            self._change_chunks(path, ())
            self._change_chunks(new, pieces)

    def drop_chunks(self, path: str) -> None:
        self._change_chunks(path, ())

    def find_chunk(self, chunk: ChunkId, limit: int = 4) -> list[ChunkPlace]:
        return list(islice(self._places.get(chunk, ()), limit))

    def _change_chunks(self, path: str, pieces: Pieces) -> None:
        self._note(partial(MemoryStore._place_chunks, path=path, pieces=self._chunks.get(path, ())))
        self._place_chunks(path, pieces)

    def _place_chunks(self, path: str, pieces: Pieces) -> None:
        for chunk, offset, length in self._chunks.pop(path, ()):
            _drop(self._places, chunk, ChunkPlace(path, offset, length))
        for chunk, offset, length in pieces:
            self._places.setdefault(chunk, {})[ChunkPlace(path, offset, length)] = None
        if pieces:
            self._chunks[path] = pieces


def _check_text(path: str) -> None:
    """What SQLite would refuse is refused here too, so that the simulator finds it."""
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise Bug(f"a name that is not UTF-8 was about to be looked up or stored: {path!r}") from error


def _below(paths: list[str], path: str) -> tuple[int, int]:
    """Where the paths strictly below `path` begin and end in a sorted list: "0" is the character after "/"."""
    if not path:
        return bisect_right(paths, ""), len(paths)
    return bisect_right(paths, f"{path}/"), bisect_left(paths, f"{path}0")


def _set(table: dict[K, V], key: K, value: V | None) -> None:
    if value is None:
        table.pop(key, None)
    else:
        table[key] = value


def _drop(groups: dict[K, dict[V, None]], group: K, member: V) -> None:
    del groups[group][member]
    if not groups[group]:
        del groups[group]


def _remove(ordered: list[C], item: C) -> None:
    del ordered[bisect_left(ordered, item)]
