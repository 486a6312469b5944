"""The manifest: the Merkle tree of a file's chunks. Its root's id is the content id.

    node  = "swm1" | level, 1 byte | size class, 1 byte | entries
    entry = chunk id, 32 bytes | length, 4 bytes             in a leaf (level 0)
          = node id, 32 bytes  | bytes below it, 8 bytes     in an inner node
    node id = BLAKE3(node)                                   integers are big-endian

A level is cut by content as well: a node ends after an entry whose id ends in six zero bits, from the 64th entry on,
and after the 512th in any case. So an edit of a large file changes a few nodes, wherever it is, and a list of chunks
has exactly one tree. One chunk is a manifest of one leaf; an empty file is the leaf without entries, of class 0.

Nodes are public among members (a blind host walks them to fetch, verify and collect); the "swm1" in front keeps them
apart from anything else that is hashed with unkeyed BLAKE3. A tree that this module would not have built is refused, so
a hostile one costs no more than an honest one of MAX_CHUNKS; cycles cannot be made without breaking BLAKE3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from struct import Struct
from typing import Final, NamedTuple

from blake3 import blake3

from swarm.content.chunk import MAX_SIZE_CLASS, MIN_CHUNK, ChunkRef, checked_class, chunk_id, max_chunk, min_chunk
from swarm.errors import BadPeer, Bug, Integrity, Unavailable, UserError
from swarm.ids import HASH_BYTES, ChunkId, ContentId

MAX_CHUNKS = 1 << 20  # 5 TiB in chunks of the largest class, 38 MB of manifest; more is refused, ours and a peer's
NODE_MIN = 64  # entries in every node but the last of its level, so that each level is much smaller than the one below
NODE_MAX = 512
NODE_MASK: Final = 63  # an entry in 64 ends a node, which makes 128 the average
MAX_LEVEL = 3  # MAX_CHUNKS in nodes of NODE_MIN: 16384 leaves, 256, 4, and the root
MAX_NODES = 2 * MAX_CHUNKS // NODE_MIN  # of one manifest; an honest one of MAX_CHUNKS has about half

_HEADER: Final = Struct(">4sBB")
_LEAF_ENTRY: Final = Struct(">32sI")
_INNER_ENTRY: Final = Struct(">32sQ")
_MAGIC: Final = b"swm1"
MAX_NODE_BYTES = _HEADER.size + NODE_MAX * _INNER_ENTRY.size  # 20,486: what a receiver takes for one node

Entry = tuple[bytes, int]  # what is below: its id, its length in bytes
Have = Callable[[bytes], bytes | None]  # node id -> the node's bytes, None where we have none


class Node(NamedTuple):
    """One node, parsed. Level 0 lists chunks, every other level the nodes of the level below."""

    level: int
    size_class: int
    entries: tuple[Entry, ...]

    @property
    def size(self) -> int:
        """Bytes of the file below this node."""
        return sum(length for _, length in self.entries)


class Manifest(NamedTuple):
    """A whole tree, as built from a file."""

    root: ContentId
    nodes: dict[bytes, bytes]  # node id -> the node's bytes, the root among them
    size: int  # bytes of the file


class _Place(NamedTuple):
    """Where the walk expects a node, and what the node above has said of it."""

    node_id: bytes
    level: int | None  # None: the root, of which nothing is known
    size_class: int
    size: int
    last: bool  # the last node of its level


def node_id(raw: bytes) -> bytes:
    """The name of an encoded node."""
    return blake3(raw).digest()


def encode_node(level: int, size_class: int, entries: Iterable[Entry]) -> bytes:
    """The node's bytes."""
    pack = (_INNER_ENTRY if level else _LEAF_ENTRY).pack
    return _HEADER.pack(_MAGIC, level, size_class) + b"".join([pack(*entry) for entry in entries])


EMPTY_NODE = encode_node(0, 0, ())
EMPTY_CONTENT = ContentId(node_id(EMPTY_NODE))  # the content id of every empty file


def build(chunks: Iterable[ChunkRef], size_class: int) -> Manifest:
    """The manifest of a file with these chunks, in order; offsets are not looked at.

    Raises UserError when the file has more than MAX_CHUNKS chunks.
    """
    entries: list[Entry] = [(chunk.id, chunk.length) for chunk in chunks]
    if not entries:
        return Manifest(EMPTY_CONTENT, {EMPTY_CONTENT: EMPTY_NODE}, 0)
    if len(entries) > MAX_CHUNKS:
        raise UserError("The file is too large.", f"Files of up to {MAX_CHUNKS:,} chunks, about 5 TB, can be synced.")
    checked_class(size_class)
    size = sum(length for _, length in entries)
    nodes: dict[bytes, bytes] = {}
    for level in range(MAX_LEVEL + 1):
        above: list[Entry] = []
        for group in _groups(entries):
            raw = encode_node(level, size_class, group)
            name = node_id(raw)
            nodes[name] = raw
            above.append((name, sum(length for _, length in group)))
        if len(above) == 1:
            return Manifest(ContentId(above[0][0]), nodes, size)
        entries = above
    raise Bug("a manifest grew beyond its highest level")


def single_chunk_content(chunk_key: bytes, data: bytes) -> tuple[ContentId, bytes, ChunkRef]:
    """The content id, the only node and the only chunk of a file of 1 to MIN_CHUNK bytes; the same as `build` gives."""
    if not 1 <= len(data) <= MIN_CHUNK:
        raise Bug("only a file of 1 to MIN_CHUNK bytes is one chunk for certain")
    chunk = ChunkRef(chunk_id(chunk_key, data), 0, len(data))
    raw = encode_node(0, 0, ((chunk.id, chunk.length),))
    return ContentId(node_id(raw)), raw, chunk


