from collections.abc import Callable

import pytest
from blake3 import blake3

from swarm.content.chunk import MAX_CHUNK, MIN_CHUNK, ChunkRef, chunk_id
from swarm.content.chunker import WINDOW, Chunker
from swarm.errors import Bug, Unavailable

KEY = bytes(range(32))


def noise(length: int, seed: str = "noise") -> bytes:
    return blake3(seed.encode()).digest(length=length)


def reader(data: bytes) -> Callable[[int, int], bytes]:
    return lambda offset, length: data[offset : offset + length]


def cut(data: bytes, size_class: int = 0, window: int = WINDOW) -> list[ChunkRef]:
    return list(Chunker(size_class, window).chunks(reader(data), len(data), KEY))


def test_an_empty_file_has_no_chunks_and_is_not_read() -> None:
    def read(offset: int, length: int) -> bytes:
        raise AssertionError("nothing to read")

    assert list(Chunker().chunks(read, 0, KEY)) == []


@pytest.mark.parametrize("length", [1, MIN_CHUNK - 1, MIN_CHUNK])
def test_a_file_up_to_the_smallest_chunk_is_one_chunk(length: int) -> None:
    data = noise(length)
    assert cut(data) == [ChunkRef(chunk_id(KEY, data), 0, length)]


def test_chunks_cover_the_file_and_are_named_by_their_bytes() -> None:
    data = noise(2_000_000)
    chunks = cut(data)
    assert len(chunks) > 10
    position = 0
    for chunk in chunks:
        assert chunk.offset == position
        assert chunk.id == chunk_id(KEY, data[position : position + chunk.length])
        position += chunk.length
    assert position == len(data)
    assert all(MIN_CHUNK <= chunk.length <= MAX_CHUNK for chunk in chunks[:-1])


def test_borders_do_not_depend_on_how_much_is_read_at_once() -> None:
    data = noise(1_500_000)
    whole = cut(data, window=len(data))
    for window in (997, 4096, MAX_CHUNK - 1, MAX_CHUNK, MAX_CHUNK + 1, WINDOW):
        assert cut(data, window=window) == whole
    even = bytes(5 * MAX_CHUNK)  # every chunk is the longest there may be: all of it must be in sight
    for window in (2 * MAX_CHUNK - 1000, 2 * MAX_CHUNK - 1, 2 * MAX_CHUNK, 2 * MAX_CHUNK + 1):
        assert [chunk.length for chunk in cut(even, window=window)] == [MAX_CHUNK] * 5


def test_each_byte_is_read_once_and_in_order() -> None:
    data = noise(3_000_000)
    asked: list[tuple[int, int]] = []

    def read(offset: int, length: int) -> bytes:
        asked.append((offset, length))
        return data[offset : offset + length]

    list(Chunker(1).chunks(read, len(data), KEY))
    assert [offset for offset, _ in asked] == [sum(n for _, n in asked[:i]) for i in range(len(asked))]
    assert sum(length for _, length in asked) == len(data)
    assert max(length for _, length in asked) <= WINDOW


def test_reading_goes_no_further_ahead_than_a_window() -> None:
    data = noise(8 * WINDOW)
    furthest = 0

    def read(offset: int, length: int) -> bytes:
        nonlocal furthest
        furthest = offset + length
        return data[offset : offset + length]

    for chunk in Chunker().chunks(read, len(data), KEY):
        assert furthest - chunk.offset <= WINDOW + MAX_CHUNK


def test_an_insertion_changes_only_the_chunks_near_it() -> None:
    data = noise(4_000_000)
    before = {chunk.id for chunk in cut(data)}
    after = {chunk.id for chunk in cut(data[:1_000_000] + b"inserted" + data[1_000_000:])}
    assert len(after - before) <= 3


def test_bytes_that_never_vary_are_cut_at_the_largest_chunk() -> None:
    chunks = cut(bytes(3 * MAX_CHUNK + 1))
    assert [chunk.length for chunk in chunks] == [MAX_CHUNK] * 3 + [1]
    assert len({chunk.id for chunk in chunks}) == 2


@pytest.mark.parametrize("missing", [1, 500_000])
def test_a_file_that_shrinks_meanwhile_is_reported(missing: int) -> None:
    data = noise(2_000_000)
    with pytest.raises(Unavailable, match="changed while being read"):
        list(Chunker().chunks(reader(data[:-missing]), len(data), KEY))


def test_a_reader_that_gives_too_much_is_reported() -> None:
    with pytest.raises(Unavailable):
        list(Chunker().chunks(lambda offset, length: bytes(length + 1), 100, KEY))


def test_a_chunker_can_be_left_in_the_middle_and_used_again() -> None:
    data = noise(1_000_000)
    chunker = Chunker()
    left = chunker.chunks(reader(data), len(data), KEY)
    next(left)
    assert list(chunker.chunks(reader(data), len(data), KEY)) == cut(data)
    assert list(left) == cut(data)[1:]


def test_there_is_no_class_beyond_the_sixth() -> None:
    with pytest.raises(Bug):
        Chunker(7)


def test_the_largest_class_is_cut_as_any_other() -> None:
    data = noise(6 << 20)
    assert cut(data, 6) == cut(data, 6, len(data))
    assert sum(chunk.length for chunk in cut(data, 6)) == len(data)
