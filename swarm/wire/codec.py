"""Values as bytes: a strict part of msgpack in which every value has exactly one encoding.

A value is None, a bool, an integer from -2^63 to 2^64 - 1, bytes, a str of valid UTF-8, or a tuple of values, nested at
most MAX_DEPTH deep. Maps are refused, so there are no duplicate keys and no order of keys to argue about: a message is
an array, and what would be a map is an array of pairs. Floats are refused since two machines print and compare them
differently, extensions (the timestamp among them) since nobody needs them.

That there is one encoding is checked by encoding the decoded value again and comparing: it costs a copy (30 µs for
256 KiB) and misses nothing, where a list of forbidden spellings would have to be complete. What is signed travels as a
bytes value, and is checked as it came.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final, Never, TypeAlias

import msgpack

from swarm.errors import BadPeer, Bug

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_MESSAGE = 1 << 20  # bytes; 1,024 records of the usual size are 370 kB; what is larger belongs outside of frames
MAX_ITEMS = 4096  # in one array. msgpack reserves 8 bytes for each announced item, at up to 1,024 open arrays: 32 MiB
MAX_DEPTH = 8  # arrays within arrays; messages are flat lists of pairs and triples

Value: TypeAlias = "bool | int | bytes | str | tuple[Value, ...] | None"

_TYPES: Final = (type(None), bool, int, bytes, str, tuple)


def encode(value: Value) -> bytes:
    """The one encoding of `value`; an IntEnum goes as its int, a NamedTuple as its tuple.

    Raises Bug for what is no value of the wire, or is too large for a message.
    """
    try:
        _check_shape(value)
        data: bytes = msgpack.packb(value)
    except (ValueError, OverflowError) as error:
        raise Bug(f"not a value for the wire: {error}") from error
    if len(data) > MAX_MESSAGE:
        raise Bug(f"a message of {len(data)} bytes")
    return data


def decode(data: bytes, max_bytes: int = MAX_MESSAGE, max_items: int = MAX_ITEMS) -> Value:
    """The value that `data` is the encoding of; `max_items` is for each array. Raises BadPeer for anything else."""
    if len(data) > max_bytes:
        raise BadPeer(f"a message of {len(data)} bytes")
    try:
        value: Value = msgpack.unpackb(
            data,
            use_list=False,
            ext_hook=_refuse_extension,
            max_array_len=max_items,
            max_map_len=0,
            max_ext_len=0,  # an empty extension is left, and comes to ext_hook; an empty map, and is seen as a dict
        )
        _check_shape(value)
        canonical: bytes = msgpack.packb(value)
    except (ValueError, OverflowError, RecursionError, msgpack.UnpackException) as error:
        raise BadPeer(f"a malformed message: {error}") from error
    if canonical != data:
        raise BadPeer("a message in an unusual spelling")
    return value


def _check_shape(value: object) -> None:
    """Raises ValueError where a type, or the nesting, is not of the wire: one pass in C over each level of nesting."""
    level: Iterable[object] = (value,)
    for _ in range(MAX_DEPTH + 1):
        found = set(map(type, level))
        if alien := [kind.__name__ for kind in found if not issubclass(kind, _TYPES)]:
            raise ValueError(f"a value of type {' or '.join(sorted(alien))}")
        if not any(issubclass(kind, tuple) for kind in found):
            return
        level = tuple(chain.from_iterable(item for item in level if isinstance(item, tuple)))
    raise ValueError("nested too deeply")


def _refuse_extension(code: int, data: bytes) -> Never:
    raise BadPeer("a message with an extension type in it")
