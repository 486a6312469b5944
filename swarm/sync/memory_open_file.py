"""An open file of the file system in memory: its Reader and Writer."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, NoReturn

from swarm.ids import Kind
from swarm.sync.files import Stat

if TYPE_CHECKING:
    from swarm.sync.memory_disk import Node
    from swarm.sync.memory_files import MemoryFileSystem


class CutShort(OSError):
    """Raised by `before` in place of a write that ends early: that share of it (0 to 1) is on the disk."""

    def __init__(self, code: int, share: float) -> None:
        super().__init__(code, errno.errorcode[code])
        self.share = share


class Unsynced(OSError):
    """Raised by `before` in place of a sync that fails as fsync(2) does on Linux: what was to be written counts as
    written from then on, so that a second one says that all is well. Written anew, it can be synced again."""

    def __init__(self, code: int) -> None:
        super().__init__(code, errno.errorcode[code])


def fail(code: int, path: str) -> NoReturn:
    raise OSError(code, errno.errorcode[code], path)


def stat_of(node: Node) -> Stat:
    size = len(node.data) if node.kind is Kind.FILE else 0
    return Stat(node.kind, size, node.mode, node.mtime_ns, node.ctime_ns, node.inode, node.device)


class MemoryReader:
    """An open file. It outlives its name, but not a crash."""

    def __init__(self, files: MemoryFileSystem, node: Node, path: str) -> None:
        self._files = files
        self._node = node
        self._path = path
        self._life = files.crashes

    def _enter(self, operation: str) -> Node:
        self._files.enter(operation, self._path)
        if self._life < 0:
            fail(errno.EBADF, self._path)
        if self._life != self._files.crashes:
            fail(errno.EIO, self._path)
        return self._node

    def stat(self) -> Stat:
        return stat_of(self._enter("stat"))

    def read_at(self, offset: int, length: int) -> bytes:
        return bytes(self._enter("read_at").data[offset : offset + length])

    def close(self) -> None:
        self._life = -1


class MemoryWriter(MemoryReader):
    """An open temp."""

    def write_at(self, offset: int, data: bytes) -> None:
        try:
            node = self._enter("write_at")
        except CutShort as cut:
            self._put(self._node, offset, data[: int(len(data) * cut.share)])
            raise
        self._put(node, offset, data)

    def _put(self, node: Node, offset: int, data: bytes) -> None:
        self._files.resize(node, max(len(node.data), offset + len(data)), self._path)
        node.data[offset : offset + len(data)] = data

    def truncate(self, size: int) -> None:
        self._files.resize(self._enter("truncate"), size, self._path)

    def set_mode(self, mode: int) -> None:
        self._files.change(self._enter("set_mode"), mode=mode)

    def set_mtime(self, mtime_ns: int) -> None:
        self._files.change(self._enter("set_mtime"), mtime_ns=mtime_ns)

    def copy_traits(self, path: str) -> None:
        node = self._enter("copy_traits")
        node.attributes.update(self._files.node(path).attributes)

    def flush_range(self, offset: int, length: int) -> None:
        """Nothing: what a hint makes durable, nobody may build on. Offset and length are the port's."""
        self._enter("flush_range")

    def sync(self) -> None:
        try:
            self._enter("sync").sync()
        except Unsynced:
            self._node.forgotten = True
            raise
