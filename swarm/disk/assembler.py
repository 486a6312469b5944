"""The assembler: gathers a content in its temp, `.swarm/tmp/<content id>`, until the installer may take it.

Every byte is hashed before it is written, whether it comes from a peer or from our own disk. What an earlier run left
in a temp is hashed too, and kept where it is right, so that nothing is fetched twice because of a kill or a crash;
what a crash tore is found the same way. Temps are 0600: nobody else reads a file before its permissions are on it.

A temp is a regular file that no other name leads to. Where the file system has no RENAME_NOREPLACE, a crash between
`link` and `unlink` can leave a temp that *is* a user's installed file: there an old temp is only ever read from, under
the eyes of a new one. A symlink, a FIFO or an empty directory in a temp's place is removed, never followed.

Two jobs on one temp must not run at once; the order of the engine's effects is the order to run them in.
"""

from __future__ import annotations

import errno
from string import hexdigits
from typing import TYPE_CHECKING

from swarm.content.chunk import MIN_CHUNK, chunk_id
from swarm.content.manifest import single_chunk_content
from swarm.disk.history import ensure_directory
from swarm.disk.refusal import sentence
from swarm.disk.sender import ChunkReader
from swarm.ids import HASH_BYTES, Kind, parent_of
from swarm.sync.events import ChunksStored, FilesStored, TempPrepared
from swarm.sync.files import OURS

if TYPE_CHECKING:
    from swarm.content.chunk import ChunkRef
    from swarm.ids import ContentId
    from swarm.sync.events import PrepareTemp, StoreChunks, StoreFiles
    from swarm.sync.files import FileSystem, Reader, Writer

FLUSH_EVERY = 8 << 20  # bytes; so that the last fsync of a large file finds little left to write
TEMP_MODE = 0o600
TEMPS = f"{OURS}/tmp"
KEPT_FREE = 1 << 20  # bytes that no fetch takes: the index needs some, and a user who cannot write blames us rightly


def prepare(files: FileSystem, effect: PrepareTemp, chunk_key: bytes) -> TempPrepared:
    """Makes the temp, or takes up the one of an earlier run, and fills it from our own disk as far as possible.

    When the disk says no, what is present so far is told together with `why`.
    """
    present: list[int] = []
    why = ""
    full = False
    earlier: Reader | None = None
    writer: Writer | None = None
    places = ChunkReader(files, chunk_key)
    try:
        writer, earlier = _open_temp(files, effect.temp, effect.size)
        held = earlier.stat().size if earlier is not None else 0
        writer.truncate(effect.size)
        for index, (chunk, where) in enumerate(zip(effect.chunks, effect.places, strict=True)):
            if earlier is not None and chunk.offset + chunk.length <= held:
                data = earlier.read_at(chunk.offset, chunk.length)
                if len(data) == chunk.length and chunk_id(chunk_key, data) == chunk.id:
                    if earlier is not writer:
                        _write(writer, chunk, data)
                    present.append(index)
                    continue
            found = places.read(chunk.id, [place for place in where if place.path != effect.temp])
            if found is None or len(found) != chunk.length:
                continue
            if earlier is writer or not _is_hole(found):  # in a new temp there are zeros already
                _write(writer, chunk, found)
            present.append(index)
        lacking = effect.size - sum(effect.chunks[index].length for index in present)
        if lacking and files.free_bytes() < lacking + KEPT_FREE:
            raise OSError(errno.ENOSPC, "what is missing would not fit")
    except OSError as error:
        why = sentence(error)
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    finally:
        places.close()
        if earlier is not None and earlier is not writer:
            earlier.close()
        if writer is not None:
            writer.close()
    if full:  # half a file that cannot become a whole one only keeps the disk full
        present.clear()
        drop(files, effect.temp)
    return TempPrepared(effect.content, tuple(present), why)


def store_chunks(files: FileSystem, effect: StoreChunks, chunk_key: bytes) -> ChunksStored:
    """Verifies and writes what a peer sent into temps that are prepared."""
    stored: list[tuple[ContentId, int]] = []
    bad: list[tuple[ContentId, int]] = []
    refused: list[tuple[ContentId, int]] = []
    why = ""
    writer: Writer | None = None
    opened = ""
    try:
        for content, index, temp, chunk, data in effect.pieces:
            if len(data) != chunk.length or chunk_id(chunk_key, data) != chunk.id:
                bad.append((content, index))
                continue
            try:
                if writer is None or opened != temp:
                    if writer is not None:
                        writer.close()
                    writer = None
                    writer, opened = files.reopen(temp), temp
                _write(writer, chunk, data)
            except OSError as error:  # the next piece may be of another temp, or of a smaller one
                why = _temp_trouble(error)
                refused.append((content, index))
                continue
            stored.append((content, index))
    finally:
        if writer is not None:
            writer.close()
    return ChunksStored(effect.peer, effect.request, tuple(stored), tuple(bad), why, tuple(refused))


