"""Who asks on a bulk lane is answered, whatever has become of the folder."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from swarm.disk import sender
from swarm.errors import Unavailable
from swarm.ids import DeviceId, FolderId
from swarm.node.bulk import Answerer
from swarm.sync.events import Serve, ServeItem
from swarm.wire.framing import Deframer
from swarm.wire.messages import FOLDER_MESSAGES, Data

if TYPE_CHECKING:
    import pytest

FOLDER, PEER, NAME = FolderId(b"1" * 16), DeviceId(b"p" * 32), b"n" * 32


class Lane:
    """Keeps what is written; nothing ever comes."""

    def __init__(self) -> None:
        self.wrote: asyncio.Queue[bytes] = asyncio.Queue()

    async def read(self, limit: int) -> bytes:
        await asyncio.Event().wait()
        return bytes(limit)

    async def write(self, data: bytes) -> None:
        self.wrote.put_nowait(data)

    def close(self) -> None: ...


class Folder:
    """The thread of a folder that is being opened anew."""

    identity = SimpleNamespace(keys=SimpleNamespace(folder_id=FOLDER))
    chunk_key = bytes(32)

    def reading(self) -> object:
        raise Unavailable("it is not open")


def served(thread: object, numbers: int) -> list[Data]:
    """What an answerer says to so many requests."""

    async def run() -> list[Data]:
        lane: Any = Lane()
        folder: Any = thread
        with ThreadPoolExecutor(1, "serve") as readers:
            answerer = Answerer(PEER, 1, lane, lambda _: folder, readers)
            task = asyncio.ensure_future(answerer.run())
            said = []
            for number in range(numbers):
                answerer.serve(folder, Serve(PEER, 1, number, (ServeItem(NAME, None, None, ()),)))
                deframer = Deframer(1 << 16)
                deframer.push(await asyncio.wait_for(lane.wrote.get(), 10))
                payload = deframer.pop()
                assert payload is not None
                said.append(FOLDER_MESSAGES.unpack(payload, 1 << 16))
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return [message for message in said if isinstance(message, Data)]

    return asyncio.run(run())


def test_a_folder_that_is_being_opened_has_nothing_and_its_lane_lives_on() -> None:
    first, second = served(Folder(), 2)
    assert (first.missing, first.last, second.missing) == ((NAME,), True, (NAME,))


def test_the_loop_never_waits_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    reading: set[str] = set()

    def serve(*_: object) -> Any:
        reading.add(threading.current_thread().name)
        yield NAME, None

    monkeypatch.setattr(sender, "serve", serve)
    thread = Folder()
    thread.reading = lambda: None  # type: ignore[method-assign]
    served(thread, 1)
    assert {name.partition("_")[0] for name in reading} == {"serve"}
