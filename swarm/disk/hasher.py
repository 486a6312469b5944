"""The hasher: reads a file once, and names its content, if nobody changed it meanwhile.

The stat that the scan saw, the open file's before the first byte, the open file's after the last one, and the one of
the name then must all be equal: size, mtime, ctime, inode and mode. Else the bytes are a mixture that never was a
version, and the answer is "unsettled". A write that happens between two ticks of the kernel's clock can still
hide (its mtime and ctime are those of the write before): the engine reads a file that is that fresh a second time.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from swarm.content.chunk import MIN_CHUNK, size_class_for
from swarm.content.chunker import Chunker
from swarm.content.manifest import EMPTY_CONTENT, EMPTY_NODE, build, single_chunk_content
from swarm.disk.refusal import is_elsewhere, sentence
from swarm.errors import Unavailable, UserError
from swarm.ids import NO_CONTENT, Kind
from swarm.sync.events import DatabaseRead, Hash, Hashed, HashFailed
from swarm.sync.found import unchanged

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm.ids import ContentId
    from swarm.sync.events import ReadDatabase
    from swarm.sync.files import FileSystem, Reader, Stat


def read(files: FileSystem, effect: Hash, chunk_key: bytes) -> Hashed | HashFailed:
    """Reads the file or symlink at `effect.path` if it still has `effect.stat`, or is restless and rests for so long.

    `chunk_key`: the folder's, 32 bytes.
    """
    path, expected = effect.path, effect.stat
    try:
        if effect.restless and (now := files.stat(path)).kind is Kind.FILE:
            expected = now
        if expected.kind is Kind.SYMLINK:
            return _read_link(files, path, expected)
        try:
            reader = files.open(path)
        except OSError as error:
            now = files.stat(path)  # it may have become a directory or a FIFO, which cannot be opened
            # There and not there: so say some disks of names that they cannot open. It would be looked for without end.
            return _unsettled(path, now) if now != expected else HashFailed(path, False, False, sentence(error))
        try:
            return _read_file(files, path, expected, reader, chunk_key)
        finally:
            reader.close()
    except OSError as error:
        return _failed(path, error)
    except UserError as error:
        return HashFailed(path, False, False, f"{error.message} {error.hint}".rstrip())


def read_database(
    files: FileSystem, effect: ReadDatabase, chunk_key: bytes, healthy: Callable[[], str]
) -> DatabaseRead:
    """What belongs to a database, if none of it changed while all of it was read. `healthy`: see `scanner.scan`; for
    what is not there will be taken for deleted."""
    database, known = effect.database, dict(effect.known)
    try:
        before = _stats(files, effect.paths)
        results = []
        for path, stat in before.items():
            if stat.kind not in (Kind.FILE, Kind.SYMLINK) or (path in known and unchanged(known[path], stat)):
                continue  # a directory, say, which has the name by chance
            result = read(files, Hash(path, stat), chunk_key)
            if isinstance(result, HashFailed):
                return DatabaseRead(database, failure=result)
            results.append(result)
        if why := healthy():
            return DatabaseRead(database, failure=HashFailed(database, False, False, why))
        if _only_files(_stats(files, effect.paths)) != _only_files(before):
            return DatabaseRead(database, failure=HashFailed(database, True, False, "it changed while it was read"))
    except OSError as error:
        return DatabaseRead(database, failure=_failed(database, error))
    return DatabaseRead(database, tuple(before), tuple(results))


def _stats(files: FileSystem, paths: tuple[str, ...]) -> dict[str, Stat]:
    """Of those that are there. Raises OSError where that cannot be told."""
    found = {}
    for path in paths:
        try:
            found[path] = files.stat(path)
        except OSError as error:
            # A name that is too long once it ends like a journal's is not there either.
            if not is_elsewhere(error) and error.errno != errno.ENAMETOOLONG:
                raise
    return found


def _only_files(stats: dict[str, Stat]) -> dict[str, Stat]:
    return {path: stat for path, stat in stats.items() if stat.kind is not Kind.DIRECTORY}


def same_content(files: FileSystem, path: str, stat: Stat, content: ContentId, chunk_key: bytes) -> bool:
    """Whether the file at `path` is, and stays while it is read, of this stat and this content."""
    found = read(files, Hash(path, stat), chunk_key)
    return isinstance(found, Hashed) and found.content == content


def _read_link(files: FileSystem, path: str, expected: Stat) -> Hashed | HashFailed:
    before = files.stat(path)
    if before != expected:
        return _unsettled(path, before)
    target = files.read_link(path)
    after = files.stat(path)
    if after != before:
        return _unsettled(path, after)
    return Hashed(path, after, NO_CONTENT, target)


def _read_file(files: FileSystem, path: str, expected: Stat, reader: Reader, chunk_key: bytes) -> Hashed | HashFailed:
    before = reader.stat()
    hashed = None
    if before == expected:
        try:
            hashed = _hash(path, before, reader, chunk_key)
        except Unavailable:
            hashed = None  # it became shorter under our eyes
    after = reader.stat()
    now = files.stat(path)  # of the name, which may lead elsewhere by now
    if hashed is None or not before == after == now:
        return _unsettled(path, now)
    return hashed


def _hash(path: str, stat: Stat, reader: Reader, chunk_key: bytes) -> Hashed:
    size = stat.size
    if size == 0:
        return Hashed(path, stat, EMPTY_CONTENT, "", ((EMPTY_CONTENT, EMPTY_NODE),))
    if size <= MIN_CHUNK:
        data = reader.read_at(0, size)
        if len(data) != size:
            raise Unavailable("changed while being read")
        content, raw, chunk = single_chunk_content(chunk_key, data)
        return Hashed(path, stat, content, "", ((content, raw),), (chunk,))
    size_class = size_class_for(size)
    chunks = tuple(Chunker(size_class).chunks(reader.read_at, size, chunk_key))
    manifest = build(chunks, size_class)
    return Hashed(path, stat, manifest.root, "", tuple(manifest.nodes.items()), chunks)


def _unsettled(path: str, stat: Stat) -> HashFailed:
    return HashFailed(path, True, False, "it changed while it was read", stat)


def _failed(path: str, error: OSError) -> HashFailed:
    return HashFailed(path, False, is_elsewhere(error), sentence(error))
