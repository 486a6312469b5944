"""A schedule: who does what when, in one small world; drawn from a seed, or read from a stored one.

A schedule names every step with all that it needs, so that a step can be taken out and the rest still makes sense: that
is how a failing one is shrunk. `play.py` runs it, heals the world, and lets the oracle judge.

A seed keeps its meaning. What is new in the world therefore comes in kinds of its own, `LATER`, which seeds from
`LATER_SEEDS` on draw, or `--kind` asks for.
"""

from __future__ import annotations

import errno
import random
from dataclasses import asdict, dataclass, replace

from swarm.sync.files import Traits
from tests.simulation import users
from tests.simulation.liar import FALSEHOODS, LIES
from tests.simulation.pools import POOLS
from tests.simulation.refusals import WHAT

TROUBLE_SECONDS = 25.0  # in which steps happen

FIRST = ("plain", "network", "crash", "disk", "database", "clock", "personality", "many", "liars", "everything")
LATER_SEEDS = 1_000_000
GENERATIONS = (  # from which seed on which kinds are drawn
    (3_000_000, ("late",)),
    (2_000_000, ("decomposed",)),
    (LATER_SEEDS, ("store", "clones", "marker", "short", "threads", "falsehoods", "faults")),
    (0, FIRST),
)
KINDS = tuple(kind for _, kinds in reversed(GENERATIONS) for kind in kinds)
LATER = KINDS[len(FIRST) :]

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
LATE = {"write late": 20, "save": 10}
NETWORK = {"cut": 4, "bar": 4, "free": 4, "stick": 2, "break lanes": 1, "duplicate": 2, "overtake": 1}
CRASH = {"kill": 3, "power": 4, "overflow": 1}
DISK = {"fail": 6, "fill": 1, "empty": 2, "unmount": 2, "unplug": 1, "forbid": 1}
DATABASE = {"snapshot": 3, "lose": 2, "roll back": 3, "clone": 2}
CLOCK = {"jump": 4}
STORE = {"refuse": 6, "kill": 1, "power": 1}
CLONES = {"twin": 3, "cut": 2, "kill": 1, "power": 1}
MARKER = {"unmark": 3, "foreign": 2, "aside": 2, "replaced": 1, "remount": 2, "cover": 2, "unmount": 1, "unplug": 1}
SHORT = {"short": 6, "fail": 3, "unsynced": 3, "fill": 1, "empty": 2, "power": 2}
THREADS = {"step": 4, "elsewhere": 4, "fail": 1}
AIMS = ("exchange", "exchange", "rename_noreplace", "rename", "stat", "rmdir", "sync_directory", "read_at")
ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES, errno.EIO)

TRAITS = (
    Traits(exchange=False),
    Traits(exchange=False, noreplace=False),
    Traits(mtime_granularity_ns=2_000_000_000, exchange=False, noreplace=False, folds_case=True, symlinks=False),
    Traits(folds_case=True, folds_unicode=True),
    Traits(mtime_granularity_ns=1_000_000_000),
    Traits(exchange=False, mtime_granularity_ns=1_000_000_000, folds_unicode=True, decomposes=True),  # HFS+
)
EARLY = 5  # of them, that seeds below LATER_SEEDS draw


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
    kinds = next(kinds for first, kinds in GENERATIONS if seed >= first)
    kind = kind or kinds[seed % len(kinds)]
    if not devices:
        devices = rng.choice((4, 5, 6, 8)) if kind == "many" else rng.choice((2, 2, 2, 3, 3, 4))
    steps: list[Step] = []
    paths = list(PATHS) + (list(GIT) if rng.random() < 0.15 else [])
    if kind in ("personality", "decomposed"):
        paths += FOLDED
    some = rng.sample(paths, rng.randint(2, 5)) if rng.random() < 0.6 else paths  # few paths: more that meet
    around = _around(kind)
    end = rng.choice((3.0, 10.0, TROUBLE_SECONDS))
    for number in range(rng.randint(6, 30)):
        when = round(rng.random() * end, 3)
        device = rng.randrange(devices + (kind in WITH_TWINS))
        calls = rng.randint(1, 40) if rng.random() < 0.4 else 0
        if around and rng.random() < 0.35:
            what = _choose(rng, rng.choice(around))
            steps.append(_world_step(rng, what, when, device, devices, calls))
            continue
        what = _choose(rng, USER | LATE if kind == "late" else USER)
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
        traits = tuple(rng.randrange(-1, EARLY) for _ in range(devices))
    if kind == "decomposed":
        traits = tuple(rng.choice((-1, EARLY)) for _ in range(devices))
    return Schedule(seed, devices, kind, tuple(sorted(steps, key=lambda step: step.when)), traits)


