"""What goes into a folder's engine, and what comes out of it.

Events and effects are plain frozen values. The shells turn the world into events and effects into the world; the
simulator does the same with a world of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Union

if TYPE_CHECKING:
    from swarm.content.chunk import ChunkRef
    from swarm.ids import ChunkId, ContentId, DeviceId
    from swarm.keys.role import Role
    from swarm.sync.dirty import Dirty
    from swarm.sync.files import Stat
    from swarm.sync.operation import Operation, Result
    from swarm.sync.store import ChunkPlace, Local

# -- events: from the disk


@dataclass(frozen=True, slots=True)
class Scanned:
    """One directory's complete listing, taken while the folder was healthy. `entries` leaves out `.swarm`."""

    directory: str
    entries: dict[str, Stat]
    rules: str | None = None  # the text of a .swarmignore in it


@dataclass(frozen=True, slots=True)
class ScanFailed:
    """A directory that could not be listed: unknown, not empty. `gone`: it is not there, or no directory any more."""

    directory: str
    gone: bool
    why: str


@dataclass(frozen=True, slots=True)
class Hashed:
    """A file's or symlink's content; its stat before and after reading agreed."""

    path: str
    stat: Stat
    content: ContentId  # b"" of a symlink
    target: str  # of a symlink, else ""
    nodes: tuple[tuple[bytes, bytes], ...] = ()  # manifest nodes: (id, raw)
    chunks: tuple[ChunkRef, ...] = ()


@dataclass(frozen=True, slots=True)
class HashFailed:
    """`unsettled`: it changed while being read. `gone`: it is not there any more. Else it cannot be read."""

    path: str
    unsettled: bool
    gone: bool
    why: str
    stat: Stat | None = None  # unsettled: what it is now


@dataclass(frozen=True, slots=True)
class DatabaseRead:
    """The files of a database, as they were at one moment. `failure`: there was no such moment, or one of them cannot
    be read."""

    database: str
    there: tuple[str, ...] = ()  # those of the paths asked for that exist
    files: tuple[Hashed, ...] = ()  # those of them that had to be read
    failure: HashFailed | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """The folder's disk came or went. `why` is "" when all is well."""

    why: str


@dataclass(frozen=True, slots=True)
class OperationsDone:
    results: tuple[Result, ...]


@dataclass(frozen=True, slots=True)
class TempPrepared:
    """A temp was made, or found from an earlier run, and filled from our own disk as far as possible."""

    content: ContentId
    present: tuple[int, ...]  # indexes into the chunk list that are there and verified
    why: str = ""  # not "": it could not be made


@dataclass(frozen=True, slots=True)
class ChunksStored:
    """Chunks from a peer were verified and written to their temps."""

    peer: DeviceId
    request: int
    stored: tuple[tuple[ContentId, int], ...]  # (content, index into its chunk list)
    bad: tuple[tuple[ContentId, int], ...]  # the bytes were not what their name says: the peer's fault
    why: str = ""  # not "": the disk said no, and what is in neither list was not written
    refused: tuple[tuple[ContentId, int], ...] = ()  # that; () where nothing could even be tried


@dataclass(frozen=True, slots=True)
class FilesStored:
    """Small files from a peer were verified and written to their temps."""

    peer: DeviceId
    request: int
    stored: tuple[tuple[ContentId, bytes, ChunkRef], ...]  # content, its manifest's only node, its only chunk
    bad: tuple[ContentId, ...]  # the bytes were not what their name says: the peer's fault
    why: str = ""  # not "": the disk said no, and what is in neither list was not written


# -- events: from the network


@dataclass(frozen=True, slots=True)
class MemberUp:
    """A member's session is up. It replaces an earlier one of the same device."""

    peer: DeviceId
    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class MemberDown:
    peer: DeviceId


@dataclass(frozen=True, slots=True)
class Received:
    """A message of this folder from a member, decoded and valid in form."""

    peer: DeviceId
    message: object


@dataclass(frozen=True, slots=True)
class FetchAsked:
    """A member asks for content on one of its bulk lanes; `lane` is the shell's own word for it."""

    peer: DeviceId
    lane: int
    request: int
    what: int  # swarm.wire.messages.What
    identifiers: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class DataArrived:
    """A part of the answer to our Fetch."""

    peer: DeviceId
    request: int
    items: tuple[tuple[bytes, bytes], ...]  # (id, bytes), not yet verified
    missing: tuple[bytes, ...]
    last: bool


