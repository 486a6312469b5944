"""The sender: reads what a member asked for out of the user's own files.

Where a chunk is, is hearsay (files change at any moment); its name is not. So the bytes are hashed on every use, and
the first place whose bytes are right serves. Nothing else ever leaves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.content.chunk import LARGEST_CHUNK, chunk_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from swarm.ids import ChunkId
    from swarm.sync.events import ServeItem
    from swarm.sync.files import FileSystem, Reader
    from swarm.sync.store import ChunkPlace


class ChunkReader:
    """Reads chunks, and keeps the file of the last one open: the next one is most likely in it too.

    For one thread. A file that was replaced while it is open goes on to serve what it had, and rightly so.
    """

    def __init__(self, files: FileSystem, chunk_key: bytes) -> None:
        self._files = files
        self._chunk_key = chunk_key
        self._path = ""
        self._reader: Reader | None = None

    def read(self, chunk: ChunkId, places: Iterable[ChunkPlace]) -> bytes | None:
        """The chunk's bytes, from the first place that has them; None where none has."""
        for place in places:
            was_open = self._reader is not None and self._path == place.path
            if (data := self._read(chunk, place)) is not None:
                return data
            if was_open and (data := self._read(chunk, place)) is not None:
                return data  # the open one was the file's predecessor
        return None

    def close(self) -> None:
        reader, self._reader, self._path = self._reader, None, ""
        if reader is not None:
            reader.close()

    def _read(self, chunk: ChunkId, place: ChunkPlace) -> bytes | None:
        if not 0 < place.length <= LARGEST_CHUNK or place.offset < 0:
            return None
        try:
            if self._reader is None or self._path != place.path:
                self.close()
                self._reader = self._files.open(place.path)
                self._path = place.path
            data = self._reader.read_at(place.offset, place.length)
        except OSError:
            self.close()
            return None
        if len(data) != place.length or chunk_id(self._chunk_key, data) != chunk:
            self.close()  # edited or replaced: what comes next is looked for in what is there then
            return None
        return data


def serve(files: FileSystem, chunk_key: bytes, items: Iterable[ServeItem]) -> Iterator[tuple[bytes, bytes | None]]:
    """(identifier, bytes) for each item in order; None for what cannot be found any more.

    One chunk is held at a time. Close the iterator when it is not read to its end.
    """
    reader = ChunkReader(files, chunk_key)
    try:
        for item in items:
            if item.data is not None or item.chunk is None:
                yield item.identifier, item.data
            else:
                yield item.identifier, reader.read(item.chunk, item.places)
    finally:
        reader.close()
