"""Who waits for a folder, while it is paused, moved, opened anew, or left."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from swarm.errors import UserError
from swarm.ids import DeviceId
from swarm.keys.chain import FolderKeys
from swarm.keys.device import DeviceKey
from swarm.keys.role import Role
from swarm.node.requests import Requests
from swarm.sync.files import Traits
from swarm.sync.folder import Folder, FolderStatus, Identity, MemberStatus
from swarm.sync.memory_store import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

KEYS = FolderKeys.create(b"o" * 32)
BOB = MemberStatus(DeviceId(b"b" * 32), "bob", Role.WRITE, identical=True, need_files=0, need_bytes=0)


def identical() -> FolderStatus:
    identity = Identity(KEYS, DeviceKey.create(b"d" * 32), "anna", 1, cloned=False, created=True)
    folder = Folder(identity, MemoryStore(), traits=Traits(), device_rules="", verify=lambda _: [])
    return replace(folder.status(), scanning=False, members=(BOB,))


class Thread:
    """A folder's thread that reaches its barriers when the test says so."""

    failure = None
    watch_trouble = at = ""

    def __init__(self) -> None:
        self.flushed = 5  # others have waited before
        self.asked = asyncio.Event()
        self.status = identical()
        self._loop = asyncio.get_running_loop()

    def flush(self) -> int:
        self.flushed += 1
        self._loop.call_soon_threadsafe(self.asked.set)
        return self.flushed

    def reach(self) -> None:
        self.status = replace(self.status, barrier=self.flushed)


class World:
    """One folder of a node that is nothing but its folders."""

    def __init__(self) -> None:
        self.thread = Thread()
        self.folder: Any = SimpleNamespace(keys=KEYS, name="Docs", root="/d", real="/d", paused_until=None, last=None)
        self.folder.thread = self.thread
        self.node: Any = SimpleNamespace(
            folders=SimpleNamespace(known={KEYS.folder_id: self.folder}),
            changed=asyncio.Condition(),
            book=SimpleNamespace(members=lambda _: {}),
            peers={},
            finder=SimpleNamespace(found={}, trouble=""),
        )
        requests: Any = Requests.__new__(Requests)
        requests._node, requests._hurried = self.node, 0.0
        self.wait = cast("Callable[..., Awaitable[Any]]", requests.wait)

    async def change(self) -> None:
        async with self.node.changed:
            self.node.changed.notify_all()
        await asyncio.sleep(0)

    async def began(self) -> asyncio.Task[Any]:
        """A wait whose barrier is on its way."""
        waiting = asyncio.ensure_future(self.wait("/d", None, 1, 20.0))
        await self.until_flushed()
        return waiting

    async def until_flushed(self) -> None:
        await self.folder.thread.asked.wait()
        await asyncio.sleep(0.01)  # the thread's answer is on its way to the loop


def test_a_wait_is_over_when_its_barrier_was_reached() -> None:
    async def story() -> None:
        world = World()
        waiting = await world.began()
        assert not waiting.done()
        world.thread.reach()
        await world.change()
        assert (await waiting).done

    asyncio.run(story())


def test_local_changes_are_told_to_who_waits_and_keep_nobody_waiting() -> None:
    async def story() -> None:
        world = World()
        world.thread.status = replace(world.thread.status, local_changes=1)
        waiting = await world.began()
        world.thread.reach()
        await world.change()
        waited = await waiting
        assert waited.done
        assert waited.missing == ("Docs has 1 local change, which this device's read-only key cannot share",)

    asyncio.run(story())


def test_a_wait_goes_on_with_the_thread_that_comes_after_a_pause() -> None:
    async def story() -> None:
        world = World()
        waiting = await world.began()
        world.folder.last, world.folder.thread = identical(), None
        await world.change()
        await asyncio.sleep(0.01)
        assert not waiting.done(), "what was known before says nothing of now"
        world.folder.thread = Thread()
        world.folder.thread.flushed = 0
        await world.change()
        await world.until_flushed()
        assert not waiting.done()
        world.folder.thread.reach()
        await world.change()
        assert (await waiting).done

    asyncio.run(story())


def test_a_wait_for_a_folder_that_is_left_says_so() -> None:
    async def story() -> None:
        world = World()
        waiting = await world.began()
        world.folder.thread = None
        await world.change()
        world.node.folders.known.clear()
        await world.change()
        with pytest.raises(UserError, match="is not shared here any more"):
            await waiting

    asyncio.run(story())
