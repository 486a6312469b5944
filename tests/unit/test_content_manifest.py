from collections.abc import Sequence

import pytest
from blake3 import blake3

from swarm.content import manifest as manifest_module
from swarm.content.chunk import LARGEST_CHUNK, MAX_CHUNK, MIN_CHUNK, ChunkRef, chunk_id
from swarm.content.chunker import Chunker
from swarm.content.manifest import (
    EMPTY_CONTENT,
    EMPTY_NODE,
    MAX_CHUNKS,
    MAX_LEVEL,
    MAX_NODE_BYTES,
    NODE_MAX,
    NODE_MIN,
    Entry,
    Manifest,
    build,
    checked_node,
    chunk_list,
    encode_node,
    missing_nodes,
    node_id,
    parse_node,
    single_chunk_content,
)
from swarm.errors import BadPeer, Bug, Integrity, Unavailable, UserError
from swarm.ids import ChunkId, ContentId

KEY = bytes(32)
LENGTH = 65536


def name(number: int, ends: bool = False) -> ChunkId:
    """An id of which the manifest's cut is known: it ends a node, or it does not."""
    return ChunkId(number.to_bytes(31, "big") + (b"\x40" if ends else b"\x01"))


def synthetic(count: int) -> list[ChunkRef]:
    ids = [ChunkId(blake3(i.to_bytes(4, "big")).digest()) for i in range(count)]
    return [ChunkRef(ids[i], i * LENGTH, LENGTH) for i in range(count)]


def plain(count: int, length: int = LENGTH) -> list[Entry]:
    """Entries none of which ends a node."""
    return [(name(i), length) for i in range(count)]


class Tree:
    """Builds trees by hand, wrong ones above all."""

    def __init__(self) -> None:
        self.nodes: dict[bytes, bytes] = {}

    def add(self, level: int, entries: Sequence[Entry], size_class: int = 0) -> Entry:
        raw = encode_node(level, size_class, entries)
        self.nodes[node_id(raw)] = raw
        return node_id(raw), sum(length for _, length in entries)

    def refused(self, root: Entry) -> bool:
        """Whether both readers refuse it."""
        content = ContentId(root[0])
        with pytest.raises(BadPeer):
            missing_nodes(content, self.nodes.get)
        with pytest.raises(BadPeer):
            chunk_list(content, self.nodes.get, root[1])
        return True


def full(first: int) -> list[Entry]:
    """Entries of a node that ends where it should."""
    return [*((name(first + i), LENGTH) for i in range(NODE_MIN - 1)), (name(first + NODE_MIN, ends=True), LENGTH)]


def test_an_empty_file_has_one_content_id() -> None:
    manifest = build([], 0)
    assert manifest == Manifest(EMPTY_CONTENT, {EMPTY_CONTENT: EMPTY_NODE}, 0)
    assert build([], 3) == manifest
    assert chunk_list(EMPTY_CONTENT, manifest.nodes.get, 0) == []
    assert missing_nodes(EMPTY_CONTENT, manifest.nodes.get) == []


def test_an_empty_manifest_is_no_file_of_another_size() -> None:
    with pytest.raises(BadPeer):
        chunk_list(EMPTY_CONTENT, {bytes(EMPTY_CONTENT): EMPTY_NODE}.get, 1)


def test_one_chunk_is_one_leaf() -> None:
    chunk = ChunkRef(chunk_id(KEY, b"data"), 0, 4)
    manifest = build([chunk], 0)
    assert list(manifest.nodes) == [manifest.root]
    assert parse_node(manifest.nodes[manifest.root]).entries == ((chunk.id, 4),)
    assert chunk_list(manifest.root, manifest.nodes.get, 4) == [chunk]


@pytest.mark.parametrize("length", [1, 100, MIN_CHUNK])
def test_the_short_way_for_small_files_agrees_with_the_long_one(length: int) -> None:
    data = b"x" * length
    content, raw, chunk = single_chunk_content(KEY, data)
    chunks = list(Chunker().chunks(lambda o, n: data[o : o + n], length, KEY))
    assert chunks == [chunk]
    assert build(chunks, 0) == Manifest(content, {content: raw}, length)


@pytest.mark.parametrize("length", [0, MIN_CHUNK + 1])
def test_the_short_way_refuses_what_may_not_be_one_chunk(length: int) -> None:
    with pytest.raises(Bug):
        single_chunk_content(KEY, bytes(length))


