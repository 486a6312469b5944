"""Users who act, and power that fails, between any two system calls of the installer."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swarm.disk.hasher import read
from swarm.disk.installer import run
from swarm.ids import NO_CONTENT, ContentId, Kind
from swarm.sync.events import Hash, Hashed, Run
from swarm.sync.files import HISTORY, Stat, Traits
from swarm.sync.memory_files import MemoryFileSystem
from swarm.sync.operation import (
    InstallFile,
    InstallLink,
    MakeDirectory,
    MoveFile,
    Operation,
    Outcome,
    Remove,
    Result,
    SetMetadata,
)
from swarm.sync.store import Local

KEY = bytes(range(32))
START = 1_700_000_000_000_000_000
YEAR = 365 * 86_400 * 1_000_000_000
OLD_FILES = ("docs/a.txt", "docs/empty.txt", "docs/b.txt", "docs/m.txt", "docs/c.txt", "gone/x")
ALL_TRAITS = [
    Traits(exchange=exchange, noreplace=noreplace) for exchange in (True, False) for noreplace in (True, False)
]
TRAIT_NAMES = [f"exchange {t.exchange}, noreplace {t.noreplace}" for t in ALL_TRAITS]
NEW = b"the new content of a" * 700  # more than one block, so that it could be torn
OTHER = b"something altogether new" * 300


class PowerFailure(BaseException):
    """Raised from within a system call; nobody catches it."""


@dataclass
class World:
    """A folder with a group of operations that is due in it, and users who are about."""

    traits: Traits
    step: int = 1000  # nanoseconds that pass with each look at the clock
    age: int = 60_000_000_000  # nanoseconds since the user last wrote what is there
    now: int = START
    calls: int = 0
    written: int = 0
    owed: set[bytes] = field(default_factory=set)  # what users wrote and have not themselves destroyed
    last: dict[str, bytes] = field(default_factory=dict)  # what users last wrote to a path, where they left it at that
    script: dict[int, list[tuple[str, str]]] = field(default_factory=dict)  # system call -> (action, path)
    power_fails_at: int = -1

    def __post_init__(self) -> None:
        self.files = MemoryFileSystem(self.clock, traits=self.traits)
        for path in OLD_FILES:
            self.act("write", path)
        self.files.symlink("a.txt", "docs/link")
        self.files.sync_all()
        self.files.sync_all()
        self.now += self.age
        self.operations = self.plan()
        self.files.before = self.before

    def clock(self) -> int:
        self.now += self.step
        return self.now

    def before(self, operation: str, path: str) -> None:
        with self.files.as_user():
            for action, where in self.script.get(self.calls, ()):
                self.act(action, where)
        if self.calls == self.power_fails_at:
            raise PowerFailure
        self.calls += 1

    # Users.

    def act(self, action: str, path: str) -> None:
        with suppress(OSError):  # it is a directory now, or its directory is gone: the user shrugs
            self._act(action, path)

    def _act(self, action: str, path: str) -> None:
        files = self.files
        kind = self.kind(path)
        self.last.pop(path, None)
        match action:
            case "write":
                if kind in (Kind.FILE, "nothing"):
                    self.destroy(path)
                    self.write(path)
                    self.last[path] = files.read_file(path)
            case "sly write":  # of the same size, and with the mtime that was there before
                if kind is Kind.FILE:
                    mtime_ns = files.stat(path).mtime_ns
                    self.destroy(path)
                    self.write(path)
                    self.last[path] = files.read_file(path)
                    files.set_mtime(path, mtime_ns)
            case "replace":
                if kind is not Kind.DIRECTORY:
                    draft = f"draft {self.written}"
                    self.write(draft)
                    self.destroy(path)
                    files.rename(draft, path)
                    self.last[path] = files.read_file(path)
            case "delete":
                if kind not in ("nothing", Kind.DIRECTORY):
                    self.destroy(path)
                    files.unlink(path)
            case "rename":
                if kind != "nothing":
                    self.written += 1
                    files.rename_noreplace(path, f"renamed {self.written}")
            case "directory":
                if kind not in ("nothing", Kind.DIRECTORY):
                    self.destroy(path)
                    files.unlink(path)
                self.destroy(f"{path}/inner")
                self.write(f"{path}/inner")
            case "chmod":
                if kind is Kind.FILE:
                    files.set_mode(path, 0o600)

    def write(self, path: str) -> None:
        self.written += 1
        data = b"user's version %06d" % self.written
        self.files.write_file(path, data)
        self.owed.add(data)

    def destroy(self, path: str) -> None:
        if self.kind(path) is Kind.FILE:
            self.owed.discard(self.files.read_file(path))

    def kind(self, path: str) -> Kind | str | None:
        try:
            return self.files.node(path).kind
        except OSError:
            return "nothing"

    # The plan.

    def plan(self) -> tuple[Operation, ...]:
        new, other = self.temp(NEW), self.temp(OTHER)
        moving = self.local("docs/b.txt")
        mtime = START - YEAR
        return (
            InstallFile("new.txt", None, self.content(other), len(OTHER), 0o640, mtime, other),
            InstallFile("docs/a.txt", self.local("docs/a.txt"), self.content(new), len(NEW), 0o600, mtime, new),
            InstallFile("docs/empty.txt", self.local("docs/empty.txt"), NO_CONTENT, 0, 0o644, mtime, ""),
            InstallLink("docs/link", self.local("docs/link"), "elsewhere", mtime),
            MakeDirectory("moved", 0o750),
            MoveFile("docs/b.txt", moving, "moved/b.txt", moving.content, 0o600, mtime),
            SetMetadata("docs/m.txt", self.local("docs/m.txt"), 0o755, mtime),
            Remove("docs/c.txt", self.local("docs/c.txt")),
            Remove("gone/x", self.local("gone/x")),
            Remove("gone", self.local("gone")),
        )

    def temp(self, data: bytes) -> str:
        temp = f".swarm/tmp/{data[:24].hex()}"
        self.files.write_file(temp, data, 0o600)
        return temp

    def content(self, path: str) -> ContentId:
        found = read(self.files, Hash(path, self.files.stat(path)), KEY)
        assert isinstance(found, Hashed)
        return found.content

    def local(self, path: str) -> Local:
        stat = self.files.stat(path)
        assert stat.kind is not None
        content = self.content(path) if stat.kind is Kind.FILE else NO_CONTENT
        target = self.files.read_link(path) if stat.kind is Kind.SYMLINK else ""
        return Local(
            stat.kind, stat.size, stat.mode, stat.mtime_ns, stat.ctime_ns, stat.inode, content, target, installed=()
        )

    def run(self) -> tuple[Result, ...]:
        results = run(self.files, Run(self.operations), KEY, lambda: self.now).results
        self.files.before = None
        assert [result.operation for result in results] == list(self.operations)
        return results

    # What is there.

    def kept(self) -> set[bytes | str | None]:
        """The contents at users' paths and in history."""
        return {value for path, (_, value) in self.files.tree(ours=True).items() if not path.startswith(".swarm/tmp/")}

    def data(self, path: str) -> bytes | str | None:
        found = self.files.tree(ours=True).get(path)
        return found[1] if found else None


