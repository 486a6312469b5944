"""What aimed scenarios are made of: a settled world, a moment to wait for, and the oracle's judgement at the end.

A drawn schedule meets a bad moment once in a thousand times; an aimed scenario brings it about on purpose, between two
exact system calls or messages of ours. Every scenario convicts at least one mutant of the program (`mutants.py`), which
the hunt tries before it draws schedules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.oracle import Oracle
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm.sync.files import Traits
    from tests.simulation.device import Device

TEMPS = ".swarm/tmp/"
OLD_SECONDS = 6.0  # after which an mtime is no longer fresh


def devices(count: int = 2, traits: Traits | None = None) -> tuple[World, list[Device]]:
    """Connected devices of one folder that the first one made, and an oracle."""
    world = World(1, count, traits)
    world.oracle = Oracle(world)
    world.devices[0].start(created=True)
    for device in world.devices[1:]:
        device.start()
    world.network.dial()
    world.settle()
    return world, world.devices


def judge(world: World) -> None:
    """Everything comes to rest, and the oracle has nothing to say."""
    world.network.heal()
    for one in world.devices:
        for other in world.devices:
            if one is not other:
                world.network.free(one, other)
    world.run(3.0)
    for of, aim in WAITING:
        if of is world:
            raise Missed(aim)
    world.settle()
    assert world.oracle is not None
    world.oracle.judge()


def part(one: Device, other: Device) -> None:
    """They do not hear of each other until `judge` or `join`."""
    one.world.network.bar(one, other)
    one.world.run(1.0)


def join(one: Device, other: Device) -> None:
    one.world.network.free(one, other)


class Missed(Exception):
    """The moment that a scenario aims at never came. That convicts nobody: the scenario is to be mended."""


def ahead(device: Device, operation: str, action: Callable[[], None], path: str = "", after: str = "") -> None:
    """`action`, once, right before our next system call of that name (or one of several, with bars between them), of a
    path that begins so. With `after` not before a call of that other name (or names) was seen."""
    files = device.files
    usual = files.before
    assert usual is not None
    aim = (device.world, f"{operation} {path}")
    WAITING.append(aim)
    seen = not after

    def before(called: str, at: str) -> None:
        nonlocal seen
        if aim in WAITING and seen and called in operation.split("|") and at.startswith(path):
            WAITING.remove(aim)
            action()
        seen = seen or called in after.split("|")
        usual(called, at)

    files.before = before


WAITING: list[tuple[World, str]] = []  # aims that did not come yet


def sneak(device: Device, path: str, data: bytes) -> None:
    """A user's write in place that keeps the size and brings the old mtime back, as `touch -r` does."""
    with device.user() as files:
        node = files.node(path)
        assert len(data) == len(node.data)
        mtime_ns = node.mtime_ns
        files.write_file(path, data)
        files.set_mtime(path, mtime_ns)
    device.tell(path, closed=True)


def write_unseen(device: Device, path: str, data: bytes) -> None:
    """A user's write of which the watcher tells no name: its queue overflowed, and it knows only that something was."""
    with device.user() as files:
        files.write_file(path, data)
    device.overflow()
