"""Bulk lanes: content that was asked for, on byte streams of its own beside the control lane.

The side that wants content opens the lane and sends Fetch frames; the other answers each with Data frames, whose bytes
follow them. A lane answers in the order of asking. A sender waits for its lane to have room before it reads more from
the disk, so a slow network slows the reading and fills no memory.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from swarm.content.manifest import MAX_NODE_BYTES
from swarm.disk import sender
from swarm.errors import BadPeer, Unavailable
from swarm.ids import FolderId
from swarm.sync.events import DataArrived, FetchAsked, FetchLost
from swarm.wire.framing import Deframer, frame
from swarm.wire.messages import FOLDER_MESSAGES, MAX_PIECE, Data, Fetch, What

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor

    from swarm.ids import DeviceId
    from swarm.node.folder_thread import FolderThread
    from swarm.sync.events import Ask, Serve
    from swarm.wire.lane import Lane

READ_BYTES = 256 << 10  # asked of a lane at once
ANSWER_BYTES = 512 << 10  # of content in one Data: read from the disk while the last one is on its way
TELL_PROGRESS = 10.0  # seconds; the engine gives a request up after 60 without any sign
MAX_FRAME = 64 << 10  # bytes: a Fetch of 1,024 identifiers, or a Data without its content
MAX_UNANSWERED = 64  # Fetches on one lane; our own fetcher has half as many out with one member


class LaneReader:
    """Frames, and runs of bytes between them, from a lane."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._deframer = Deframer(MAX_FRAME)

    async def message(self) -> object | None:
        """The next message, None at the lane's end. Raises BadPeer or Unavailable."""
        while (payload := self._deframer.pop()) is None:
            data = await self._lane.read(READ_BYTES)
            if not data:
                return None
            self._deframer.push(data)
        return FOLDER_MESSAGES.unpack(payload, MAX_FRAME)

    async def run(self, length: int, progress: Callable[[], None]) -> bytes:
        """Exactly `length` bytes that belong to no frame. `progress` is called as they come."""
        data = self._deframer.take(length)
        if len(data) == length:
            return data
        pieces = [data]
        missing = length - len(data)
        while missing:
            piece = await self._lane.read(min(missing, READ_BYTES))
            if not piece:
                raise BadPeer("a lane that ended in the middle of what it announced")
            pieces.append(piece)
            missing -= len(piece)
            progress()
        return b"".join(pieces)


class _Expected:
    """What the answer to one Fetch may still bring: each identifier once, and so many bytes."""

    def __init__(self, names: set[bytes], most: int) -> None:
        self._names = names
        self._most = most
        self.abandoned = False  # nobody waits for it any more

    def take(self, message: Data) -> None:
        """Raises BadPeer for more than was asked for."""
        size = sum(length for _, length in message.items)
        names = [*(name for name, _ in message.items), *message.missing]
        if size > min(self._most, MAX_PIECE) or not self._names.issuperset(names) or len(set(names)) < len(names):
            raise BadPeer("content that was not asked for")
        self._most -= size
        self._names.difference_update(names)
        if not names and not message.last:
            raise BadPeer("an answer that says nothing")


class Asker:
    """Our side of a lane that we opened: sends Fetches, takes their answers."""

    def __init__(self, peer: DeviceId, lane: Lane, find: Callable[[FolderId], FolderThread | None]) -> None:
        self._peer = peer
        self._lane = lane
        self._find = find
        self._open: dict[tuple[FolderId, int], _Expected] = {}
        self._loop = asyncio.get_running_loop()
        self._told = self._loop.time()  # when the engine heard that something comes

    @property
    def load(self) -> int:
        """Requests that are out."""
        return len(self._open)

    async def ask(self, folder: FolderId, ask: Ask) -> None:
        most = len(ask.identifiers) * MAX_NODE_BYTES if ask.what == What.NODES else ask.expected
        self._open[folder, ask.request] = _Expected(set(ask.identifiers), most)
        try:
            await self._lane.write(frame(FOLDER_MESSAGES.pack(Fetch(folder, ask.request, ask.what, ask.identifiers))))
        except Unavailable:
            self.lose()

    async def take_answers(self) -> None:
        """Until the lane ends. Raises BadPeer."""
        reader = LaneReader(self._lane)
        try:
            while (message := await reader.message()) is not None:
                if not isinstance(message, Data):
                    raise BadPeer("something else than content on a bulk lane")
                await self._take(message, reader)
        except Unavailable:
            return
        finally:
            self.lose()

    async def _take(self, message: Data, reader: LaneReader) -> None:
        folder = _folder(message.folder)
        if (folder, message.request) not in self._open:
            raise BadPeer("content that was not asked for")
        expected = self._open[folder, message.request]
        expected.take(message)
        items = tuple(
            [(name, await reader.run(length, lambda: self._progress(message))) for name, length in message.items]
        )
        if message.last:
            del self._open[folder, message.request]
        thread = self._find(folder)
        if thread is not None and not expected.abandoned:
            thread.post(DataArrived(self._peer, message.request, items, message.missing, message.last))

    def _progress(self, message: Data) -> None:
        """On a slow way a piece takes longer than anybody is waited for: that it comes is told meanwhile."""
        now = self._loop.time()
        expected = self._open.get((_folder(message.folder), message.request))
        if now < self._told + TELL_PROGRESS or expected is None or expected.abandoned:
            return
        self._told = now
        if (thread := self._find(_folder(message.folder))) is not None:
            thread.post(DataArrived(self._peer, message.request, (), (), last=False))

    def abandon(self, folder: FolderId) -> bool:
        """Nobody waits for answers of this folder now. True: some are on their way, and the lane takes no more asking:
        the folder's next thread counts its requests anew, and would take them for its own."""
        under_way = [expected for (other, _), expected in self._open.items() if other == folder]
        for expected in under_way:
            expected.abandoned = True
        if under_way:
            self._lane.close()
        return bool(under_way)

    def lose(self) -> None:
        """The lane is no more: who waits for an answer is told."""
        for (folder, request), expected in self._open.items():
            if not expected.abandoned and (thread := self._find(folder)) is not None:
                thread.post(FetchLost(self._peer, request))
        self._open.clear()


