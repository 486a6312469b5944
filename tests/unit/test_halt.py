"""A folder that is to be halted, and whose thread takes longer to end than anybody waits."""

from __future__ import annotations

import asyncio
import math
from types import SimpleNamespace
from typing import Any

import pytest

from swarm.errors import UserError
from swarm.node import node as module
from swarm.node.node import Node


class Slow:
    """A thread in the middle of something long."""

    status = None

    def __init__(self) -> None:
        self.told, self.ends = 0, False

    def stop(self, _: float) -> bool:
        self.told += 1
        return self.ends


@pytest.mark.parametrize("paused", [False, True])
def test_a_thread_that_ends_late_is_replaced_unless_the_folder_was_paused(
    monkeypatch: pytest.MonkeyPatch, paused: bool
) -> None:
    monkeypatch.setattr(module, "STOP_SECONDS", 0.01)
    monkeypatch.setattr(module, "STOP_LOOK", 0.01)

    async def story() -> None:
        thread: Any = Slow()
        folder: Any = SimpleNamespace(thread=thread, name="Docs", last=None, paused_until=math.inf if paused else None)
        started: list[Any] = []
        node: Any = Node.__new__(Node)
        node._open = []
        node.start_folder = started.append
        node._notify_soon = lambda: None
        async with asyncio.TaskGroup() as node._group:
            refused = await asyncio.gather(node.halt_folder(folder), return_exceptions=True)
            assert isinstance(refused[0], UserError)
            assert folder.thread is thread
            thread.ends = True
        assert folder.thread is None
        assert started == ([] if paused else [folder])

    asyncio.run(story())
