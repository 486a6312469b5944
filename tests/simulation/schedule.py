"""A schedule: who does what when, in one small world; drawn from a seed, or read from a stored one.

A schedule names every step with all that it needs, so that a step can be taken out and the rest still makes sense: that
is how a failing one is shrunk. `play` runs it, heals the world, and lets the oracle judge.
"""

from __future__ import annotations

import errno
import random
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from swarm.sync.files import Traits
from swarm.sync.memory_store import MemoryStore
from tests.simulation import users
from tests.simulation.liar import LIES, Liar
from tests.simulation.oracle import Oracle
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.device import Device

TROUBLE_SECONDS = 25.0  # in which steps happen
SETTLE_SECONDS = 400.0  # after healing: failures pause a minute at most, and clocks are compared every 45 s
ARMED_SECONDS = 3.0  # a step that waits for a system call happens at the latest then
UNREAD_SECONDS = 70.0  # in which what could not be read, or was no name for a disk, is tried again
WRITE_BACK_SECONDS = 6.0  # between two times that a kernel writes back, on average

KINDS = ("plain", "network", "crash", "disk", "database", "clock", "personality", "many", "liars", "everything")

PATHS = ("a.txt", "b", "d", "d/x", "d/y.txt", "d/sub", "d/sub/z", "e", "e/x", "e/f/g")
FOLDED = ("A.txt", "D/X", "café", "cafe\u0301")
GIT = ("r/.git/index", "r/.git/HEAD")

USER = {
    "write": 8,
    "write and sync": 3,
    "write slowly": 2,
    "save": 5,
    "save carelessly": 1,
    "recreate": 2,
    "write late": 2,
    "append": 2,
    "mkdir": 2,
    "remove": 6,
    "rename": 6,
    "copy": 2,
    "swap": 2,
    "chmod": 1,
    "touch": 1,
    "link": 1,
}
NETWORK = {"cut": 4, "bar": 4, "free": 4, "stick": 2, "break lanes": 1, "duplicate": 2, "overtake": 1}
CRASH = {"kill": 3, "power": 4, "overflow": 1}
DISK = {"fail": 6, "fill": 1, "empty": 2, "unmount": 2, "unplug": 1, "forbid": 1}
DATABASE = {"snapshot": 3, "lose": 2, "roll back": 3, "clone": 2}
CLOCK = {"jump": 4}
AIMS = ("exchange", "exchange", "rename_noreplace", "rename", "stat", "rmdir", "sync_directory", "read_at")
ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES, errno.EIO)