WITH_TWINS = ("clones", "faults")

_GROUPS = {
    "network": NETWORK,
    "crash": CRASH,
    "disk": DISK,
    "database": DATABASE,
    "clock": CLOCK,
    "liars": dict.fromkeys(LIES, 1),
}
_LATER_GROUPS = {
    "store": STORE,
    "clones": CLONES,
    "marker": MARKER,
    "short": SHORT,
    "threads": THREADS,
    "decomposed": NETWORK | CRASH,
    "late": {"cut": 2, "aside": 1, "remount": 1, "replaced": 1, "step": 2, "elsewhere": 2},
    "falsehoods": dict.fromkeys(FALSEHOODS, 2) | dict.fromkeys(LIES, 1),
}


def _around(kind: str) -> list[dict[str, int]]:
    """The groups of what may happen beside what users do."""
    if kind == "faults":
        groups = _GROUPS | _LATER_GROUPS
        return [group for name, group in groups.items() if name not in ("liars", "falsehoods", "late")]
    if kind in LATER:
        return [_LATER_GROUPS[kind]]
    return [
        group for name, group in _GROUPS.items() if kind == name or (kind in ("everything", "many") and name != "liars")
    ]


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
        case "refuse":
            ms = rng.choice((0, 0, 500, 5000))
            return Step(when, device, what, rng.choice(WHAT), "", ms, rng.choice((1, 1, 1, 2, 5, 20)))
        case "twin":
            return Step(when, device, what, rng.choice(("noticed", "unnoticed")))
        case "unmark" | "foreign" | "aside" | "replaced" | "remount" | "cover":
            where = "d" if what == "cover" else ""
            return Step(when, device, what, where, "", rng.choice((500, 3000, 8000)), 0, calls)
        case "short" | "unsynced":
            at = "write_at" if what == "short" else "sync"
            return Step(when, device, what, "", "", rng.choice(ERRORS), rng.randint(0, 100), rng.randint(1, 3), at)
        case "step" | "elsewhere":
            pool = rng.choice(POOLS) if what == "elsewhere" else ""
            return Step(when, device, what, pool, "", 0, 0, calls or rng.randint(1, 40))
    path = rng.choice(PATHS) if what in LIES + FALSEHOODS else ""
    return Step(when, device, what, path, "", other, 0, calls if what == "cut" else 0)


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
        "refuse": f"its database refuses a {step.path}, the next but {step.size - 1}, and all for {step.number} ms",
        "twin": f"is copied, database, identity and disk, and both run ({step.path})",
        "unmark": f"the marker is removed, for {step.number} ms",
        "foreign": f"another folder is mounted in its place, for {step.number} ms",
        "aside": f"the folder is put aside, an empty directory in its place, for {step.number} ms",
        "replaced": "a copy of the folder takes its place",
        "remount": f"its disk goes away and comes back as another device, after {step.number} ms",
        "cover": f"something else is mounted on {step.path}, for {step.number} ms",
        "short": f"a write ends after {step.size} % with {errno.errorcode.get(step.number, '')}",
        "unsynced": f"a sync fails with {errno.errorcode.get(step.number, '')}, and the next one says that all is well",
        "step": "the engine takes a step",
        "elsewhere": f"the pool {step.path} takes its turn",
    }.get(step.what, f"{step.what}{where}{there}")
    if step.what in users.ACTIONS:
        what = f"user: {what}" + (f" (#{step.number}, {step.size} B)" if step.size else "")
    if step.at:
        return f"{what}, before {step.at} number {step.calls}"
    return what + (f", before system call {step.calls}" if step.calls else "")
