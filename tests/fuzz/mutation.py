"""Packets that are nearly right. Pure: everything random comes from the caller's generator."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

LARGEST = 1472  # bytes: what a packet of 1,500 holds
BORDERS = (0x00, 0x01, 0x7F, 0x80, 0xC0, 0xDF, 0xFE, 0xFF)  # where codecs and integers turn


def mutate(rng: random.Random, corpus: Sequence[bytes]) -> bytes:
    """One of the corpus, as it is or with one to four things wrong; or nothing but noise."""
    if rng.random() < 0.03:
        return rng.randbytes(rng.randrange(1, LARGEST))
    data = bytearray(rng.choice(corpus))
    for _ in range(rng.choice((0, 1, 1, 1, 2, 4))):
        data = bytearray(rng.choice(MUTATORS)(rng, data, corpus))
    return bytes(data[:LARGEST]) or b"\0"


def flip(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> bytes | bytearray:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return data


def overwrite(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> bytes | bytearray:
    for _number in range(rng.randrange(1, 5)):
        if data:
            data[rng.randrange(len(data))] = rng.choice(BORDERS)
    return data


def change_head(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> bytes | bytearray:
    """The first bytes say what a packet is, and how long its parts are."""
    if data:
        data[rng.randrange(min(len(data), 32))] = rng.randrange(256)
    return data


def cut(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> bytes | bytearray:
    return data[: rng.randrange(len(data) + 1)]


def grow(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> bytes | bytearray:
    return data + rng.choice((rng.randbytes, bytes))(rng.randrange(1, 300))


def repeat(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> bytes | bytearray:
    start = rng.randrange(len(data) + 1)
    piece = data[start : start + rng.randrange(1, 64)]
    return data[:start] + piece * rng.randrange(2, 9) + data[start:]


def drop(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> bytes | bytearray:
    start = rng.randrange(len(data) + 1)
    return data[:start] + data[start + rng.randrange(1, 16) :]


def splice(rng: random.Random, data: bytearray, corpus: Sequence[bytes]) -> bytes | bytearray:
    """The beginning of one, the end of another."""
    other = rng.choice(corpus)
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


def rename(rng: random.Random, data: bytearray, corpus: Sequence[bytes]) -> bytes | bytearray:
    """Says that it is another kind of packet."""
    other = rng.choice(corpus)
    return other[:1] + data[1:]


MUTATORS: tuple[Callable[[random.Random, bytearray, Sequence[bytes]], bytes | bytearray], ...] = (
    flip, overwrite, change_head, cut, grow, repeat, drop, splice, rename,
)  # fmt: skip