class Answerer:
    """Our side of a lane that the peer opened: takes Fetches, sends content."""

    def __init__(
        self,
        peer: DeviceId,
        number: int,
        lane: Lane,
        find: Callable[[FolderId], FolderThread | None],
        readers: Executor,
        answer_bytes: int = ANSWER_BYTES,
    ) -> None:
        """answer_bytes: of content in one Data, at most, where it is more than one chunk."""
        self._answer_bytes = answer_bytes
        self._peer = peer
        self._number = number
        self._lane = lane
        self._find = find
        self._readers = readers
        self._serves: asyncio.Queue[tuple[FolderThread, Serve]] = asyncio.Queue()
        self._unanswered = 0

    def serve(self, thread: FolderThread, effect: Serve) -> None:
        """The engine has looked up where the content is."""
        self._serves.put_nowait((thread, effect))

    async def run(self) -> None:
        """Until the lane ends. Raises BadPeer."""
        async with asyncio.TaskGroup() as group:
            writer = group.create_task(self._answer())
            try:
                await self._listen()
            finally:
                writer.cancel()

    async def _listen(self) -> None:
        reader = LaneReader(self._lane)
        try:
            while (message := await reader.message()) is not None:
                if not isinstance(message, Fetch):
                    raise BadPeer("something else than a request on a bulk lane")
                self._unanswered += 1
                if self._unanswered > MAX_UNANSWERED:
                    raise BadPeer("more requests than a lane may have")
                thread = self._find(_folder(message.folder))
                if thread is None:  # withdrawn, perhaps while this was on its way
                    none: list[tuple[bytes, bytes | None]] = [(name, None) for name in message.identifiers]
                    await self._send(_folder(message.folder), message.request, none, last=True)
                    self._unanswered -= 1
                    continue
                thread.post(FetchAsked(self._peer, self._number, message.request, message.what, message.identifiers))
        except Unavailable:
            return

    async def _answer(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                thread, effect = await self._serves.get()
                batches = _Batches(_content(thread, effect), self._answer_bytes)
                last = False
                while not last:
                    batch, last = await loop.run_in_executor(self._readers, batches.next)
                    await self._send(thread.identity.keys.folder_id, effect.request, batch, last)
                self._unanswered -= 1
        except Unavailable:
            return

    async def _send(self, folder: FolderId, request: int, batch: list[tuple[bytes, bytes | None]], last: bool) -> None:
        items = [(name, data) for name, data in batch if data is not None]
        missing = tuple(name for name, data in batch if data is None)
        header = Data(folder, request, tuple((name, len(data)) for name, data in items), missing, last)
        await self._lane.write(b"".join((frame(FOLDER_MESSAGES.pack(header)), *(data for _, data in items))))


class _Batches:
    """Content by the Data. One that is larger than that is one piece, and so never beyond MAX_PIECE."""

    def __init__(self, pieces: Iterator[tuple[bytes, bytes | None]], most: int) -> None:
        self._pieces = pieces
        self._most = most
        self._held: tuple[bytes, bytes | None] | None = None

    def next(self) -> tuple[list[tuple[bytes, bytes | None]], bool]:
        """Reads on until a Data is full. True: that was all. Nothing is read before: it may take as long as a disk."""
        batch: list[tuple[bytes, bytes | None]] = []
        size = 0
        if self._held is None:
            self._held = next(self._pieces, None)
        while self._held is not None:
            size += len(self._held[1] or b"")
            if batch and size > self._most:
                return batch, False
            batch.append(self._held)
            self._held = next(self._pieces, None)
        return batch, True


def _content(thread: FolderThread, effect: Serve) -> Iterator[tuple[bytes, bytes | None]]:
    """Read as it is taken. A folder that is being opened anew has nothing now: its lane goes on to answer."""
    try:
        files = thread.reading()
    except Unavailable:
        return iter([(item.identifier, item.data) for item in effect.items])
    return sender.serve(files, thread.chunk_key, effect.items)


def _folder(raw: bytes) -> FolderId:
    return FolderId(raw)
