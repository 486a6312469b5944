"""One peer's control lane, without a network."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from swarm.ids import DeviceId, FolderId
from swarm.keys.role import Role
from swarm.node.peer import UNHEARD_BYTES, UNHEARD_EVENTS, Peer
from swarm.session.events import Authenticated, MemberJoined, MessageReceived, PeerReady

FOLDER, BOB = FolderId(b"f" * 16), DeviceId(b"b" * 32)


class Chatter:
    """A member's link and lane: it speaks on for as long as it is read. For ever, if need be."""

    dialled, address = True, ("192.0.2.1", 1)
    route, on_route = "relayed", None

    def __init__(self) -> None:
        self.read_bytes = 0
        self.much = asyncio.Event()  # more was read than a folder that does not listen lets through

    async def open_lane(self) -> Chatter:
        return self

    async def accept_lane(self) -> Chatter:
        await asyncio.Event().wait()
        return self

    async def read(self, limit: int) -> bytes:
        await asyncio.sleep(0)
        self.read_bytes += limit
        if self.read_bytes > 3 * UNHEARD_BYTES:
            self.much.set()
        return bytes(limit)

    async def write(self, data: bytes) -> None: ...

    def trust(self) -> None: ...

    def close(self, reason: str = "") -> None: ...


def test_a_member_that_speaks_faster_than_a_folder_hears_has_to_wait() -> None:
    async def story() -> None:
        link, inbox = Chatter(), SimpleNamespace(backlog=UNHEARD_EVENTS + 1, post=lambda _: None)
        first = [
            Authenticated(BOB),
            PeerReady(BOB, "bob", bytes(8), 1, "swarm", ()),
            MemberJoined(FOLDER, Role.WRITE, b""),
        ]
        said: Any = MessageReceived(SimpleNamespace(folder=FOLDER))
        session = SimpleNamespace(
            start=lambda: b"", data_to_send=lambda: b"", receive=lambda _: [first.pop(0)] if first else [said]
        )
        nobody: Any = lambda *_: None  # noqa: E731
        peer = Peer(
            link,  # type: ignore[arg-type]
            session,  # type: ignore[arg-type]
            find=nobody,
            inbox=lambda _: inbox,
            readers=nobody,
            listener=None,
            up=None,
            down=None,
            on_ready=lambda _: True,
            on_joined=nobody,
            on_left=nobody,
            on_told=nobody,
            on_routes=nobody,
            on_rerouted=nobody,
            on_end=nobody,
        )
        task = asyncio.ensure_future(peer.run())
        for _ in range(2000):
            await asyncio.sleep(0)
        stopped = link.read_bytes
        assert UNHEARD_BYTES < stopped < 2 * UNHEARD_BYTES
        inbox.backlog = 0
        await asyncio.wait_for(link.much.wait(), 10)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(story())