def seen_by_the_scan(stat: Stat) -> Stat:
    return replace(stat, device=0)


def check_result(world: World, result: Result, contents: dict[ContentId, bytes]) -> None:
    """What a result says must be true, or must look untrue to the next scan."""
    operation = result.operation
    assert result.outcome is not Outcome.FAILED, result.why
    if isinstance(operation, InstallFile) and result.outcome is Outcome.RACED:
        assert world.data(operation.path) not in (NEW, OTHER)
    if result.outcome is not Outcome.DONE:
        return
    expected = None if isinstance(operation, MakeDirectory | MoveFile) else operation.expected
    if result.history and expected is not None and expected.kind is Kind.FILE:
        assert world.data(result.history) == contents[expected.content]
    if isinstance(operation, Remove):
        return
    assert result.stat is not None
    if world.kind(operation.path) == "nothing":
        return
    now = world.files.stat(operation.path)
    if seen_by_the_scan(now) != seen_by_the_scan(result.stat):
        return  # the user came later, and the scan will see it
    match operation:
        case InstallFile(temp=temp):
            assert world.data(operation.path) == (b"" if not temp else NEW if operation.size == len(NEW) else OTHER)
        case MoveFile(content=content):
            assert world.data(operation.path) == contents[content]
        case SetMetadata(expected=was):
            assert world.data(operation.path) == contents[was.content]
            assert (now.mode, now.mtime_ns) == (operation.mode, operation.mtime_ns)
        case InstallLink():
            assert world.data(operation.path) == "elsewhere"
        case MakeDirectory():
            assert now.kind is Kind.DIRECTORY


def known_contents(world: World) -> dict[ContentId, bytes]:
    return {world.content(path): world.files.read_file(path) for path in OLD_FILES}


actions = st.sampled_from(["write", "replace", "delete", "rename", "directory", "chmod"])
places = st.sampled_from([*OLD_FILES, "new.txt", "docs/link", "moved", "moved/b.txt", "docs", "gone"])
moments = st.integers(0, 120)
scripts = st.lists(st.tuples(moments, actions, places), max_size=6)


def play(world: World, script: list[tuple[int, str, str]], has_last_word: bool = True) -> None:
    contents = known_contents(world)
    world.calls = 0
    world.last.clear()
    world.files.before = world.before
    for moment, action, place in script:
        world.script.setdefault(moment, []).append((action, place))
    results = world.run()
    assert world.owed <= world.kept()
    if has_last_word:
        for path, data in world.last.items():
            assert world.data(path) == data, "what the user wrote last is not where they wrote it"
    if world.step:
        for result in results:
            check_result(world, result, contents)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(scripts, st.sampled_from(ALL_TRAITS), st.sampled_from([0, 1, 1000]), st.sampled_from([0, 60_000_000_000]))
