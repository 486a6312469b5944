"""The users: what people and their programs do to a folder, one action at a time, at any moment.

Every action does what it can on the disk as it is then, and nothing where it cannot, so that a schedule still makes
sense when steps are taken out of it.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from swarm.ids import Kind, parent_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm.sync.memory_files import MemoryFileSystem
    from tests.simulation.device import Device

RECREATE_SECONDS = 0.4  # between an editor's deletion and its new file
SAVE_SECONDS = 0.03  # between two writes of one save
HANDLE_SECONDS = 1.5  # that a program keeps a file open before it writes


def content(number: int, size: int) -> bytes:
    """Bytes that nobody else writes: their first line names them."""
    head = f"#{number}\n".encode()
    return (head + random.Random(number).randbytes(max(0, size - len(head))))[: max(size, len(head))] if size else b""


def _parents(files: MemoryFileSystem, path: str) -> bool:
    """Makes the directories above `path`; False where something is in the way."""
    parent = parent_of(path)
    if not parent:
        return True
    if not _parents(files, parent):
        return False
    try:
        if files.node(parent).kind is Kind.DIRECTORY:
            return True
    except OSError:
        files.mkdir(parent, 0o755)
        return True
    return False


def _kind(files: MemoryFileSystem, path: str) -> Kind | None:
    try:
        return files.node(path).kind
    except OSError:
        return None


def _later(device: Device, path: str, seconds: float, action: Callable[[], None]) -> None:
    """The rest of what somebody is doing at a path, as far as the disk lets them."""

    def act() -> None:
        if device.files._away is None:
            try:
                action()
            except OSError:
                device.tell(path)

    device.world.after(seconds, act)


def _make_durable(device: Device, path: str) -> None:
    """As an editor that calls fsync on the file and on its directory."""
    files = device.files
    files.node(path).sync()
    while path:
        path = parent_of(path)
        files.sync_directory(path)


def write(device: Device, path: str, data: bytes, durable: bool = False) -> None:
    """In place, where the file is."""
    with device.user() as files:
        if _kind(files, path) not in (None, Kind.FILE) or not _parents(files, path):
            return
        files.write_file(path, data)
        if durable:
            _make_durable(device, path)
    device.tell(path, closed=True)


def write_slowly(device: Device, path: str, data: bytes) -> None:
    """In place and in two pieces: what is there meanwhile is half a file."""
    half = data[: len(data) // 2] + b"-half"
    write(device, path, half)

    def finish() -> None:
        with device.user() as files:
            if _kind(files, path) is not Kind.FILE:
                return
            files.write_file(path, data)
        device.tell(path, closed=True)

    _later(device, path, SAVE_SECONDS, finish)


def save(device: Device, path: str, data: bytes, durable: bool = True) -> None:
    """As most editors: a new file beside it, renamed over the old one."""
    beside = f"{path}.new"
    with device.user() as files:
        if _kind(files, path) not in (None, Kind.FILE) or not _parents(files, path):
            return
        if _kind(files, beside) not in (None, Kind.FILE):
            return
        files.write_file(beside, data)
        if durable:
            files.node(beside).sync()
        files.rename(beside, path)
        if durable:
            _make_durable(device, path)
    device.tell(path, closed=True)


def recreate(device: Device, path: str, data: bytes) -> None:
    """As editors that delete, and create again a moment later."""
    remove(device, path)
    _later(device, path, RECREATE_SECONDS, lambda: write(device, path, data))


def write_late(device: Device, path: str, data: bytes) -> None:
    """A program opens the file now and writes it later, whatever it is called by then."""
    with device.user() as files:
        if _kind(files, path) is not Kind.FILE:
            return
        node = files.node(path)
    crashes = device.files.crashes

    def finish() -> None:
        if device.files.crashes != crashes:
            return
        with device.user() as files:
            before = bytes(node.data)
            files.resize(node, len(data), path)
            node.data[:] = data
            files.change(node, mtime_ns=device.wall_ns())
            if (oracle := device.world.oracle) is not None:
                oracle.watched(device).users.add(node.inode)  # without a name, too: a crash may give it back
                if node.links:
                    oracle.wrote_late(device, before, data, node.inode)
        for now in device.tree():
            if device.files.node(now) is node:
                device.tell(now, closed=True)

    _later(device, path, HANDLE_SECONDS, finish)


def append(device: Device, path: str, data: bytes) -> None:
    """At the end of what is there."""
    with device.user() as files:
        if _kind(files, path) is not Kind.FILE:
            return
        files.write_file(path, files.read_file(path) + data)
    device.tell(path, closed=True)


def mkdir(device: Device, path: str) -> None:
    with device.user() as files:
        if _kind(files, path) is not None or not _parents(files, path):
            return
        files.mkdir(path, 0o755)
    device.tell(path)


def remove(device: Device, path: str) -> None:
    """As `rm -r`."""
    with device.user() as files:
        if _kind(files, path) is not None:
            files.remove(path)
    device.tell(path)


def rename(device: Device, old: str, new: str) -> None:
    """As `mv -T`: replaces a file, never a directory that holds something."""
    with device.user() as files:
        if _kind(files, old) is None or new.startswith(old + "/") or old.startswith(new + "/"):
            return
        if not _parents(files, new):
            return
        try:
            files.rename(old, new)
        except OSError:
            return
    device.tell(old)
    device.tell(new)


def copy(device: Device, old: str, new: str) -> None:
    """The same bytes at another name."""
    with device.user() as files:
        if _kind(files, old) is not Kind.FILE or _kind(files, new) not in (None, Kind.FILE) or old == new:
            return
        if not _parents(files, new):
            return
        files.write_file(new, files.read_file(old))
    device.tell(new, closed=True)


def swap(device: Device, path: str, data: bytes) -> None:
    """A file becomes a directory of its name with a file in it, and a directory a file."""
    with device.user() as files:
        kind = _kind(files, path)
        if kind is None and not _parents(files, path):
            return
        if kind is not None:
            files.remove(path)
        if kind is Kind.DIRECTORY:
            files.write_file(path, data)
        else:
            files.mkdir(path, 0o755)
            files.write_file(f"{path}/inside", data)
    device.tell(path, closed=True)


def chmod(device: Device, path: str, mode: int) -> None:
    with device.user() as files:
        if _kind(files, path) is Kind.FILE:
            files.set_mode(path, mode)
    device.tell(path)


def touch(device: Device, path: str) -> None:
    """A new mtime and nothing else."""
    with device.user() as files:
        if _kind(files, path) is Kind.FILE:
            files.set_mtime(path, device.wall_ns())
    device.tell(path)


def link(device: Device, path: str, target: str) -> None:
    """A symbolic link, in place of a file or of nothing."""
    with device.user() as files:
        if not files.traits.symlinks or _kind(files, path) is Kind.DIRECTORY or not _parents(files, path):
            return
        if _kind(files, path) is not None:
            files.unlink(path)
        files.symlink(target, path)
    device.tell(path)


ACTIONS: dict[str, Callable[[Device, str, str, bytes], None]] = {
    "write": lambda device, path, _, data: write(device, path, data),
    "write and sync": lambda device, path, _, data: write(device, path, data, durable=True),
    "write slowly": lambda device, path, _, data: write_slowly(device, path, data),
    "save": lambda device, path, _, data: save(device, path, data),
    "save carelessly": lambda device, path, _, data: save(device, path, data, durable=False),
    "recreate": lambda device, path, _, data: recreate(device, path, data),
    "write late": lambda device, path, _, data: write_late(device, path, data),
    "append": lambda device, path, _, data: append(device, path, data),
    "mkdir": lambda device, path, _, data: mkdir(device, path),
    "remove": lambda device, path, _, data: remove(device, path),
    "rename": lambda device, path, other, _: rename(device, path, other),
    "copy": lambda device, path, other, _: copy(device, path, other),
    "swap": lambda device, path, _, data: swap(device, path, data),
    "chmod": lambda device, path, _, data: chmod(device, path, 0o600 if len(data) % 2 else 0o755),
    "touch": lambda device, path, _, data: touch(device, path),
    "link": lambda device, path, other, _: link(device, path, other),
}
