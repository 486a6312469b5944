"""The folders of a node: halts that take long, pauses that end by themselves, and what is offered to members."""

from __future__ import annotations

import asyncio
import math
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from swarm.errors import UserError
from swarm.node import folders as module
from swarm.node.folders import Folders
from swarm.sync.events import ScanWanted

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = b"f" * 32


class Thread:
    """A thread that ends when it is allowed to."""

    status = None

    def __init__(self, ends: bool = False, on_stop: Callable[[], None] = lambda: None) -> None:
        self.ends, self.on_stop = ends, on_stop
        self.posted: list[object] = []

    def stop(self, _: float) -> bool:
        self.on_stop()
        return self.ends

    def post(self, event: object) -> None:
        self.posted.append(event)


class World:
    """Folders that start nothing, and what they tell."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.started: list[Any] = []
        folders: Any = Folders  # without its types: what it holds here is no real folder
        self.folders = folders(
            SimpleNamespace(folders=list),
            identify=lambda keys, created: pytest.fail("nobody starts"),
            outlet=lambda thread, effects: None,
            on_status=lambda thread: None,
            on_offered=lambda keys: self.told.append("offered"),
            on_withdrawn=lambda folder: self.told.append("withdrawn"),
            on_preview_over=lambda: self.told.append("preview over"),
            on_change=lambda: self.told.append("changed"),
        )
        self.folders.start = self.started.append

    def folder(self, thread: Thread | None, paused_until: float | None = None) -> Any:
        """One that this device has."""
        keys = SimpleNamespace(folder_id=FOLDER)
        home = SimpleNamespace(set_paused=lambda until: self.told.append(f"paused until {until}"))
        folder: Any = SimpleNamespace(
            keys=keys, home=home, thread=thread, name="Docs", last=None, hints="hints", paused_until=paused_until
        )
        self.folders.known[FOLDER] = folder
        return folder


@pytest.mark.parametrize("paused", [False, True])
def test_a_thread_that_ends_late_is_replaced_unless_the_folder_was_paused(
    monkeypatch: pytest.MonkeyPatch, paused: bool
) -> None:
    monkeypatch.setattr(module, "STOP_LOOK", 0.01)

    async def story() -> None:
        world = World()
        thread: Any = Thread()
        folder = world.folder(thread, math.inf if paused else None)
        async with asyncio.TaskGroup() as group:
            world.folders.begin(group)
            refused = await asyncio.gather(world.folders.halt(folder), return_exceptions=True)
            assert isinstance(refused[0], UserError)
            assert folder.thread is thread
            thread.ends = True
        assert folder.thread is None
        assert world.started == ([] if paused else [folder])

    asyncio.run(story())


def test_a_folder_leaves_the_conversations_before_its_thread_ends() -> None:
    async def story() -> None:
        world = World()
        folder = world.folder(Thread(ends=True, on_stop=lambda: world.told.append("stopped")))
        await world.folders.halt(folder)
        assert world.told == ["withdrawn", "stopped", "changed"]
        assert folder.thread is None

    asyncio.run(story())


def test_a_pause_that_was_over_before_the_daemon_began_is_ended_and_forgotten() -> None:
    async def story() -> None:
        world = World()
        folder = world.folder(None, paused_until=time.time() - 1)
        async with asyncio.TaskGroup() as group:
            world.folders.begin(group)
            world.folders.end_pause_later(folder)
        assert folder.paused_until is None
        assert world.told == ["paused until None"]
        assert world.started == [folder]

    asyncio.run(story())


def test_a_pause_that_was_changed_meanwhile_does_not_end_by_the_old_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_LOOK", 0.001)

    async def story() -> None:
        world = World()
        folder = world.folder(None, paused_until=time.time() + 0.02)
        async with asyncio.TaskGroup() as group:
            world.folders.begin(group)
            world.folders.end_pause_later(folder)
            await asyncio.sleep(0)
            folder.paused_until = math.inf
        assert world.started == []

    asyncio.run(story())


def test_a_paused_folder_is_offered_to_nobody_and_not_looked_through() -> None:
    world, thread = World(), Thread()
    folder = world.folder(None, paused_until=math.inf)
    assert world.folders.offered() == world.folders.hints() == []
    assert world.folders.inbox(folder.keys.folder_id) is None
    world.folders.scan()
    folder.thread = thread
    assert world.folders.offered() == [folder.keys]
    assert world.folders.hints() == ["hints"]
    assert world.folders.inbox(folder.keys.folder_id) is folder.thread
    world.folders.scan()
    assert thread.posted == [ScanWanted()]


def test_a_preview_takes_what_peers_say_of_a_folder_that_is_not_here_and_is_gone_at_its_end() -> None:
    async def story() -> None:
        world, ended = World(), []
        preview: Any = SimpleNamespace(
            identity=SimpleNamespace(keys="keys"), hints="hints", stop=lambda: ended.append(True)
        )
        world.folders.previews[FOLDER] = preview
        assert world.folders.offered() == ["keys"]
        assert world.folders.inbox(FOLDER) is preview
        await world.folders.end_preview(FOLDER)
        assert world.folders.inbox(FOLDER) is None
        assert world.told == ["withdrawn", "preview over"]
        assert ended == [True]

    asyncio.run(story())
