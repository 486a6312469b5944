"""The Store port in one SQLite file: a folder's index, its local tree, its manifests and where the chunks are.

The file can always be rebuilt: lost or damaged, it is set aside, the folder is scanned again, and equal content is
adopted without a word. What cannot be rebuilt, the keys, is never in it. Tables: `swarm.disk.schema`.
"""

from __future__ import annotations

import os
import struct
from hashlib import blake2b
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from swarm.disk.machine import machine_id
from swarm.disk.sqlite_file import CACHE_BYTES, CorruptDatabase, SqliteFile
from swarm.disk.trie_table import TrieTable
from swarm.errors import BadPeer
from swarm.ids import NO_CONTENT, ContentId, Kind, Origin, name_of, parent_of
from swarm.index.record_codec import dump, restore
from swarm.sync.store import ChunkPlace, Local

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from swarm.ids import ChunkId, PathKey
    from swarm.index.record import Context, Record

__all__ = ["CorruptDatabase", "SqliteStore", "fingerprint", "set_aside"]

MAX_REGISTERS = 8192  # kept in memory: about 12 MB
MAX_LOCALS = 8192  # entries of the local tree kept in memory: about 8 MB
MAX_ALIVE = 8192  # directories of which is known whether something below them lives: about 2 MB
_ABOVE_ALL_TEXT = b""  # SQLite sorts every BLOB after every text
_LOCAL = "kind, size, mode, mtime_ns, ctime_ns, inode, content, target, installed, copy_of"
_ENTRY = struct.Struct(">16sQ")  # of a context: origin, seq
_SIGNED_64 = range(-(1 << 63), 1 << 63)

_in_order = attrgetter("origin", "seq", "hash")


