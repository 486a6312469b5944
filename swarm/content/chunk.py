"""The chunk: a content-defined piece of a file, its name, and the sizes it may have.

A chunk's id is BLAKE3 keyed with the folder's chunk key over the plaintext: whoever lacks the key cannot tell which
known file a chunk belongs to, and equal pieces have one name everywhere in the folder.

The size class doubles every size. It is part of the content id, so it must be kept while a file is edited; it only
exists so that the manifest of a huge file stays reasonable: about 13,000 chunks (0.5 MB of manifest) a file between
1 and 64 GiB, 200,000 for a file of 1 TiB.
"""

from __future__ import annotations

from typing import NamedTuple

from blake3 import blake3

from swarm.errors import Bug
from swarm.ids import ChunkId

MIN_CHUNK = 16 * 1024  # a file of at most this many bytes is always one chunk
AVERAGE_CHUNK = 64 * 1024  # a 1 MB overwrite costs 1.2 MB at 64 KiB, 1.4 at 128, 1.8 at 256
MAX_CHUNK = 256 * 1024
MAX_SIZE_CLASS = 6  # 1, 4 and 16 MiB, the largest sizes that the FastCDC library takes
LARGEST_CHUNK = MAX_CHUNK << MAX_SIZE_CLASS  # 16 MiB: what a receiver must be ready to hold of one chunk

CLASS_ZERO_FILE = 1 << 30  # the largest file of class 0; each further class takes files twice as large
CLASS_TOLERANCE = 2  # a kept class may be this many doublings off before a file is cut anew


class ChunkRef(NamedTuple):
    """One chunk of one file."""

    id: ChunkId
    offset: int  # bytes from the start of the file
    length: int  # bytes


def chunk_id(chunk_key: bytes, data: bytes | memoryview) -> ChunkId:
    """The name of `data` in the folder whose 32-byte chunk key is given."""
    return ChunkId(blake3(data, key=chunk_key).digest())


def min_chunk(size_class: int) -> int:
    """Bytes that every chunk but a file's last one has at least."""
    return MIN_CHUNK << checked_class(size_class)


def max_chunk(size_class: int) -> int:
    """Bytes that no chunk exceeds."""
    return MAX_CHUNK << checked_class(size_class)


def checked_class(size_class: int) -> int:
    """`size_class` itself. Raises Bug when there is no such class."""
    if not 0 <= size_class <= MAX_SIZE_CLASS:
        raise Bug(f"there is no size class {size_class}")
    return size_class


def size_class_for(size: int, kept: int | None = None) -> int:
    """The class to cut a file of `size` bytes with; `kept` is the class of the version before, where there is one.

    The kept class stays while the file is within four times, or a quarter, of that class's usual range, so that a file
    that grows past a border is not cut (and sent) anew. Files of at most 256 MiB are always of class 0.
    """
    if kept is not None and _tolerates(checked_class(kept), size):
        return kept
    doublings = (max(size, 1) - 1) // CLASS_ZERO_FILE
    return min(doublings.bit_length(), MAX_SIZE_CLASS)


def _tolerates(kept: int, size: int) -> bool:
    too_small = kept > 0 and size <= (CLASS_ZERO_FILE << (kept - 1)) >> CLASS_TOLERANCE
    too_large = kept < MAX_SIZE_CLASS and size > CLASS_ZERO_FILE << (kept + CLASS_TOLERANCE)
    return not (too_small or too_large)
