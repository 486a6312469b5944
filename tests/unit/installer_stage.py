"""What the tests of the installer share: a disk in memory, its clock, and what goes wrong between two calls."""

import errno
from collections.abc import Callable

from swarm.disk.hasher import read
from swarm.disk.installer import run
from swarm.disk.placement import Late
from swarm.ids import NO_CONTENT, Kind
from swarm.sync.events import Hash, Hashed, Run
from swarm.sync.files import FileSystem, Traits
from swarm.sync.memory_files import MemoryFileSystem
from swarm.sync.operation import (
    InstallFile,
    Operation,
    Result,
)
from swarm.sync.store import Local
from tests.unit.marked_files import marked

KEY = bytes(range(32))
START = 1_700_000_000_000_000_000
MTIME = 1_600_000_000_123_456_789
TEMP = ".swarm/tmp/temp"
NEW = b"the new content"


class Clock:
    def __init__(self) -> None:
        self.ns = START

    def __call__(self) -> int:
        self.ns += 1_000
        return self.ns


def memory(**traits: bool | int) -> MemoryFileSystem:
    return marked(Clock(), traits=Traits(**traits))  # type: ignore[arg-type]


def perform(files: FileSystem, *operations: Operation, late: list[Late] | None = None) -> tuple[Result, ...]:
    return run(files, Run(operations), KEY, lambda: START + 3_600_000_000_000, late).results


def local(files: FileSystem, path: str) -> Local:
    stat = files.stat(path)
    assert stat.kind is not None
    content, target = NO_CONTENT, ""
    if stat.kind is not Kind.DIRECTORY:
        found = read(files, Hash(path, stat), KEY)
        assert isinstance(found, Hashed)
        content, target = found.content, found.target
    return Local(stat.kind, stat.size, stat.mode, stat.mtime_ns, stat.ctime_ns, stat.inode, content, target, ())


def install(
    files: MemoryFileSystem, path: str, expected: Local | None = None, data: bytes = NEW, temp: str = TEMP
) -> InstallFile:
    if temp not in files.tree(ours=True):
        files.write_file(temp, data, 0o600)
    content = local(files, temp).content
    return InstallFile(path, expected, content, len(data), 0o640, MTIME, temp)


def at(files: MemoryFileSystem, operation: str, action: Callable[[], object]) -> None:
    """Lets a user act just before the first such system call."""

    def before(name: str, path: str) -> None:
        if name == operation:
            files.before = None
            action()

    files.before = before


def failing(files: MemoryFileSystem, operation: str, code: int, part: str = "") -> None:
    def before(name: str, path: str) -> None:
        if name == operation and part in path:
            raise OSError(code, errno.errorcode[code], path)

    files.before = before


def history(files: MemoryFileSystem) -> list[str]:
    return [
        path
        for path, (kind, _) in files.tree(ours=True).items()
        if path.startswith(".swarm/history/") and kind is not Kind.DIRECTORY
    ]