class SqliteStore:
    """A Store, durable: what was committed survives a crash. Made and used in one thread.

    Raises CorruptDatabase when the file is damaged, Unavailable when the disk is full or failing (roll back, then try
    again), UserError when a newer Swarm wrote it.
    """

    def __init__(self, path: str, cache_bytes: int = CACHE_BYTES) -> None:
        self._file = SqliteFile(path, cache_bytes)
        self.live_trie = TrieTable(self._file, "live")
        self.tombstone_trie = TrieTable(self._file, "tombstone")
        # Read or written lately. A step looks at one path many times: asking SQLite each time was half of its work.
        self._registers: dict[PathKey, tuple[Record, ...]] = {}
        self._locals: dict[str, Local | None] = {}
        self._alive: dict[str, bool] = {}  # by directory: see live_below
        self._claimed: bool | None = None  # whether there is any claim; None: to be asked

    # -- transactions

    def commit(self) -> None:
        self.live_trie.write_out()
        self.tombstone_trie.write_out()
        self._file.commit()

    def rollback(self) -> None:
        self.live_trie.forget()
        self.tombstone_trie.forget()
        self._registers.clear()
        self._locals.clear()
        self._alive.clear()
        self._claimed = None
        self._file.rollback()

    def checkpoint(self) -> None:
        """Writes the log back into the file; for an idle moment. Does nothing inside a transaction."""
        self._file.checkpoint()

    def close(self) -> None:
        """What was not committed is gone."""
        self._file.close()

    # -- single values

    def get(self, name: str) -> bytes | None:
        row = self._file.one("SELECT value FROM value WHERE name = ?", (name,))
        return row[0] if row else None

    def put(self, name: str, value: bytes | None) -> None:
        if value is None:
            self._file.change("DELETE FROM value WHERE name = ?", (name,))
        else:
            self._file.change("INSERT OR REPLACE INTO value VALUES (?, ?)", (name, value))

    # -- origins

    def introductions(self) -> dict[Origin, bytes]:
        return {Origin(origin): raw for origin, raw in self._file.all("SELECT origin, raw FROM introduction")}

    def put_introduction(self, origin: Origin, raw: bytes) -> None:
        self._file.change("INSERT OR REPLACE INTO introduction VALUES (?, ?)", (origin, raw))

    def clock(self) -> dict[Origin, int]:
        return {Origin(origin): seq for origin, seq in self._file.all("SELECT origin, seq FROM clock")}

    def set_clock(self, origin: Origin, seq: int) -> None:
        self._file.change("INSERT OR REPLACE INTO clock VALUES (?, ?)", (origin, seq))

    # -- registers

    def register(self, key: PathKey) -> tuple[Record, ...]:
        known = self._registers.get(key)
        if known is None:
            known = _register(self._file.all("SELECT raw, body FROM record WHERE key = ?", (key,)))
            self._remember(key, known)
        return known

    def _remember(self, key: PathKey, register: tuple[Record, ...]) -> None:
        """A merge, the view and the plan look at one register several times within a moment."""
        if len(self._registers) >= MAX_REGISTERS:
            self._registers.clear()
        self._registers[key] = register

    def put_register(self, key: PathKey, records: Sequence[Record]) -> None:
        before = self.register(key)
        self._registers.pop(key, None)
        self._note_life(before, records)
        if before:
            self._file.change("DELETE FROM record WHERE key = ?", (key,))
        self._remember(key, tuple(sorted(records, key=_in_order)))
        for record in records:
            self._file.change(
                "INSERT INTO record(key, path, origin, seq, hash, tombstone, raw, body)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    key,
                    record.path,
                    record.origin,
                    record.seq,
                    record.hash,
                    record.tombstone,
                    record.raw,
                    dump(record),
                ),
            )

    def registers(self) -> Iterator[tuple[Record, ...]]:
        rows = self._file.rows("SELECT path, raw, body FROM record ORDER BY path")
        for _, group in groupby(rows, itemgetter(0)):
            yield _register((raw, body) for _, raw, body in group)

    def records_after(self, origin: Origin, after: int, limit: int) -> list[Record]:
        rows = self._file.all(
            "SELECT raw, body FROM record WHERE origin = ? AND seq > ? ORDER BY seq, hash LIMIT ?",
            (origin, after, limit),
        )
        return [_record(raw, body) for raw, body in rows]

    def signed_after(self, origin: Origin, after: int, limit: int) -> list[tuple[int, bytes]]:
        rows = self._file.all(
            "SELECT seq, raw, hash FROM record WHERE origin = ? AND seq > ? ORDER BY seq, hash LIMIT ?",
            (origin, after, limit),
        )
        if any(blake3(raw).digest() != digest for _, raw, digest in rows):
            raise CorruptDatabase("the database holds a damaged record")
        return [(seq, raw) for seq, raw, _ in rows]

    def highest_seq(self, origin: Origin) -> int:
        row = self._file.one("SELECT max(seq) FROM record WHERE origin = ?", (origin,))
        return row[0] or 0

    def live_below(self, path: str) -> bool:
        known = self._alive.get(path)
        if known is None:
            known = bool(self.paths_below(path, 1))
            if len(self._alive) >= MAX_ALIVE:
                self._alive.clear()
            self._alive[path] = known
        return known

    def _note_life(self, before: Sequence[Record], after: Sequence[Record]) -> None:
        """A register changes: what is known of the directories above it."""
        lives = any(not record.tombstone for record in after)
        if lives == any(not record.tombstone for record in before):
            return
        directory = (after or before)[0].path
        while directory:
            directory = parent_of(directory)
            if directory in self._alive:
                if lives:
                    self._alive[directory] = True
                else:
                    del self._alive[directory]  # something else in it may live

    def paths_below(self, path: str, limit: int) -> list[str]:
        rows = self._file.all(
            "SELECT DISTINCT path FROM record INDEXED BY record_alive"
            " WHERE NOT tombstone AND path > ? AND path < ? ORDER BY path LIMIT ?",
            (*_below(path), limit),
        )
        return [path for (path,) in rows]

    # -- the names of conflict copies

    def claimant(self, name: str) -> str | None:
        if self._claimed is None:
            self._claimed = self._file.one("SELECT 1 FROM claim LIMIT 1") is not None
        if not self._claimed:
            return None
        row = self._file.one("SELECT source FROM claim WHERE name = ?", (name,))
        return row[0] if row else None

    def set_claims(self, source: str, names: Sequence[str]) -> None:
        self._claimed = None
        self._file.change("DELETE FROM claim WHERE source = ?", (source,))
        self._file.change_many("INSERT OR REPLACE INTO claim VALUES (?, ?)", [(name, source) for name in names])

    # -- the local tree

    def local(self, path: str) -> Local | None:
        if path in self._locals:
            return self._locals[path]
        row = self._file.one(f"SELECT {_LOCAL} FROM local WHERE path = ?", (path,))
        return self._remember_local(path, _local(row) if row else None)

    def _remember_local(self, path: str, local: Local | None) -> Local | None:
        if len(self._locals) >= MAX_LOCALS:
            self._locals.clear()
        self._locals[path] = local
        return local

    def put_local(self, path: str, local: Local | None) -> None:
        self._locals.pop(path, None)
        if local is None:
            self._file.change("DELETE FROM local WHERE path = ?", (path,))
            self._remember_local(path, None)
            return
        self._file.change(
            "INSERT OR REPLACE INTO local VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                path,
                parent_of(path),
                local.kind,
                _storable(local.size),
                local.mode,
                _storable(local.mtime_ns),
                _storable(local.ctime_ns),
                _storable(local.inode),
                local.content,
                local.target,
                _packed(local.installed),
                local.copy_of,
            ),
        )
        self._remember_local(path, local)

    def locals_in(self, directory: str) -> dict[str, Local]:
        rows = self._file.all(f"SELECT path, {_LOCAL} FROM local WHERE parent = ?", (directory,))
        return {name_of(row[0]): _local(row[1:]) for row in rows}

    def locals_below(self, path: str) -> Iterator[tuple[str, Local]]:
        sql = f"SELECT path, {_LOCAL} FROM local WHERE path > ? AND path < ? ORDER BY path"
        for row in self._file.rows(sql, _below(path)):
            yield row[0], _local(row[1:])

    def locals_with(self, content: ContentId, limit: int = 16) -> list[str]:
        rows = self._file.all(
            "SELECT path FROM local INDEXED BY local_by_content"
            " WHERE content = ? AND content != x'' ORDER BY path LIMIT ?",
            (content, limit),
        )
        return [path for (path,) in rows]

    # -- local changes

    def changes(self) -> dict[str, Context]:
        return {path: _context(base) for path, base in self._file.all("SELECT path, base FROM change", ())}

    def put_change(self, path: str, base: Context | None) -> None:
        if base is None:
            self._file.change("DELETE FROM change WHERE path = ?", (path,))
        else:
            self._file.change("INSERT OR REPLACE INTO change VALUES (?, ?)", (path, _packed(base)))

    # -- manifests and chunks

    def manifest_node(self, identifier: bytes) -> bytes | None:
        row = self._file.one("SELECT raw FROM manifest_node WHERE id = ?", (identifier,))
        return row[0] if row else None

    def put_manifest_node(self, identifier: bytes, raw: bytes) -> None:
        self._file.change("INSERT OR REPLACE INTO manifest_node VALUES (?, ?)", (identifier, raw))

    def put_chunks(self, path: str, chunks: Iterable[tuple[ChunkId, int, int]]) -> None:
        places = list(chunks)
        if not places:
            self.drop_chunks(path)
            return
        file = self._file_id(path)
        if file is None:
            file = self._file.change("INSERT INTO file(path) VALUES (?)", (path,))
        else:
            self._file.change("DELETE FROM place WHERE file = ?", (file,))
        self._file.change_many(
            "INSERT INTO place VALUES (?, ?, ?, ?)",
            [(file, offset, chunk, length) for chunk, offset, length in places],
        )

    def move_chunks(self, path: str, new: str) -> None:
        if path != new:
            self.drop_chunks(new)
            self._file.change("UPDATE file SET path = ? WHERE path = ?", (new, path))

    def drop_chunks(self, path: str) -> None:
        file = self._file_id(path)
        if file is not None:
            self._file.change("DELETE FROM place WHERE file = ?", (file,))
            self._file.change("DELETE FROM file WHERE id = ?", (file,))

    def find_chunk(self, chunk: ChunkId, limit: int = 4) -> list[ChunkPlace]:
        # The limit first, then the names: a chunk of zeros may have a million places.
        rows = self._file.all(
            "SELECT path, offset, length FROM (SELECT file, offset, length FROM place WHERE chunk = ? LIMIT ?)"
            " JOIN file ON file.id = file",
            (chunk, limit),
        )
        return [ChunkPlace(*row) for row in rows]

    def _file_id(self, path: str) -> int | None:
        row = self._file.one("SELECT id FROM file WHERE path = ?", (path,))
        return row[0] if row else None