TRAITS = (
    Traits(exchange=False),
    Traits(exchange=False, noreplace=False),
    Traits(mtime_granularity_ns=2_000_000_000, exchange=False, noreplace=False, folds_case=True, symlinks=False),
    Traits(folds_case=True, folds_unicode=True),
    Traits(mtime_granularity_ns=1_000_000_000),
)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens."""

    when: float  # seconds from the beginning
    device: int
    what: str
    path: str = ""
    other: str = ""
    number: int = 0  # of the content; or an errno, a device, milliseconds, as `what` has it
    size: int = 0  # bytes of content
    calls: int = 0  # not 0: before that many-th system call of ours from then on
    at: str = ""  # not "": only system calls of that name count, and the path is the one that we are at work on


@dataclass(frozen=True, slots=True)
class Schedule:
    """Everything that makes a run what it is."""

    seed: int  # of what the world itself draws: delays, keys, what a crash leaves
    devices: int
    kind: str
    steps: tuple[Step, ...]
    traits: tuple[int, ...] = ()  # for each device from the first: which of TRAITS, -1 for none
    story: str = ""  # of a stored one: what went wrong

    def to_json(self) -> dict[str, object]:
        """Only what is not as usual."""
        usual = asdict(Step(0.0, 0, ""))
        steps = [
            {
                name: value
                for name, value in asdict(step).items()
                if name in ("when", "device", "what") or value != usual[name]
            }
            for step in self.steps
        ]
        return {**asdict(replace(self, steps=())), "steps": steps}

    @classmethod
    def from_json(cls, raw: dict[str, object]) -> Schedule:
        steps, traits = raw["steps"], raw["traits"]
        assert isinstance(steps, list)
        assert isinstance(traits, list | tuple)
        return cls(**{**raw, "steps": tuple(Step(**step) for step in steps), "traits": tuple(traits)})  # type: ignore[arg-type]


def draw(seed: int, kind: str = "", devices: int = 0) -> Schedule:
    """The schedule of that seed."""
    rng = random.Random(f"schedule {seed}")
    kind = kind or KINDS[seed % len(KINDS)]
    if not devices:
        devices = rng.choice((4, 5, 6, 8)) if kind == "many" else rng.choice((2, 2, 2, 3, 3, 4))
    steps: list[Step] = []
    paths = list(PATHS) + (list(GIT) if rng.random() < 0.15 else [])
    if kind == "personality":
        paths += FOLDED
    some = rng.sample(paths, rng.randint(2, 5)) if rng.random() < 0.6 else paths  # few paths: more that meet
    around = [
        group for name, group in _GROUPS.items() if kind == name or (kind in ("everything", "many") and name != "liars")
    ]
    end = rng.choice((3.0, 10.0, TROUBLE_SECONDS))
    for number in range(rng.randint(6, 30)):
        when = round(rng.random() * end, 3)
        device = rng.randrange(devices)
        calls = rng.randint(1, 40) if rng.random() < 0.4 else 0
        if around and rng.random() < 0.35:
            what = _choose(rng, rng.choice(around))
            steps.append(_world_step(rng, what, when, device, devices, calls))
            continue
        what = _choose(rng, USER)
        size = rng.choice((20, 20, 20, 60, 60, 5000, 0)) if rng.random() < 0.9 else rng.choice((40_000, 200_000))
        step = Step(when, device, what, rng.choice(some), rng.choice(some), seed * 1000 + number, size, calls)
        if calls and rng.random() < 0.6:
            step = replace(step, calls=rng.randint(1, 2), at=rng.choice(AIMS))
        if calls == 0 and rng.random() < 0.3:  # two users at one path at about the same time
            near = round(when + rng.choice((0.0, 0.01, 0.05, 0.3, 2.2)), 3)
            again = replace(step, when=near, device=rng.randrange(devices), number=step.number + 500)
            steps.append(replace(again, what=rng.choice(("write", "save", "remove", "append"))))
        steps.append(step)
    if rng.random() < 0.5:
        steps += [Step(0.0, d, "write", rng.choice(some), "", seed * 1000 + 900 + d, 20) for d in range(devices)]
    if kind == "database":
        device, saved = rng.randrange(devices), round(rng.random() * end, 3)
        steps.append(Step(saved, device, "snapshot"))
        back = min(round(saved + 0.5 + rng.random() * end, 3), TROUBLE_SECONDS - 2.0)
        steps.append(Step(back, device, "roll back"))
        steps.append(Step(round(back + 2.0 * rng.random(), 3), device, "write", "b", "", seed * 1000 + 950, 20))
    if kind in ("plain", "network") and rng.random() < 0.4:
        steps.append(Step(round(rng.random() * end, 3), 0, "late", "", "", 1 + rng.randrange(devices - 1)))
    traits: tuple[int, ...] = ()
    if kind == "personality" or (kind == "everything" and rng.random() < 0.3):
        traits = tuple(rng.randrange(-1, len(TRAITS)) for _ in range(devices))
    return Schedule(seed, devices, kind, tuple(sorted(steps, key=lambda step: step.when)), traits)


_GROUPS = {
    "network": NETWORK,
    "crash": CRASH,
    "disk": DISK,
    "database": DATABASE,
    "clock": CLOCK,
    "liars": dict.fromkeys(LIES, 1),
}


def _choose(rng: random.Random, weights: dict[str, int]) -> str:
    return rng.choices(list(weights), list(weights.values()))[0]


def _world_step(rng: random.Random, what: str, when: float, device: int, devices: int, calls: int) -> Step:
    other = (device + 1 + rng.randrange(devices - 1)) % devices
    match what:
        case "fail":
            return Step(when, device, what, "", "", rng.choice(ERRORS), rng.randint(1, 3), calls or rng.randint(1, 40))
        case "jump":
            ms = rng.choice((-1, 1)) * rng.choice((3, 500, 3_000, 60_000, 4_000_000, 400_000_000))
            return Step(when, device, what, "", "", ms)
        case "kill" | "power":
            return Step(when, device, what, "", "", rng.choice((200, 3000, 8000)), 0, calls)
        case "unmount":
            how = rng.choice(("missing", "broken", "empty"))
            return Step(when, device, what, how, "", rng.choice((500, 5000)), 0, 0 if how == "empty" else calls)
        case "unplug":
            return Step(when, device, what, "broken", "", rng.choice((500, 5000)), 0, calls)
        case "overflow" | "empty" | "fill" | "snapshot" | "lose" | "roll back" | "clone" | "forbid":
            return Step(when, device, what)
    path = rng.choice(PATHS) if what in LIES else ""
    return Step(when, device, what, path, "", other, 0, calls if what == "cut" else 0)


class Play:
    """One run of a schedule."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.world = World(schedule.seed, schedule.devices)
        for device, number in zip(self.world.devices, schedule.traits, strict=False):
            if number >= 0:
                device.files.traits = TRAITS[number]
        lies = any(step.what in LIES for step in schedule.steps)
        self.oracle = self.world.oracle = Oracle(self.world, lies=lies)
        self.liar = Liar(self.world, random.Random(f"liar {schedule.seed}"))
        self.done: list[tuple[float, Step]] = []  # in the order in which they happened
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
        if any(device.folder is not None and device.folder.status().cannot for device in world.devices):
            world.run(UNREAD_SECONDS)
            world.settle(SETTLE_SECONDS)
        self.oracle.judge()

    def _beginner(self, step: Step) -> Callable[[], None]:
        def begin() -> None:
            device = self.world.devices[step.device % len(self.world.devices)]
            if not step.calls or not device.runs:
                if step.what != "fail":  # which is for a system call of ours
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
            if step.what != "fail":
                self.world.after(ARMED_SECONDS, once)

        return begin

    def _do(self, device: Device, step: Step) -> None:
        world = self.world
        self.done.append((world.now - 1000, step))
        world.note(device.name, f"* {describe(step)}")
        other = world.devices[step.number % len(world.devices)]
        action = users.ACTIONS.get(step.what)
        if action is not None:
            if device.files._away is None:
                try:
                    action(device, step.path, step.other, users.content(step.number, step.size))
                except OSError:  # a full disk says no to users too
                    device.tell(step.path)
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
            case lie if lie in LIES:
                if device.runs and other is not device:
                    self.liar.lie(lie, device, other, step.path)

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
            node.mode = mode
            device.tell("d")
            device.tell("d/x")

        self.world.after(4.0, allow)

    def _unmount(self, device: Device, step: Step) -> None:
        if device.files._away is not None:
            return
        self.oracle.look(device)
        device.unmount(step.path)  # type: ignore[arg-type]

        def back() -> None:
            if step.what == "unplug":
                with self.oracle.crash(device):
                    device.files.crash(self.world.rng)
            device.mount()
            if device.wants_to_run and not device.runs:
                device.start()
            elif step.what == "unplug":
                device.overflow()  # it was mounted anew, and the watches went with the old mount

        self.world.after(step.number / 1000, back)

    def _change_database(self, device: Device, how: str) -> None:
        device.stop()
        self.oracle.doubles = True
        if how == "lose":
            device.store = MemoryStore()
        elif device.name in self._snapshots:
            device.store = self._snapshots.pop(device.name)
        self.oracle.forgot(device)
        self.world.after(1.0, lambda: device.start(cloned=how == "clone") if not device.runs else None)
        device.wants_to_run = True

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
        world.run(9.0)  # whatever ends by itself has ended
        for device in world.devices:
            if not device.runs:
                device.start()
        world.network.heal()
        world.network.cut_all_of(self.liar)
        world.run(2.0)


def _starter(device: Device) -> Callable[[], None]:
    def start() -> None:
        if not device.runs:
            device.start(created=device.owner and not device.created)

    return start


def describe(step: Step) -> str:
    """For people."""
    where = f" {step.path}" if step.path else ""
    there = f" to {step.other}" if step.what in ("rename", "copy", "link") else ""
    what = {
        "fail": f"system calls fail: {errno.errorcode.get(step.number, '')} {step.size} times",
        "cut": f"session with dev{step.number} is cut",
        "bar": f"cannot reach dev{step.number}",
        "free": f"can reach dev{step.number} again",
        "stick": f"what it sends to dev{step.number} no longer arrives",
        "kill": f"is killed, for {step.number} ms",
        "power": f"loses power, for {step.number} ms",
        "jump": f"wall clock jumps by {step.number} ms",
    }.get(step.what, f"{step.what}{where}{there}")
    if step.what in users.ACTIONS:
        what = f"user: {what}" + (f" (#{step.number}, {step.size} B)" if step.size else "")
    if step.at:
        return f"{what}, before {step.at} number {step.calls}"
    return what + (f", before system call {step.calls}" if step.calls else "")
