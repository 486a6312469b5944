"""One content on its way to the disk, and one request for parts of some: what the fetcher keeps of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from swarm.sync.files import OURS

if TYPE_CHECKING:
    from swarm.content.chunk import ChunkRef
    from swarm.ids import ContentId, DeviceId
    from swarm.wire.messages import What


class Stage(Enum):
    QUEUED = 0  # not begun
    WHOLE = 1  # a small file, asked for by content
    NODES = 2  # its manifest is not complete yet
    PREPARING = 3  # its temp is being made and filled from our own disk
    CHUNKS = 4  # chunks are being fetched
    READY = 5  # the temp is complete


@dataclass(slots=True)
class Assembly:
    """One content on its way."""

    content: ContentId
    size: int  # bytes
    paths: dict[str, None]  # who waits for it, in order
    stage: Stage = Stage.QUEUED
    chunks: tuple[ChunkRef, ...] = ()
    missing: dict[int, None] = field(default_factory=dict)  # indexes of chunks neither present nor asked for, in order
    asked: set[int] = field(default_factory=set)  # indexes of chunks asked for
    stored: int = 0  # bytes of its chunks that are in the temp
    waiting: bool = False  # WHOLE, NODES: a request is out
    sources: frozenset[str] = frozenset()  # PREPARING: files of ours that are being read for it

    @property
    def temp(self) -> str:
        return temp_of(self.content)


@dataclass(slots=True)
class Request:
    """One Fetch that is out."""

    peer: DeviceId
    what: What
    wanted: dict[bytes, list[tuple[ContentId, int]]]  # identifier -> who wants it: content, chunk index
    expected: int  # bytes
    heard: float  # when something of the answer last came


def temp_of(content: ContentId) -> str:
    """The path of the temp in which a content is gathered."""
    return f"{OURS}/tmp/{content.hex()}"
