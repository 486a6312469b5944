"""A folder that is halted while content for it is on its way: its next thread never sees the old answers."""

from __future__ import annotations

import asyncio
from typing import Any

from swarm.ids import DeviceId, FolderId
from swarm.node.bulk import Asker
from swarm.sync.events import Ask, DataArrived, FetchLost
from swarm.wire.framing import frame
from swarm.wire.messages import FOLDER_MESSAGES, Data, What

ONE, OTHER = FolderId(b"1" * 16), FolderId(b"2" * 16)
NAME = b"n" * 32


class Thread:
    def __init__(self) -> None:
        self.events: list[object] = []

    def post(self, event: object) -> None:
        self.events.append(event)


class Lane:
    """What arrives is given at once; then it waits for its end, and ends when we do."""

    def __init__(self, arrives: bytes) -> None:
        self.arrives = arrives
        self.closed = asyncio.Event()

    async def read(self, limit: int) -> bytes:
        data, self.arrives = self.arrives[:limit], self.arrives[limit:]
        if not data:
            await self.closed.wait()
        return data

    async def write(self, data: bytes) -> None:
        assert data

    def close(self) -> None:
        self.closed.set()


def answer(folder: FolderId) -> bytes:
    return frame(FOLDER_MESSAGES.pack(Data(folder, 1, ((NAME, 3),), (), True))) + b"abc"


def test_an_answer_of_a_halted_folder_is_taken_and_not_passed_on() -> None:
    async def run() -> None:
        peer = DeviceId(b"p" * 32)
        threads = {ONE: Thread(), OTHER: Thread()}
        lane: Any = Lane(answer(ONE) + answer(OTHER))
        find: Any = threads.get
        asker = Asker(peer, lane, find)
        ask = Ask(peer, 1, What.CHUNKS, (NAME,), 3)
        for folder in threads:
            await asker.ask(folder, ask)
        assert asker.abandon(ONE)
        assert lane.closed.is_set(), "no more is asked on this lane"
        await asker.take_answers()
        assert threads[ONE].events == []
        assert threads[OTHER].events == [DataArrived(peer, 1, ((NAME, b"abc"),), (), True)]

    asyncio.run(run())


def test_only_those_who_still_wait_are_told_that_the_lane_is_lost() -> None:
    async def run() -> None:
        peer = DeviceId(b"p" * 32)
        threads = {ONE: Thread(), OTHER: Thread()}
        lane: Any = Lane(b"")
        find: Any = threads.get
        asker = Asker(peer, lane, find)
        for folder in threads:
            await asker.ask(folder, Ask(peer, 7, What.CHUNKS, (NAME,), 3))
        assert asker.abandon(ONE)
        assert not asker.abandon(FolderId(b"3" * 16))
        await asker.take_answers()
        assert threads[ONE].events == []
        assert threads[OTHER].events == [FetchLost(peer, 7)]

    asyncio.run(run())