def test_a_long_list_comes_back_in_order() -> None:
    chunks = synthetic(20_000)
    manifest = build(chunks, 0)
    assert chunk_list(manifest.root, manifest.nodes.get, manifest.size) == chunks
    assert missing_nodes(manifest.root, manifest.nodes.get) == []
    sizes = [len(parse_node(raw).entries) for raw in manifest.nodes.values()]
    assert 100 < sum(sizes) / len(sizes) < 150
    assert max(map(len, manifest.nodes.values())) <= MAX_NODE_BYTES


def test_the_size_class_is_part_of_the_content_id() -> None:
    assert build(synthetic(1), 0).root != build(synthetic(1), 1).root


@pytest.mark.parametrize("place", [0, 10_000, 19_999])
def test_an_edit_changes_a_few_nodes(place: int) -> None:
    chunks = synthetic(20_000)
    before = build(chunks, 0)
    chunks[place : place + 1] = [ChunkRef(name(1), 0, LENGTH), ChunkRef(name(2), 0, LENGTH)]
    assert len(build(chunks, 0).nodes.keys() - before.nodes.keys()) <= 6


def test_a_manifest_is_fetched_level_by_level() -> None:
    manifest = build(synthetic(20_000), 0)
    have: dict[bytes, bytes] = {}
    rounds = 0
    while wanted := missing_nodes(manifest.root, have.get):
        with pytest.raises(Unavailable):
            chunk_list(manifest.root, have.get, manifest.size)
        have.update((identifier, manifest.nodes[identifier]) for identifier in wanted)
        rounds += 1
    assert rounds == 3
    assert have == manifest.nodes


def test_a_node_that_stands_in_many_places_is_asked_for_once() -> None:
    chunks = [ChunkRef(name(0), 0, MAX_CHUNK)] * (NODE_MAX * 3)
    manifest = build(chunks, 0)
    assert len(manifest.nodes) == 2
    have = {bytes(manifest.root): manifest.nodes[manifest.root]}
    assert len(missing_nodes(manifest.root, have.get)) == 1
    assert len(chunk_list(manifest.root, manifest.nodes.get, manifest.size)) == NODE_MAX * 3


def test_a_file_of_another_size_than_its_record_is_refused() -> None:
    manifest = build(synthetic(1000), 0)
    for size in (0, manifest.size - 1, manifest.size + 1, 1 << 63):
        with pytest.raises(BadPeer):
            chunk_list(manifest.root, manifest.nodes.get, size)


def test_a_node_that_is_not_what_its_id_says_is_refused() -> None:
    manifest = build(synthetic(2), 0)
    other = build(synthetic(3), 0)
    false = {bytes(manifest.root): other.nodes[other.root]}
    for read in (lambda: missing_nodes(manifest.root, false.get), lambda: chunk_list(manifest.root, false.get, 1)):
        with pytest.raises(Integrity):
            read()
    with pytest.raises(Integrity):
        checked_node(manifest.root, EMPTY_NODE)
    assert checked_node(EMPTY_CONTENT, EMPTY_NODE).entries == ()


def test_a_file_of_too_many_chunks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = build(synthetic(300), 0)
    monkeypatch.setattr(manifest_module, "MAX_CHUNKS", 299)
    with pytest.raises(UserError):
        build(synthetic(300), 0)
    with pytest.raises(BadPeer, match="too many"):
        chunk_list(manifest.root, manifest.nodes.get, manifest.size)


def test_a_small_tree_that_unfolds_to_too_many_chunks_is_refused() -> None:
    tree = Tree()
    node = tree.add(0, plain(NODE_MAX))
    for level in range(1, MAX_LEVEL + 1):
        node = tree.add(level, [node] * NODE_MAX)
    assert len(tree.nodes) == 4
    assert tree.refused(node)


def test_a_tree_of_too_many_missing_nodes_is_refused() -> None:
    tree = Tree()
    node = tree.add(2, [(name(i), NODE_MIN * NODE_MIN * LENGTH) for i in range(NODE_MAX)])
    root = tree.add(3, [node] * NODE_MAX)
    with pytest.raises(BadPeer, match="too many"):
        missing_nodes(ContentId(root[0]), tree.nodes.get)