def store_files(files: FileSystem, effect: StoreFiles, chunk_key: bytes) -> FilesStored:
    """Verifies whole small files that a peer sent, and writes each as a new temp."""
    stored: list[tuple[ContentId, bytes, ChunkRef]] = []
    bad: list[ContentId] = []
    why = ""
    for content, temp, data in effect.pieces:
        if not 1 <= len(data) <= MIN_CHUNK:
            bad.append(content)
            continue
        name, node, chunk = single_chunk_content(chunk_key, data)
        if name != content:
            bad.append(content)
            continue
        try:
            writer = make_temp(files, temp)
            try:
                writer.write_at(0, data)
            finally:
                writer.close()
        except OSError as error:
            why = sentence(error)
            drop(files, temp)
            continue
        stored.append((content, node, chunk))
    return FilesStored(effect.peer, effect.request, tuple(stored), tuple(bad), why)


def drop(files: FileSystem, temp: str) -> None:
    """Removes a temp, whatever is in its place; it may be gone already. A disk that refuses is left alone: what is
    in the way is met again, and told, by whoever makes a temp there."""
    try:
        _clear(files, temp)
    except OSError:
        return


def sweep(files: FileSystem) -> None:
    """Removes every temp of a content. To be called where jobs on temps are done, when none is wanted."""
    try:
        names = files.list(TEMPS)
    except OSError:
        return
    for name in names:
        if len(name) == 2 * HASH_BYTES and not name.strip(hexdigits):
            drop(files, f"{TEMPS}/{name}")


def make_temp(files: FileSystem, temp: str) -> Writer:
    """A new, empty temp in place of whatever is there."""
    try:
        return files.create(temp, TEMP_MODE)
    except FileNotFoundError:
        ensure_directory(files, parent_of(temp))
    except FileExistsError:
        _clear(files, temp)  # not truncated: another name may lead to that inode
    return files.create(temp, TEMP_MODE)


def open_temp(files: FileSystem, temp: str) -> Writer:
    """The temp of an earlier attempt, even if that has taken our own permissions away. It must be there."""
    try:
        return files.reopen(temp)
    except PermissionError:
        files.set_mode(temp, TEMP_MODE)
    return files.reopen(temp)


def _open_temp(files: FileSystem, temp: str, size: int) -> tuple[Writer, Reader | None]:
    """(where to write, where to look for what is there already). They are one and the same where the temp goes on."""
    try:
        stat = files.stat(temp)
    except FileNotFoundError:
        return make_temp(files, temp), None
    if stat.kind is not Kind.FILE or not stat.size:
        return make_temp(files, temp), None
    if files.traits.noreplace:
        writer = open_temp(files, temp)
        if stat.mode != TEMP_MODE:
            writer.set_mode(TEMP_MODE)
        if stat.size > size:
            writer.truncate(size)
        return writer, writer
    try:
        earlier = files.open(temp)
    except OSError:
        return make_temp(files, temp), None
    try:
        return make_temp(files, temp), earlier
    except OSError:
        earlier.close()
        raise


def _clear(files: FileSystem, temp: str) -> None:
    try:
        if files.stat(temp).kind is Kind.DIRECTORY:
            files.rmdir(temp)
        else:
            files.unlink(temp)
    except FileNotFoundError:
        return


def _write(writer: Writer, chunk: ChunkRef, data: bytes) -> None:
    writer.write_at(chunk.offset, data)
    window = (chunk.offset + chunk.length) // FLUSH_EVERY
    if window > chunk.offset // FLUSH_EVERY:  # stateless: a chunk that reaches the next window sends off the last one
        writer.flush_range((window - 1) * FLUSH_EVERY, FLUSH_EVERY)


def _is_hole(data: bytes) -> bool:
    return data[0] == 0 and data == bytes(len(data))


def _temp_trouble(error: OSError) -> str:
    if error.errno in (errno.ENOENT, errno.EINVAL):
        return "A temporary file in .swarm/tmp has gone. Leave that directory alone; the file is gathered anew."
    return sentence(error)