def checked_node(name: bytes, raw: bytes) -> Node:
    """A node as received. Raises Integrity when it is not the one called `name`, BadPeer when it is none at all."""
    if node_id(raw) != name:
        raise Integrity("a manifest node is not what its id says")
    return parse_node(raw)


def parse_node(raw: bytes) -> Node:
    """Reads one node; whether it fits where it stands is for the walk to say. Raises BadPeer."""
    if not _HEADER.size <= len(raw) <= MAX_NODE_BYTES:
        raise BadPeer("a manifest node is too short or too long")
    magic, level, size_class = _HEADER.unpack_from(raw)
    if magic != _MAGIC or level > MAX_LEVEL or size_class > MAX_SIZE_CLASS:
        raise BadPeer("a manifest node of no known kind")
    entry = _INNER_ENTRY if level else _LEAF_ENTRY
    if (len(raw) - _HEADER.size) % entry.size:
        raise BadPeer("a manifest node ends within an entry")
    entries: tuple[Entry, ...] = tuple(entry.iter_unpack(memoryview(raw)[_HEADER.size :]))
    if not entries and (level or size_class):
        raise BadPeer("a manifest node without entries")
    if any(_ends_node(name) for name, _ in entries[NODE_MIN - 1 : -1]) or len(entries) > NODE_MAX:
        raise BadPeer("a manifest node that should have ended earlier")
    _check_lengths(level, size_class, [length for _, length in entries])
    return Node(level, size_class, entries)


def missing_nodes(root: ContentId, have: Have) -> list[bytes]:
    """The ids of the nodes to fetch next, in the file's order, each once; [] when the manifest is complete.

    Asking again after each round trip ends after at most MAX_LEVEL + 1 rounds. Raises BadPeer for a tree that no file
    has, Integrity when `have` gives other bytes than the id says.
    """
    return list(dict.fromkeys(found for found in _walk(root, have) if isinstance(found, bytes)))


def chunk_list(root: ContentId, have: Have, expected_size: int) -> list[ChunkRef]:
    """All chunks of a file in order. `expected_size`: bytes, as the record says.

    Raises BadPeer for a tree that no file has or of another size, Unavailable while nodes are missing, Integrity when
    `have` gives other bytes than the id says.
    """
    chunks: list[ChunkRef] = []
    offset = 0
    for found in _walk(root, have):
        if isinstance(found, bytes):
            raise Unavailable("a part of the manifest is missing")
        for name, length in found.entries:
            chunks.append(ChunkRef(ChunkId(name), offset, length))
            offset += length
    if offset != expected_size:
        raise BadPeer("a manifest is not of its file's size")
    return chunks


def _walk(root: bytes, have: Have) -> Iterator[Node | bytes]:
    """The leaves in order, or the id in place of a node that we do not have (whatever is below it stays unseen)."""
    pending = [_Place(root, None, 0, 0, True)]
    nodes = chunks = 0
    while pending:
        place = pending.pop()
        nodes += 1
        raw = have(place.node_id)
        if raw is None:
            yield place.node_id
        else:
            node = checked_node(place.node_id, raw)
            _check_place(node, place)
            if node.level:
                below = [_Place(name, node.level - 1, node.size_class, size, False) for name, size in node.entries]
                below[-1] = below[-1]._replace(last=place.last)
                pending.extend(reversed(below))
            else:
                chunks += len(node.entries)
                yield node
        if chunks > MAX_CHUNKS or nodes + len(pending) > MAX_NODES:
            raise BadPeer("a manifest of too many chunks")


def _check_place(node: Node, place: _Place) -> None:
    """Whether `build` would have put this node here."""
    if place.level is None:
        fits = node.level == 0 or len(node.entries) > 1  # a root above a single node would be one level too many
    else:
        stated = (place.level, place.size_class, place.size)
        fits = (node.level, node.size_class, node.size) == stated
    if not fits:
        raise BadPeer("a manifest node does not fit where it stands")
    if place.last:
        return
    name, length = node.entries[-1]
    if not (len(node.entries) == NODE_MAX or (len(node.entries) >= NODE_MIN and _ends_node(name))):
        raise BadPeer("a manifest node that should have gone on")
    if node.level == 0 and length < min_chunk(node.size_class):
        raise BadPeer("a chunk in the middle of a file is too short")


def _check_lengths(level: int, size_class: int, lengths: Sequence[int]) -> None:
    longest = max_chunk(size_class)
    if level:
        longest *= MAX_CHUNKS
    elif min(lengths[:-1], default=longest) < min_chunk(size_class):
        raise BadPeer("a chunk in the middle of a file is too short")
    if lengths and not (min(lengths) > 0 and max(lengths) <= longest):
        raise BadPeer("a manifest entry of an impossible length")


def _groups(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    """Cuts one level into nodes."""
    start = 0
    for index, (name, _) in enumerate(entries):
        count = index + 1 - start
        if count == NODE_MAX or (count >= NODE_MIN and _ends_node(name)):
            yield entries[start : index + 1]
            start = index + 1
    if start < len(entries):
        yield entries[start:]


def _ends_node(name: bytes) -> bool:
    return not name[HASH_BYTES - 1] & NODE_MASK