def test_the_highest_level_is_enough_for_the_most_chunks() -> None:
    nodes = MAX_CHUNKS
    for _ in range(MAX_LEVEL + 1):
        nodes = -(-nodes // NODE_MIN)
    assert nodes == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        EMPTY_NODE[:-1],
        b"swm2" + EMPTY_NODE[4:],
        EMPTY_NODE + b"\x00",
        encode_node(0, 0, plain(1))[:-1],
        encode_node(0, 0, plain(1)) + b"\x00",
        encode_node(1, 0, plain(2)) + bytes(39),
        encode_node(MAX_LEVEL + 1, 0, plain(2)),
        encode_node(0, 7, plain(1)),
        encode_node(0, 1, ()),
        encode_node(1, 0, ()),
        encode_node(0, 0, plain(NODE_MAX + 1)),
        encode_node(1, 0, plain(NODE_MAX + 1)),
        encode_node(0, 0, [*full(0), (name(9), LENGTH)]),
        encode_node(0, 0, [(name(0), 0)]),
        encode_node(0, 0, [(name(0), MAX_CHUNK + 1)]),
        encode_node(0, 6, [(name(0), LARGEST_CHUNK + 1)]),
        encode_node(0, 0, [(name(0), MIN_CHUNK - 1), (name(1), LENGTH)]),
        encode_node(0, 1, [(name(0), MIN_CHUNK), (name(1), LENGTH)]),
        encode_node(1, 0, [(name(0), 0), (name(1), LENGTH)]),
        encode_node(1, 0, [(name(0), 1 << 63), (name(1), LENGTH)]),
    ],
)
def test_a_node_that_none_of_us_would_write_is_refused(raw: bytes) -> None:
    with pytest.raises(BadPeer):
        parse_node(raw)


def test_a_huge_node_is_refused_before_it_is_read() -> None:
    with pytest.raises(BadPeer, match="too long"):
        parse_node(encode_node(1, 0, plain(NODE_MAX + 1)))


def test_the_largest_node_is_read() -> None:
    raw = encode_node(1, 0, plain(NODE_MAX))
    assert len(raw) == MAX_NODE_BYTES
    assert len(parse_node(raw).entries) == NODE_MAX
    assert parse_node(raw).size == NODE_MAX * LENGTH


def test_a_tree_made_by_hand_is_read_when_it_is_right() -> None:
    tree = Tree()
    root = tree.add(1, [tree.add(0, full(0)), tree.add(0, plain(3))])
    assert len(chunk_list(ContentId(root[0]), tree.nodes.get, root[1])) == NODE_MIN + 3


def test_a_root_above_a_single_node_is_refused() -> None:
    tree = Tree()
    assert tree.refused(tree.add(1, [tree.add(0, plain(3))]))


def test_a_node_that_ends_too_early_is_refused() -> None:
    tree = Tree()
    assert tree.refused(tree.add(1, [tree.add(0, plain(NODE_MIN)), tree.add(0, plain(3))]))
    assert tree.refused(tree.add(1, [tree.add(0, [(name(0, ends=True), LENGTH)]), tree.add(0, plain(3))]))


def test_a_leaf_in_the_middle_that_ends_too_early_is_refused_though_it_is_the_last_below_its_parent() -> None:
    tree = Tree()
    leaf = tree.add(0, full(0))
    right = tree.add(2, [tree.add(1, [leaf] * NODE_MAX), tree.add(1, [leaf] * 2)])
    assert missing_nodes(ContentId(right[0]), tree.nodes.get) == []
    short = tree.add(0, plain(3))
    assert tree.refused(tree.add(2, [tree.add(1, [leaf] * (NODE_MAX - 1) + [short]), tree.add(1, [leaf] * 2)]))


def test_a_level_left_out_is_refused() -> None:
    tree = Tree()
    assert tree.refused(tree.add(2, [tree.add(0, full(0)), tree.add(0, plain(3))]))


def test_a_leaf_of_another_class_is_refused() -> None:
    tree = Tree()
    assert tree.refused(tree.add(1, [tree.add(0, full(0)), tree.add(0, plain(3), 1)]))


def test_sizes_that_do_not_add_up_are_refused() -> None:
    for difference in (-1, 1):
        tree = Tree()
        identifier, size = tree.add(0, full(0))
        assert tree.refused(tree.add(1, [(identifier, size + difference), tree.add(0, plain(3))]))


def test_an_empty_leaf_below_a_root_is_refused() -> None:
    tree = Tree()
    empty, _ = tree.add(0, [])
    assert tree.refused(tree.add(1, [tree.add(0, full(0)), (empty, LENGTH)]))


def test_a_short_chunk_at_the_end_of_a_leaf_in_the_middle_is_refused() -> None:
    tree = Tree()
    short = [*full(0)[:-1], (name(NODE_MIN, ends=True), MIN_CHUNK - 1)]
    assert tree.refused(tree.add(1, [tree.add(0, short), tree.add(0, plain(3))]))