def fingerprint(path: str) -> bytes:
    """16 bytes that say "this database, on this machine": a hash of the machine's id and the file's inode number.

    A stored fingerprint that differs means that the database was copied, restored from a backup, or its disk put into
    another machine, and the device must draw a new incarnation. It also changes without need when the machine is
    installed anew, and at every mount of a file system that makes its inode numbers up (some FUSE ones): that costs
    an incarnation, and no data.

    It stays the same when a whole disk or virtual machine goes back to a snapshot, which nothing on the machine can
    tell: that is what comparing our head with a peer's is for. The device number is left out, since it may change from
    boot to boot.
    """
    inode = os.stat(path).st_ino
    return blake2b(machine_id() + inode.to_bytes(16, "big"), digest_size=16, person=b"swarm1.database").digest()


def set_aside(path: str) -> str:
    """Renames a damaged database, so that a new one can be made in its place; returns the new name.

    At most one is kept. The file goes first: SQLite drops a log that it finds beside an empty file, while a file
    without its log could pass for a sound, older one.
    """
    aside = f"{path}.damaged"
    for suffix in ("-wal", "-shm"):
        if os.path.exists(aside + suffix):
            os.unlink(aside + suffix)
    os.replace(path, aside)
    for suffix in ("-wal", "-shm"):
        if os.path.exists(path + suffix):
            os.replace(path + suffix, aside + suffix)
    return aside


