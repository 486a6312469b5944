"""Cuts a file into content-defined chunks, so that an insertion moves borders only near itself.

The algorithm is FastCDC 2020 (Xia et al., "The Design of Fast Content-Defined Chunking", IEEE TPDS 2020) with its
published gear table, normalisation level 1 and min : average : max = 1 : 4 : 16, exactly as in the fastcdc crate's
`v2020`. tests/vectors/content.txt pins the borders, so that the library can be replaced.

The file is read once, in windows, and each chunk is hashed while it is still in the cache. A border depends on at most
max_chunk bytes after the border before it; so a chunk is cut from a window only when that many bytes are at hand or the
file ends there, and how the file was read cannot matter. The library's own stream mode was rejected: it learns of the
end from a short read, where we want an error, and it copies through a buffer of twice the largest chunk for every file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from pyfastcdc import FastCDC

from swarm.content.chunk import AVERAGE_CHUNK, ChunkRef, chunk_id, max_chunk, min_chunk
from swarm.errors import Unavailable

NORMALISATION: Final = 1
WINDOW = 1 << 20  # bytes a read: half of this is as quick, eight times as much leaves the cache and is slower

ReadAt = Callable[[int, int], bytes]


class Chunker:
    """Cuts with one size class. Holds no file's state: one may serve any number of files, in one thread."""

    def __init__(self, size_class: int = 0, window: int = WINDOW) -> None:
        """`window`: bytes asked of each read. Raises Bug when there is no such class."""
        self.size_class = size_class
        self._longest = max_chunk(size_class)
        self._window = window
        self._fastcdc = FastCDC(
            AVERAGE_CHUNK << size_class,
            min_size=min_chunk(size_class),
            max_size=self._longest,
            normalized_chunking=NORMALISATION,
        )

    def chunks(self, read: ReadAt, size: int, chunk_key: bytes) -> Iterator[ChunkRef]:
        """The chunks of a file of `size` bytes in order; they cover it without a gap, and an empty file has none.

        `read(offset, length)` gives the file's bytes; it is asked for each byte once, in order. At most a window and
        one largest chunk are held in memory. Raises Unavailable when a read is short: the file changed meanwhile.
        """
        held = bytearray()  # read and not yet cut; one buffer, since fresh memory costs more than the hashing
        start = 0  # where in the file `held` begins
        while start < size:
            while len(held) < min(self._longest, size - start):
                held += _read_exactly(read, start + len(held), min(self._window, size - start - len(held)))
            # Nothing is cut with less than the longest chunk in sight, unless that is all there is.
            at_end = start + len(held) == size
            last_cut = len(held) if at_end else len(held) - self._longest + 1
            used = 0
            for piece in self._fastcdc.cut_buf(held):
                with piece.data as data:  # released at once: `held` cannot shrink while anything points into it
                    name = chunk_id(chunk_key, data)
                yield ChunkRef(name, start + used, piece.length)
                used += piece.length
                if used >= last_cut:
                    break
            del held[:used]
            start += used


def _read_exactly(read: ReadAt, offset: int, length: int) -> bytes:
    data = read(offset, length)
    if len(data) != length:
        raise Unavailable("changed while being read")
    return data
