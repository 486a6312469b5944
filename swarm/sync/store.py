"""The Store port: what a folder remembers. One SQLite file a folder, or its twin in memory.

Used by one thread, the folder's. Every change since the last `commit` is one transaction: after a crash all of it is
there or none. Nothing is told to anybody before it is committed.

The real one is `swarm.disk.database.SqliteStore`; the twin is `swarm.sync.memory_store.MemoryStore`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from swarm.ids import ChunkId, ContentId, Kind, Origin, PathKey
    from swarm.index.record import Context, Record
    from swarm.index.trie import TrieStore


MAX_MTIME_NS = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Local:
    """What we know to be at one path of our own disk, and which records that state contains."""

    kind: Kind
    size: int  # bytes
    mode: int  # permission bits, & 0o777
    mtime_ns: int
    ctime_ns: int
    inode: int
    content: ContentId  # b"" for anything but a regular file
    target: str  # of a symlink, else ""
    installed: Context  # what an edit here will supersede: the dots that this state comes from
    copy_of: str = ""  # of a conflict copy that has no record of its own: the path of the register that it is from


def told_mtime(mtime_ns: int) -> int:
    """An mtime as a record can say it: those of before 1677 and after 2262 do not fit, and come as near as they can."""
    return max(-MAX_MTIME_NS, min(mtime_ns, MAX_MTIME_NS))


class ChunkPlace(NamedTuple):
    """Where a chunk's bytes are on our own disk (to be hashed again on use: files change)."""

    path: str  # relative to the folder's root; below .swarm/ for history and temps
    offset: int  # bytes
    length: int  # bytes


class Store(Protocol):
    """Everything that a folder remembers between two starts."""

    # -- transactions
    def commit(self) -> None: ...

    def rollback(self) -> None: ...

    # -- single values, by name
    def get(self, name: str) -> bytes | None: ...

    def put(self, name: str, value: bytes | None) -> None: ...

    # -- who the origins are, and how far we know each
    def introductions(self) -> dict[Origin, bytes]: ...

    def put_introduction(self, origin: Origin, raw: bytes) -> None: ...

    def clock(self) -> dict[Origin, int]: ...

    def set_clock(self, origin: Origin, seq: int) -> None: ...

    # -- registers
    def register(self, key: PathKey) -> tuple[Record, ...]:
        """The live (not superseded) records of a path, sorted by (origin, seq, hash); () where there is none."""
        ...

    def put_register(self, key: PathKey, records: Sequence[Record]) -> None:
        """Replaces the whole register. All records have this key and one and the same path."""
        ...

    def registers(self) -> Iterator[tuple[Record, ...]]:
        """Every register, in the order of the paths' UTF-8 bytes. The store is not changed meanwhile."""
        ...

    def records_after(self, origin: Origin, after: int, limit: int) -> list[Record]:
        """The first `limit` current records of `origin` with seq > `after`, by seq."""
        ...

    def signed_after(self, origin: Origin, after: int, limit: int) -> list[tuple[int, bytes]]:
        """The same, as they travel: seq and signed bytes."""
        ...

    def highest_seq(self, origin: Origin) -> int:
        """The highest seq of any current record of `origin`; 0 where there is none."""
        ...

    def live_below(self, path: str) -> bool:
        """Whether any register strictly below `path` has a record that is no tombstone."""
        ...

    def paths_below(self, path: str, limit: int) -> list[str]:
        """The first `limit` paths strictly below `path` whose register has a live record, by UTF-8 bytes."""
        ...

    # -- the Merkle tries over the registers
    @property
    def live_trie(self) -> TrieStore: ...

    @property
    def tombstone_trie(self) -> TrieStore: ...

    # -- the names that registers have tried for their conflict copies (see swarm.index.view)
    def claimant(self, name: str) -> str | None:
        """The path of the register that has `name` among its claims."""
        ...

    def set_claims(self, source: str, names: Sequence[str]) -> None:
        """Replaces the claims of one register."""
        ...

    # -- the local tree: what is on our disk
    def local(self, path: str) -> Local | None: ...

    def put_local(self, path: str, local: Local | None) -> None: ...

    def locals_in(self, directory: str) -> dict[str, Local]:
        """The direct children of a directory, by name."""
        ...

    def locals_below(self, path: str) -> Iterator[tuple[str, Local]]:
        """Everything strictly below a path ("" for all), in the order of the paths' UTF-8 bytes."""
        ...

    def locals_with(self, content: ContentId, limit: int = 16) -> list[str]:
        """Paths of our own files with this content."""
        ...

    # -- what the user of a device that may only read made of its paths (see swarm.sync.changes)
    def changes(self) -> dict[str, Context]:
        """Every changed path, and the records that the change is on top of."""
        ...

    def put_change(self, path: str, base: Context | None) -> None: ...

    # -- manifests, and where their chunks are
    def manifest_node(self, identifier: bytes) -> bytes | None: ...

    def put_manifest_node(self, identifier: bytes, raw: bytes) -> None: ...

    def put_chunks(self, path: str, chunks: Iterable[tuple[ChunkId, int, int]]) -> None:
        """The file at `path` (replacing what was known of it) consists of (chunk, offset, length)…"""
        ...

    def move_chunks(self, path: str, new: str) -> None:
        """The file at `path` is now at `new` (what was known of `new` is forgotten)."""
        ...

    def drop_chunks(self, path: str) -> None: ...

    def find_chunk(self, chunk: ChunkId, limit: int = 4) -> list[ChunkPlace]: ...

    def close(self) -> None: ...
