"""One run of a schedule: its steps, each at its moment; then the healing, and the oracle's judgement."""

from __future__ import annotations

import errno
import random
from dataclasses import replace
from typing import TYPE_CHECKING

from swarm.ids import Kind
from swarm.index.paths import compose
from swarm.sync.memory_store import MemoryStore
from tests.simulation import faults, users
from tests.simulation.liar import FALSEHOODS, LIES, Liar
from tests.simulation.oracle import Oracle
from tests.simulation.schedule import LATER, TRAITS, TROUBLE_SECONDS, describe
from tests.simulation.witness import HISTORY, all_of, node_at
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.device import Device
    from tests.simulation.schedule import Schedule, Step

SETTLE_SECONDS = 400.0  # after healing: failures pause a minute at most, and clocks are compared every 45 s
ARMED_SECONDS = 3.0  # a step that waits for a system call happens at the latest then
UNREAD_SECONDS = 70.0  # in which what could not be read, or was no name for a disk, is tried again
WRITE_BACK_SECONDS = 6.0  # between two times that a kernel writes back, on average
CALLS_ONLY = ("fail", "short", "unsynced", "step", "elsewhere")  # steps that are for a system call of ours


class Play:
    """One run of a schedule."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.world = World(schedule.seed, schedule.devices)
        for device, number in zip(self.world.devices, schedule.traits, strict=False):
            if number >= 0:
                device.files.traits = TRAITS[number]
        for device in self.world.devices:
            device.sweeps = schedule.kind in LATER
            device.looks_late = schedule.kind == "late"
        lies = any(step.what in LIES + FALSEHOODS for step in schedule.steps)
        self.oracle = self.world.oracle = Oracle(self.world, lies=lies)
        self.liar = Liar(self.world, random.Random(f"liar {schedule.seed}"))
        self.done: list[tuple[float, Step]] = []  # in the order in which they happened
        self._cloned: dict[str, bool] = {}  # whether the database that a device starts with next says so
        self._snapshots: dict[str, MemoryStore] = {}

    def run(self) -> None:
        """Raises Conviction, or whatever the program itself does."""
        world, schedule = self.world, self.schedule
        begin = world.now
        late = {step.number: step.when for step in schedule.steps if step.what == "late"}
        for number, device in enumerate(world.devices):
            if number in late:
                world.after(late[number], _starter(device))
            else:
                device.start(created=number == 0)
            self._write_back_later(device)
        for step in schedule.steps:
            if step.what != "late":
                world.at(begin + step.when, self._beginner(step))
        world.network.dial()
        last = max((step.when for step in schedule.steps), default=0.0)
        world.run(min(last, TROUBLE_SECONDS) + ARMED_SECONDS + 0.5)
        self._heal()
        world.settle(SETTLE_SECONDS)
        cannot = any(device.folder is not None and device.folder.status().cannot for device in world.devices)
        if cannot or schedule.kind in LATER:
            world.run(UNREAD_SECONDS)
            world.settle(SETTLE_SECONDS)
        self.oracle.judge()

    def _beginner(self, step: Step) -> Callable[[], None]:
        def begin() -> None:
            device = self.world.devices[step.device % len(self.world.devices)]
            if not step.calls or not device.runs:
                if step.what not in CALLS_ONLY:
                    self._do(device, step)
                return
            happened = False

            def once() -> None:
                nonlocal happened
                if not happened:
                    happened = True
                    self._do(device, step)

            if step.at:

                def aimed(path: str) -> None:
                    nonlocal happened
                    if not happened:
                        happened = True
                        self._do(device, replace(step, path=path or step.path))

                device.aimed.append((step.at, step.calls, aimed))
            else:
                device.armed.append((device.calls + step.calls, once))
            if step.what not in CALLS_ONLY:
                self.world.after(ARMED_SECONDS, once)

        return begin

    def _do(self, device: Device, step: Step) -> None:
        world = self.world
        if device.files.traits.decomposes:  # whatever a user types there, this is what the name is
            step = replace(step, path=compose(step.path), other=compose(step.other))
        self.done.append((world.now - 1000, step))
        world.note(device.name, f"* {describe(step)}")
        other = world.devices[step.number % len(world.devices)]
        action = users.ACTIONS.get(step.what)
        if action is not None:
            if device.files._away is None:
                try:
                    action(device, step.path, step.other, users.content(step.number, step.size))
                except OSError:  # a full disk says no to users too, and keeps the empty file
                    for path in filter(None, (step.path, step.other)):
                        device.tell(path)
            return
        match step.what:
            case "cut" if other is not device:
                world.network.cut(device, other, at_once=False)
            case "bar" if other is not device:
                world.network.bar(device, other)
            case "free" if other is not device:
                world.network.free(device, other)
            case "stick" if other is not device:
                world.network.stick(device, other)
                world.after(8.0, lambda: world.network.cut(device, other, at_once=False))
            case "break lanes":
                world.network.lost_lanes = 0.3
            case "duplicate":
                world.network.duplicates = 0.3
            case "overtake":
                world.network.overtaking = 0.3
                self.oracle.overtaken = True
            case "kill" | "power":
                self._end_life(device, step)
            case "overflow":
                device.overflow()
            case "fail":
                self._fail(device, step.number, step.size)
            case "fill":
                device.files.capacity = device.files._disk.used + 50
            case "empty":
                device.files.capacity = 1 << 40
            case "forbid":
                self._forbid(device)
            case "unmount" | "unplug":
                self._unmount(device, step)
            case "snapshot":
                self._snapshots[device.name] = device.store.snapshot()
            case "lose" | "roll back" | "clone":
                self._change_database(device, step.what)
            case "jump":
                device.skew_ms += step.number
            case lie if lie in LIES + FALSEHOODS:
                if device.runs and other is not device:
                    self.liar.lie(lie, device, other, step.path)
            case "twin":
                self._twin(device, noticed=step.path == "noticed")
            case what if what in faults.ACTIONS:
                faults.ACTIONS[what](device, step)

    def _end_life(self, device: Device, step: Step) -> None:
        if not device.runs:
            return

        def then() -> None:
            device.stop()
            device.wants_to_run = True
            if step.what == "power":
                with self.oracle.crash(device):
                    device.files.crash(self.world.rng)
            self.world.after(step.number / 1000, _starter(device))

        device.power_cut(then)

    def _fail(self, device: Device, code: int, times: int) -> None:
        """This system call fails, and some after it."""
        if times > 1:
            device.armed.append((device.calls + 1, lambda: self._fail(device, code, times - 1)))
        raise OSError(code, errno.errorcode[code])

    def _forbid(self, device: Device) -> None:
        """A directory can not be listed for a while."""
        try:
            node = device.files.node("d")
        except OSError:
            return
        if not node.mode & 0o400:
            return  # it is forbidden already, here or wherever that came from: who does so twice allows it once
        mode, node.mode = node.mode, 0o000
        device.tell("d")

        def allow() -> None:
            if node.mode & 0o400:
                return  # somebody, perhaps of another device, has said what it shall be
            node.mode = mode
            device.tell("d")
            device.tell("d/x")

        self.world.after(4.0, allow)

    def _allow(self, device: Device) -> None:
        """What is still forbidden is allowed, wherever it is by now: a crash may have brought it back, a user of
        another device have renamed it before it was allowed there, or something else have taken its place."""
        seen = all_of(device.files)
        for path, (kind, _) in (seen | all_of(device.files, HISTORY)).items():
            node = node_at(device.files, path)
            if kind in (Kind.FILE, Kind.DIRECTORY) and not node.mode & 0o400:
                node.mode = 0o755
                if path in seen:
                    device.tell(path)

    def _unmount(self, device: Device, step: Step) -> None:
        if device.files._away is not None:
            return
        self.oracle.look(device)
        device.unmount(step.path)  # type: ignore[arg-type]

        def back() -> None:
            if step.what == "unplug":
                with self.oracle.crash(device):
                    device.files.crash(self.world.rng)
                device.files._disk.renumber(device=device.files._disk.device + 10)  # the old one is still in use
            device.mount()
            if device.wants_to_run and not device.runs:
                device.start()
            elif step.what == "unplug":
                device.overflow()  # it was mounted anew, and the watches went with the old mount

        self.world.after(step.number / 1000, back)

    def _change_database(self, device: Device, how: str) -> None:
        device.stop()
        self.oracle.doubles = True
        if how == "roll back" and device.name in self._snapshots:
            self.oracle.may_double(self._snapshots[device.name], device)
        if how == "lose":
            device.store, self._cloned[device.name] = MemoryStore(), False
        elif device.name in self._snapshots:
            device.store, self._cloned[device.name] = self._snapshots.pop(device.name), how == "clone"
        self.oracle.forgot(device)

        def start() -> None:
            if not device.runs:
                device.start(cloned=self._cloned.pop(device.name, False))

        self.world.after(1.0, start)
        device.wants_to_run = True

    def _twin(self, device: Device, noticed: bool) -> None:
        """The machine is copied, and both copies run. `noticed`: the copy's database knows that it was copied."""
        if len(self.world.devices) > self.schedule.devices or not device.runs or device.files._away is not None:
            return  # one is enough
        twin = self.world.clone(device)
        self.oracle.cloned(device, twin, noticed)
        twin.start(cloned=noticed)
        self._write_back_later(twin)

    def _write_back_later(self, device: Device) -> None:
        def write_back() -> None:
            if device.files._away is None:
                device.write_back()
            self._write_back_later(device)

        self.world.after(WRITE_BACK_SECONDS * (0.5 + self.world.rng.random()), write_back)

    def _heal(self) -> None:
        world = self.world
        for device in world.devices:
            device.armed.clear()
            device.aimed.clear()
            device.files.capacity = 1 << 40
            device.refusals.end()
        world.run(9.0)  # whatever ends by itself has ended
        for device in world.devices:
            if not device.runs:
                device.start()
            self._allow(device)
        world.network.heal()
        world.network.cut_all_of(self.liar)
        world.run(2.0)


def _starter(device: Device) -> Callable[[], None]:
    def start() -> None:
        if not device.runs:
            device.start(created=device.owner and not device.created)

    return start