def test_no_byte_of_a_user_is_lost_whenever_they_act(
    script: list[tuple[int, str, str]], traits: Traits, step: int, age: int
) -> None:
    play(World(traits, step=step, age=age), script, has_last_word=False)  # users may rename what is above a path


@pytest.mark.parametrize("traits", [ALL_TRAITS[0], ALL_TRAITS[-1]], ids=["modern", "old"])
@pytest.mark.parametrize("action", ["write", "replace", "delete", "directory"])
@pytest.mark.parametrize("path", ["docs/a.txt", "docs/b.txt", "docs/c.txt", "docs/m.txt", "new.txt"])
def test_one_action_at_every_moment(traits: Traits, action: str, path: str) -> None:
    quiet = World(traits)
    quiet.run()
    for moment in range(quiet.calls):
        play(World(traits), [(moment, action, path)])


@pytest.mark.parametrize("traits", ALL_TRAITS, ids=TRAIT_NAMES)
@pytest.mark.parametrize("path", ["docs/a.txt", "docs/b.txt", "docs/c.txt", "docs/m.txt"])
def test_a_write_that_no_stat_shows_is_seen_while_the_file_is_fresh(traits: Traits, path: str) -> None:
    quiet = World(traits)
    quiet.run()
    for moment in range(quiet.calls):
        play(World(traits, age=0), [(moment, "sly write", path)])


@pytest.mark.parametrize("traits", [ALL_TRAITS[0], ALL_TRAITS[-1]], ids=["modern", "old"])
def test_two_actions_on_one_file_at_every_pair_of_moments(traits: Traits) -> None:
    """Around the exchange, where what is put back may meet something newer still."""
    quiet = World(traits)
    calls: list[int] = []

    def watch(operation: str, path: str) -> None:
        if "a.txt" in path:
            calls.append(quiet.calls)
        quiet.calls += 1

    quiet.files.before = watch
    quiet.run()
    first, last = min(calls), max(calls) + 3
    for one in range(first, last):
        for other in range(one, last + 4):
            for action in ("write", "delete"):
                play(World(traits), [(one, "replace", "docs/a.txt"), (other, action, "docs/a.txt")])


@pytest.mark.parametrize("traits", ALL_TRAITS, ids=TRAIT_NAMES)
def test_nobody_about_and_everything_is_done(traits: Traits) -> None:
    world = World(traits)
    results = world.run()
    assert {result.outcome for result in results} == {Outcome.DONE}
    tree = world.files.tree()
    assert tree["new.txt"] == (Kind.FILE, OTHER)
    assert tree["docs/a.txt"] == (Kind.FILE, NEW)
    assert tree["docs/empty.txt"] == (Kind.FILE, b"")
    assert tree["docs/link"] == (Kind.SYMLINK, "elsewhere")
    assert "docs/b.txt" not in tree
    assert "moved/b.txt" in tree
    assert "docs/c.txt" not in tree
    assert "gone" not in tree
    for result in results:
        if result.stat is not None and result.stat.kind is not Kind.DIRECTORY:
            assert result.stat == world.files.stat(result.operation.path)
    assert not [path for path in world.files.tree(ours=True) if path.startswith(".swarm/tmp/")]


def check_whole(world: World, before: set[bytes]) -> None:
    """After a crash: every file at a user's path is whole, and nothing that was durable before is lost."""
    whole = before | {NEW, OTHER, b""}
    for path, (kind, value) in world.files.tree().items():
        if kind is Kind.FILE:
            assert value in whole, path
    assert before <= world.kept()


@pytest.mark.parametrize("traits", ALL_TRAITS, ids=TRAIT_NAMES)
@pytest.mark.parametrize("seed", range(3))
def test_the_power_fails_at_any_moment_and_no_file_is_torn(traits: Traits, seed: int) -> None:
    quiet = World(traits)
    quiet.run()
    for moment in range(quiet.calls):
        world = World(traits, power_fails_at=moment)
        before = set(world.owed)
        with pytest.raises(PowerFailure):
            run(world.files, Run(world.operations), KEY, lambda world=world: world.now)  # type: ignore[misc]
        world.files.before = None
        world.files.crash(random.Random(seed * 1000 + moment))
        check_whole(world, before)


@pytest.mark.parametrize("traits", ALL_TRAITS, ids=TRAIT_NAMES)
@pytest.mark.parametrize("seed", range(10))
def test_what_was_told_as_done_is_there_after_a_crash(traits: Traits, seed: int) -> None:
    world = World(traits)
    before = set(world.owed)
    results = world.run()
    as_told = world.files.tree()
    world.files.crash(random.Random(seed))
    assert world.files.tree() == as_told
    for result in results:
        if result.stat is not None:
            now = world.files.stat(result.operation.path)
            assert (now.mode, now.mtime_ns) == (result.stat.mode, result.stat.mtime_ns) or now.kind is Kind.DIRECTORY
    check_whole(world, before)
    assert [path for path in world.files.tree(ours=True) if path.startswith(HISTORY + "/docs/a~")]
