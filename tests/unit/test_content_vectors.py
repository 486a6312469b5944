"""The chunker and the manifest against tests/vectors/content.txt, which other implementations can use as well."""

from pathlib import Path

import pytest
from blake3 import blake3

from swarm.content.chunk import ChunkRef
from swarm.content.chunker import Chunker
from swarm.content.manifest import build
from swarm.ids import ChunkId

Block = dict[str, str]


def blocks() -> list[Block]:
    text = (Path(__file__).parent.parent / "vectors" / "content.txt").read_text()
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    parsed = [dict(line.split(":", 1) for line in block.strip().splitlines()) for block in lines.split("\n\n")]
    return [{name: value.strip() for name, value in block.items()} for block in parsed if block]


def content(description: str) -> bytes:
    match description.split():
        case ["hex"]:
            return b""
        case ["hex", digits]:
            return bytes.fromhex(digits)
        case ["zeros", length]:
            return bytes(int(length))
        case ["xof", seed, length]:
            return blake3(seed.encode()).digest(length=int(length))
    raise AssertionError(description)


FILES = [block for block in blocks() if "data" in block]
LISTS = [block for block in blocks() if "chunks" in block]


def test_the_vectors_are_there() -> None:
    assert len(FILES) == 7
    assert len(LISTS) == 1


@pytest.mark.parametrize("block", FILES, ids=lambda block: f"{block['data']}, class {block['class']}")
def test_a_file_is_cut_and_named_as_written(block: Block) -> None:
    data = content(block["data"])
    size_class = int(block["class"])
    cutting = Chunker(size_class).chunks(lambda o, n: data[o : o + n], len(data), bytes.fromhex(block["key"]))
    chunks = list(cutting)
    assert [chunk.length for chunk in chunks] == [int(length) for length in block["lengths"].split()]
    if chunks:
        assert chunks[0].id.hex() == block["first"]
        assert chunks[-1].id.hex() == block["last"]
    manifest = build(chunks, size_class)
    assert manifest.root.hex() == block["content"]
    assert len(manifest.nodes) == int(block["nodes"])
    if "node" in block:
        assert manifest.nodes[manifest.root].hex() == block["node"]


@pytest.mark.parametrize("block", LISTS, ids=lambda block: block["chunks"])
def test_a_long_list_makes_the_tree_as_written(block: Block) -> None:
    count, length = (int(number) for number in block["chunks"].split(" of "))
    chunks = [ChunkRef(ChunkId(blake3(i.to_bytes(4, "big")).digest()), i * length, length) for i in range(count)]
    manifest = build(chunks, int(block["class"]))
    assert manifest.root.hex() == block["content"]
    assert len(manifest.nodes) == int(block["nodes"])
    assert manifest.nodes[manifest.root].hex() == block["node"]
