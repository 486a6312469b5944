import pytest

from swarm.content.chunk import (
    CLASS_ZERO_FILE,
    LARGEST_CHUNK,
    MAX_CHUNK,
    MAX_SIZE_CLASS,
    MIN_CHUNK,
    chunk_id,
    max_chunk,
    min_chunk,
    size_class_for,
)
from swarm.errors import Bug

GIB = 1 << 30


def test_a_chunk_has_another_name_in_every_folder() -> None:
    assert chunk_id(bytes(32), b"data") != chunk_id(b"\x01" * 32, b"data")
    assert chunk_id(bytes(32), b"data") == chunk_id(bytes(32), memoryview(b"data"))
    assert len(chunk_id(bytes(32), b"")) == 32


def test_a_chunk_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32"):
        chunk_id(b"short", b"data")


def test_each_class_doubles_the_sizes() -> None:
    assert [min_chunk(c) for c in range(7)] == [MIN_CHUNK << c for c in range(7)]
    assert [max_chunk(c) for c in range(7)] == [MAX_CHUNK << c for c in range(7)]
    assert max_chunk(MAX_SIZE_CLASS) == LARGEST_CHUNK == 16 << 20


@pytest.mark.parametrize("size_class", [-1, 7])
def test_there_is_no_other_class(size_class: int) -> None:
    with pytest.raises(Bug):
        min_chunk(size_class)
    with pytest.raises(Bug):
        max_chunk(size_class)
    with pytest.raises(Bug):
        size_class_for(1, kept=size_class)


@pytest.mark.parametrize(
    ("size", "size_class"),
    [
        (0, 0),
        (1, 0),
        (GIB, 0),
        (GIB + 1, 1),
        (2 * GIB, 1),
        (2 * GIB + 1, 2),
        (32 * GIB, 5),
        (32 * GIB + 1, 6),
        (1 << 50, 6),
    ],
)
def test_the_class_of_a_new_file_grows_with_its_size(size: int, size_class: int) -> None:
    assert size_class_for(size) == size_class


def test_a_file_that_grows_keeps_its_class_for_a_while() -> None:
    assert size_class_for(4 * GIB, kept=0) == 0
    assert size_class_for(4 * GIB + 1, kept=0) == 3
    assert size_class_for(1 << 50, kept=6) == 6


def test_a_file_that_shrinks_keeps_its_class_for_a_while() -> None:
    assert size_class_for(CLASS_ZERO_FILE // 4 + 1, kept=1) == 1
    assert size_class_for(CLASS_ZERO_FILE // 4, kept=1) == 0
    assert size_class_for(8 * GIB + 1, kept=6) == 6
    assert size_class_for(8 * GIB, kept=6) == 3


@pytest.mark.parametrize("kept", range(7))
def test_a_small_file_is_of_class_zero_whatever_it_was(kept: int) -> None:
    assert size_class_for(MIN_CHUNK, kept) == 0
    assert size_class_for(0, kept) == 0
