"""Bech32m (BIP-350): bytes as text that people can copy, with a checksum that finds every likely typo.

Its checksum detects any 3 wrong characters in up to 1,023, and misses one in 2^30 of everything else. This is the codec
alone; which prefixes and lengths there are is the business of `printed`. Base58 was rejected: no such guarantee, and
mixed case cannot be read out over a telephone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
CHECKSUM_LENGTH = 6
MAX_LENGTH = 1023  # characters in all; beyond it the checksum promises nothing

_VALUES = {character: value for value, character in enumerate(ALPHABET)}
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CONSTANT = 0x2BC830A3


def encoded_length(prefix: str, size: int) -> int:
    """Characters that `size` bytes take under `prefix`, all told."""
    return len(prefix) + 1 + (size * 8 + 4) // 5 + CHECKSUM_LENGTH


def encode(prefix: str, data: bytes) -> str:
    """`prefix`, "1", data and checksum, in lower case."""
    values = _to_fives(data)
    checksum = _state(prefix, [*values, *[0] * CHECKSUM_LENGTH]) ^ _CONSTANT
    values += [checksum >> 5 * (CHECKSUM_LENGTH - 1 - i) & 31 for i in range(CHECKSUM_LENGTH)]
    return prefix + "1" + "".join(ALPHABET[value] for value in values)


def to_values(text: str) -> list[int | None]:
    """Five bits for each lower-case character; None for one that is not in the alphabet."""
    return [_VALUES.get(character) for character in text]


def residue(prefix: str, values: Sequence[int]) -> int:
    """0 when the checksum at the end of `values` fits; otherwise a trace of what is wrong with them."""
    return _state(prefix, values) ^ _CONSTANT


def to_bytes(values: Sequence[int]) -> bytes | None:
    """The data of `values` (checksum included, and not looked at); None when it was not made from whole bytes."""
    data = values[: len(values) - CHECKSUM_LENGTH]
    bits = len(data) * 5
    if len(values) < CHECKSUM_LENGTH or bits % 8 >= 5:
        return None
    number = 0
    for value in data:
        number = number << 5 | value
    if number & ((1 << bits % 8) - 1):
        return None  # padding that is not zero would give one key many spellings
    return (number >> bits % 8).to_bytes(bits // 8, "big")


def locate_typo(trace: int, values: Sequence[int]) -> tuple[int, ...]:
    """Where in `values` the mistake behind a `residue` is, if it is a likely one.

    (i,) for one wrong character, (i, i + 1) for two neighbours that changed places, () for anything else. The
    checksum is linear, so that a mistake leaves the same trace in every key: no key is tried, and none is corrected.
    """
    last = len(values) - 1
    for error in range(1, 32):
        state = error
        for distance in range(len(values)):
            if state == trace:
                return (last - distance,)
            state = _step(state, 0)
    for position in range(last):
        error = values[position] ^ values[position + 1]
        state = _step(error, error)
        for _ in range(last - position - 1):
            state = _step(state, 0)
        if error and state == trace:
            return (position, position + 1)
    return ()


def _state(prefix: str, values: Iterable[int]) -> int:
    state = 1
    for character in prefix:
        state = _step(state, ord(character) >> 5)
    state = _step(state, 0)
    for character in prefix:
        state = _step(state, ord(character) & 31)
    for value in values:
        state = _step(state, value)
    return state


def _step(state: int, value: int) -> int:
    top = state >> 25
    state = (state & 0x1FFFFFF) << 5 ^ value
    for i, generator in enumerate(_GENERATOR):
        if top >> i & 1:
            state ^= generator
    return state


def _to_fives(data: bytes) -> list[int]:
    padding = -len(data) * 8 % 5
    number = int.from_bytes(data, "big") << padding
    length = (len(data) * 8 + padding) // 5
    return [number >> 5 * (length - 1 - i) & 31 for i in range(length)]