def _below(path: str) -> tuple[str, str | bytes]:
    """Bounds, both exclusive, of the paths strictly below `path`: "0" is the character after "/"."""
    return (f"{path}/", f"{path}0") if path else ("", _ABOVE_ALL_TEXT)


def _register(rows: Iterable[tuple[bytes, bytes]]) -> tuple[Record, ...]:
    return tuple(sorted((_record(raw, body) for raw, body in rows), key=_in_order))


def _record(raw: bytes, body: bytes) -> Record:
    try:
        return restore(raw, body)
    except BadPeer as error:  # it was checked before it came in here: no peer is to blame now
        raise CorruptDatabase(f"the database holds a damaged record: {error}") from error


def _storable(value: int) -> int | str:
    """A number from a file system, too large for SQLite after the year 2262 or where inodes use all 64 bits."""
    return value if value in _SIGNED_64 else str(value)


def _local(row: Sequence[Any]) -> Local:
    """A Local from the columns of `_LOCAL`."""
    kind, size, mode, mtime_ns, ctime_ns, inode, content, target, installed, copy_of = row
    return Local(
        kind=Kind(kind),
        size=int(size),
        mode=mode,
        mtime_ns=int(mtime_ns),
        ctime_ns=int(ctime_ns),
        inode=int(inode),
        content=ContentId(content) if content else NO_CONTENT,
        target=target,
        installed=_context(installed),
        copy_of=copy_of,
    )


def _packed(context: Context) -> bytes:
    return b"".join(_ENTRY.pack(origin, seq) for origin, seq in context)


def _context(raw: bytes) -> Context:
    return tuple((Origin(origin), seq) for origin, seq in _ENTRY.iter_unpack(raw))
