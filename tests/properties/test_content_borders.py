from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from swarm.content.chunk import MAX_CHUNK, MIN_CHUNK, ChunkRef, chunk_id
from swarm.content.chunker import Chunker
from swarm.content.manifest import NODE_MAX, Manifest, build, chunk_list, missing_nodes, parse_node
from swarm.errors import BadPeer, Integrity, Unavailable
from swarm.ids import ChunkId, ContentId

KEY = bytes(32)


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Runs of noise and of one byte, up to a few of the largest chunks."""
    runs = draw(st.lists(st.tuples(st.integers(0, 400_000), st.integers(0, 255), st.booleans()), max_size=4))
    return b"".join(
        blake3(bytes([seed])).digest(length=length) if noisy else bytes([seed]) * length for length, seed, noisy in runs
    )


def cut(data: bytes, window: int) -> list[ChunkRef]:
    return list(Chunker(0, window).chunks(lambda o, n: data[o : o + n], len(data), KEY))


@settings(max_examples=40, deadline=None)
@given(files(), st.integers(2_000, 3 * MAX_CHUNK), st.integers(2_000, 3 * MAX_CHUNK))
def test_borders_are_the_same_for_every_way_of_reading(data: bytes, one: int, other: int) -> None:
    chunks = cut(data, one)
    assert chunks == cut(data, other)
    assert b"".join(data[c.offset : c.offset + c.length] for c in chunks) == data
    assert all(c.id == chunk_id(KEY, data[c.offset : c.offset + c.length]) for c in chunks)
    assert all(MIN_CHUNK <= c.length <= MAX_CHUNK for c in chunks[:-1])


@st.composite
def lists_of_chunks(draw: st.DrawFn) -> list[ChunkRef]:
    """A long list in which some chunks come again and again."""
    count = draw(st.integers(0, 3 * NODE_MAX))
    kinds = draw(st.integers(1, 2 * NODE_MAX))
    last = draw(st.integers(1, MIN_CHUNK))
    chunks: list[ChunkRef] = []
    offset = 0
    for i in range(count):
        digest = blake3((i % kinds).to_bytes(4, "big")).digest()
        length = last if i == count - 1 else MIN_CHUNK + digest[0]
        chunks.append(ChunkRef(ChunkId(digest), offset, length))
        offset += length
    return chunks


@settings(max_examples=60, deadline=None)
@given(lists_of_chunks())
def test_every_list_of_chunks_has_a_manifest_that_gives_it_back(chunks: list[ChunkRef]) -> None:
    manifest = build(chunks, 0)
    assert chunk_list(manifest.root, manifest.nodes.get, manifest.size) == chunks
    assert missing_nodes(manifest.root, manifest.nodes.get) == []


def fetched(manifest: Manifest, root: ContentId, have: dict[bytes, bytes]) -> list[ChunkRef]:
    missing_nodes(root, have.get)
    return chunk_list(root, have.get, manifest.size)


@settings(max_examples=60, deadline=None)
@given(lists_of_chunks(), st.data())
def test_a_manifest_with_one_bit_changed_is_never_taken(chunks: list[ChunkRef], data: st.DataObject) -> None:
    manifest = build(chunks, 0)
    name = data.draw(st.sampled_from(sorted(manifest.nodes)))
    raw = bytearray(manifest.nodes[name])
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        fetched(manifest, manifest.root, {**manifest.nodes, name: bytes(raw)})
    except Integrity:
        return
    raise AssertionError("it was taken")


@settings(max_examples=200, deadline=None)
@given(lists_of_chunks(), st.data())
def test_a_node_that_was_tampered_with_is_read_or_refused_and_nothing_else(
    chunks: list[ChunkRef], data: st.DataObject
) -> None:
    manifest = build(chunks, 0)
    raw = bytearray(manifest.nodes[manifest.root])
    at = data.draw(st.integers(0, len(raw)))
    raw[at : at + data.draw(st.integers(0, 50))] = data.draw(st.binary(max_size=50))
    root = ContentId(blake3(raw).digest())
    try:
        parse_node(bytes(raw))
        fetched(manifest, root, {**manifest.nodes, root: bytes(raw)})
    except (BadPeer, Unavailable):
        return


@given(st.binary(max_size=200))
def test_garbage_is_no_node(garbage: bytes) -> None:
    for raw in (garbage, b"swm1" + garbage, b"swm1\x00\x00" + garbage, b"swm1\x01\x00" + garbage):
        try:
            node = parse_node(raw)
        except BadPeer:
            continue
        assert len(node.entries) <= 5
