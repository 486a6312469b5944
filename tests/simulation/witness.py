"""What can be seen of a simulated disk by whoever looks from outside: trees, durable images, contents by name."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from swarm.content.chunk import MIN_CHUNK, size_class_for
from swarm.content.chunker import Chunker
from swarm.content.manifest import EMPTY_CONTENT, build, single_chunk_content
from swarm.ids import ContentId, Kind
from swarm.sync.files import OURS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from swarm.sync.memory_disk import Entry, Node
    from swarm.sync.memory_files import MemoryFileSystem, Tree
    from swarm.sync.memory_store import MemoryStore
    from swarm.sync.store import Local

Ours = tuple[frozenset[str], bytes]

HISTORY = ".swarm/history"
TEMPS = ".swarm/tmp"


def content_of(chunk_key: bytes, data: bytes) -> ContentId:
    """The content id of a file with these bytes."""
    if not data:
        return EMPTY_CONTENT
    if len(data) <= MIN_CHUNK:
        return single_chunk_content(chunk_key, data)[0]
    size_class = size_class_for(len(data))
    chunks = tuple(Chunker(size_class).chunks(lambda at, n: data[at : at + n], len(data), chunk_key))
    return build(chunks, size_class).root


def changed_paths(before: Tree, after: Tree) -> list[str]:
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def all_of(files: MemoryFileSystem, below: str = "") -> Tree:
    """What is on the disk, be it mounted, covered, or not."""
    found: Tree = {}
    try:
        waiting = [(below, node_at(files, below))]
    except OSError:
        return found
    while waiting:
        directory, node = waiting.pop()
        for name, entry in node.entries.values():
            path = f"{directory}/{name}" if directory else name
            if path == OURS:
                continue
            match entry.kind:
                case Kind.FILE:
                    found[path] = (entry.kind, bytes(entry.data))
                case Kind.SYMLINK:
                    found[path] = (entry.kind, entry.target)
                case _:
                    found[path] = (entry.kind, None)
            if entry.kind is Kind.DIRECTORY:
                waiting.append((path, entry))
    return found


def ours_of(files: MemoryFileSystem) -> Ours:
    """The names right below our own directory, but for those of temps and history; and what the marker holds."""
    entry = files._disk.root.entries.get(OURS)
    if entry is None:
        return frozenset(), b""
    names = frozenset(entry.node.entries) - {"tmp", "history"}
    marker = entry.node.entries.get("folder-id")
    return names, bytes(marker.node.data) if marker is not None else b""


def node_at(files: MemoryFileSystem, path: str) -> Node:
    """What is at `path` on the disk, be it mounted, covered, or not. Raises FileNotFoundError."""
    node = files._disk.root
    for name in path.split("/") if path else ():
        entry = node.entries.get(files._key(name))
        if entry is None:
            raise FileNotFoundError(errno.ENOENT, path)
        node = entry.node
    return node


def local_at(store: MemoryStore, path: str) -> Local | None:
    """What a database says of `path`, be it one that refuses to."""
    hook, store.before = store.before, None
    try:
        return store.local(path)
    finally:
        store.before = hook


def durable_node(files: MemoryFileSystem, path: str) -> Node | None:
    """What would be at `path` after a power cut, whatever else."""
    node = files._disk.root
    for name in path.split("/"):
        entry = node.durable_entries.get(files._key(name))
        if entry is None:
            return None
        node = entry.node
    return node


def durable_contents(files: MemoryFileSystem, users: set[int]) -> set[bytes]:
    """Contents of files that somebody can see now, and that a power cut would leave whole under some name. Not those
    whose bytes happen to be in another file that last, and that a user has just removed. Nor what a power cut makes a
    temp again, because that is its last name that was made durable: it is gathered once more, or put in its place, and
    no user of this disk has a byte in it (`users`: the inodes that one made or wrote to)."""
    root, temps = files._disk.root, durable_node(files, TEMPS)
    seen = {node.inode for node in _files_below(root, lambda node: node.entries)}
    lasting = [*_files_below(root, lambda node: node.durable_entries, but=temps)]
    if temps is not None:
        lasting += [node for node in _files_below(temps, lambda node: node.durable_entries) if node.inode in users]
    return {node.image.data for node in lasting if node.inode in seen and node.image.data == bytes(node.data)}


def _files_below(root: Node, entries: Callable[[Node], dict[str, Entry]], but: Node | None = None) -> Iterator[Node]:
    waiting = [root]
    while waiting:
        for _, node in entries(waiting.pop()).values():
            if node.kind is Kind.DIRECTORY and node is not but:
                waiting.append(node)
            elif node.kind is Kind.FILE:
                yield node


def named(data: object) -> str:
    if isinstance(data, bytes):
        return f"{data[:24]!r} ({len(data)} B)"
    return repr(data)


def shown(entry: tuple[Kind | None, bytes | str | None, int] | None) -> str:
    return "nothing" if entry is None else f"{entry[0].name if entry[0] else '?'} {named(entry[1])} {entry[2]:o}"
