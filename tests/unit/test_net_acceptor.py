"""A listening socket of a process that has no descriptors left."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import TYPE_CHECKING, Any

from swarm.net import acceptor as module
from swarm.net.acceptor import Acceptor, listening_socket

if TYPE_CHECKING:
    import pytest


class Poor(socket.socket):
    """Accepts once there are descriptors."""

    def __init__(self) -> None:
        super().__init__(fileno=listening_socket("127.0.0.1", 0).detach())
        self.asked, self.rich = 0, False
        self.news = asyncio.Event()

    def accept(self) -> tuple[socket.socket, Any]:
        self.asked += 1
        self.news.set()
        if not self.rich:
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()

    async def until_asked(self, times: int) -> None:
        async with asyncio.timeout(5.0):
            while self.asked < times:
                self.news.clear()
                await self.news.wait()


def test_without_descriptors_it_rests_and_takes_whoever_waited_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.01)

    async def story() -> None:
        poor = Poor()
        come: asyncio.Queue[socket.socket] = asyncio.Queue()
        acceptor = Acceptor(poor, lambda sock, _: come.put_nowait(sock))
        with socket.create_connection(("127.0.0.1", acceptor.port)):
            await poor.until_asked(3)
            turns = poor.asked
            for _ in range(5):
                await asyncio.sleep(0)  # the socket is readable all the time
            assert poor.asked <= turns + 1, "it does not spin"
            poor.rich = True
            (await asyncio.wait_for(come.get(), 5.0)).close()
        acceptor.close()

    asyncio.run(story())


def test_one_that_is_closed_while_it_rests_stays_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.01)

    async def story() -> None:
        poor = Poor()
        wrong: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: wrong.append(context))
        acceptor = Acceptor(poor, lambda sock, _: sock.close())
        with socket.create_connection(("127.0.0.1", acceptor.port)):
            await poor.until_asked(1)
        acceptor.close()
        await asyncio.sleep(0.02)  # past the end of the rest
        assert poor.asked == 1
        assert not wrong

    asyncio.run(story())