@dataclass(frozen=True, slots=True)
class FetchLost:
    """The lane of a request ended before its last answer."""

    peer: DeviceId
    request: int


# -- events: from the user


@dataclass(frozen=True, slots=True)
class ScanWanted:
    """Scan all of it now."""


@dataclass(frozen=True, slots=True)
class RevertWanted:
    """Local changes at `path` and below it ("" for all) shall give way to the folder's version."""

    path: str


@dataclass(frozen=True, slots=True)
class HistoryDropped:
    """These files in history were removed, since their time was up."""

    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Barrier:
    """Everything that the user did before this is in the inbox already (the watcher was flushed)."""

    token: int


Event = Union[
    "Dirty",
    Scanned,
    ScanFailed,
    Hashed,
    HashFailed,
    DatabaseRead,
    Health,
    OperationsDone,
    TempPrepared,
    ChunksStored,
    FilesStored,
    MemberUp,
    MemberDown,
    Received,
    FetchAsked,
    DataArrived,
    FetchLost,
    ScanWanted,
    RevertWanted,
    HistoryDropped,
    Barrier,
]

# -- effects: to the disk


@dataclass(frozen=True, slots=True)
class Scan:
    """List one directory, after looking at the folder's health."""

    directory: str


@dataclass(frozen=True, slots=True)
class Hash:
    """Read one file or symlink, if its stat is still this."""

    path: str
    stat: Stat
    restless: bool = False  # a file that is written to all the time: read it as it is now, whatever its stat


@dataclass(frozen=True, slots=True)
class ReadDatabase:
    """Read what belongs to one database, all as it is at one moment."""

    database: str
    paths: tuple[str, ...]
    known: tuple[tuple[str, Local], ...]  # what need not be read if it is still this


@dataclass(frozen=True, slots=True)
class Run:
    """Perform operations, in this order, as one group of durability."""

    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class PrepareTemp:
    """Make the temp of a content (or take up the one of an earlier run), and fill it from our own disk."""

    content: ContentId
    size: int  # bytes
    temp: str
    chunks: tuple[ChunkRef, ...]
    places: tuple[tuple[ChunkPlace, ...], ...]  # for each chunk: where we may have it


@dataclass(frozen=True, slots=True)
class StoreChunks:
    """Verify and write what a peer sent."""

    peer: DeviceId
    request: int
    pieces: tuple[tuple[ContentId, int, str, ChunkRef, bytes], ...]  # content, index, temp, chunk, data


@dataclass(frozen=True, slots=True)
class StoreFiles:
    """Verify and write whole small files: each is the one chunk of its content."""

    peer: DeviceId
    request: int
    pieces: tuple[tuple[ContentId, str, bytes], ...]  # content, temp, data


@dataclass(frozen=True, slots=True)
class DropTemp:
    temp: str


@dataclass(frozen=True, slots=True)
class SweepTemps:
    """Nothing is being gathered: whatever temps are left are of no use."""


# -- effects: to the network


@dataclass(frozen=True, slots=True)
class Send:
    """On the control lane. Told only after the commit."""

    peer: DeviceId
    message: object


@dataclass(frozen=True, slots=True)
class Ask:
    """On a bulk lane; `expected` is for the shell's choice of lane."""

    peer: DeviceId
    request: int
    what: int
    identifiers: tuple[bytes, ...]
    expected: int  # bytes


@dataclass(frozen=True, slots=True)
class Serve:
    """Answer a member's Fetch: for each identifier the places where its bytes may be, or the bytes themselves."""

    peer: DeviceId
    lane: int
    request: int
    items: tuple[ServeItem, ...]


@dataclass(frozen=True, slots=True)
class ServeItem:
    identifier: bytes
    data: bytes | None  # known already (a manifest node)
    chunk: ChunkId | None  # what the bytes at `places` must hash to
    places: tuple[ChunkPlace, ...]


@dataclass(frozen=True, slots=True)
class Accuse:
    """A member lied or broke the protocol: end its session, and say so."""

    peer: DeviceId
    why: str


# -- effects: to the node


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Call step again at this time, events or none. The latest one counts."""

    when: float  # seconds, the engine's clock


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence for the log."""

    text: str


Effect = (
    Scan
    | Hash
    | ReadDatabase
    | Run
    | PrepareTemp
    | StoreChunks
    | StoreFiles
    | DropTemp
    | SweepTemps
    | Send
    | Ask
    | Serve
    | Accuse
    | WakeAt
    | Note
)
