"""Messages as frozen dataclasses: what their fields may hold is declared once, and checked on both sides.

    WIRE = Vocabulary()

    @message(WIRE, 7)
    class Delta:
        folder: Annotated[bytes, Exactly(16)]
        after: Annotated[int, UpTo(2**63)]
        records: Annotated[tuple[Annotated[bytes, AtMost(4096)], ...], AtMost(4096)]
        hint: Annotated[str, AtMost(200)] | None = None

    WIRE.unpack(WIRE.pack(Delta(...)))

A field is a bool, bytes (Exactly or AtMost so many bytes), a str (AtMost so many bytes of UTF-8), an int (UpTo or
Between), a tuple of any number of one type (AtMost or Exactly so many items), a tuple of fixed types, or one of these
or None. NewTypes stand for what they are made of; an IntEnum may be given for an int and a NamedTuple for a tuple, and
arrive as plain ones. A type without a bound is a Bug when the class is made: nothing from the network is unbounded.

On the wire a message is an array: its number, then its fields in order. *Numbers that we do not know come out as
Unknown, and fields beyond those that we know are dropped*, so that a newer peer may say more. A missing field is
the peer's fault, unless the field has a default: so a field can be added later, at the end and with one.

Checks are compiled once for each class, and look at columns of values rather than at one value: a list of 4,096 ids
is then checked by a few loops in C.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import MISSING, dataclass, fields
from itertools import chain
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    NamedTuple,
    NewType,
    TypeVar,
    Union,
    cast,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

from swarm.errors import BadPeer, Bug
from swarm.wire.codec import MAX_ITEMS, MAX_MESSAGE, Value, decode, encode

MAX_NUMBER = 127  # one byte on the wire

Message = TypeVar("Message")
Check = Callable[[Collection[object]], None]  # looks at values of one field; raises ValueError


# Classes of their own, not NamedTuples: typing keeps one Annotated for arguments that are equal, and to a tuple
# Exactly(16), AtMost(16) and UpTo(16) are.
@dataclass(frozen=True, slots=True)
class Between:
    """An int from `low` to `high`, both included."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class UpTo:
    """An int from 0 to `high`, included."""

    high: int


@dataclass(frozen=True, slots=True)
class Exactly:
    """So many bytes, or items."""

    length: int


@dataclass(frozen=True, slots=True)
class AtMost:
    """So many bytes, or items, or fewer."""

    length: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """A message of a number that we do not know, from a newer peer."""

    number: int


class _Form(NamedTuple):
    """What is known of one class of messages."""

    kind: Callable[..., object]
    names: tuple[str, ...]
    checks: tuple[Check, ...]
    required: int  # fields that have no default


class Vocabulary:
    """The messages of one conversation, by number."""

    def __init__(self) -> None:
        self._forms: dict[int, _Form] = {}
        self._numbers: dict[type, int] = {}

    def add(self, number: int, kind: type) -> None:
        """Compiles the checks of a dataclass. Raises Bug when the number is taken or a field is not bounded."""
        if not 0 <= number <= MAX_NUMBER or number in self._forms:
            raise Bug(f"message number {number} is taken or out of range")
        hints = get_type_hints(kind, include_extras=True)
        declared = fields(kind)
        self._forms[number] = _Form(
            kind,
            tuple(field.name for field in declared),
            tuple(_compile(hints[field.name]) for field in declared),
            sum(field.default is MISSING for field in declared),
        )
        self._numbers[kind] = number

    def pack(self, message: object) -> bytes:
        """The bytes of a message. Raises Bug when a field does not hold what it declares."""
        number = self._numbers.get(type(message))
        if number is None:
            raise Bug(f"{type(message).__name__} is not a message")
        form = self._forms[number]
        values = tuple(getattr(message, name) for name in form.names)
        try:
            _check_all(form, values)
        except ValueError as error:
            raise Bug(f"{type(message).__name__}.{error}") from error
        return encode((number, *values))

    def unpack(self, data: bytes, max_bytes: int = MAX_MESSAGE) -> object:
        """The message in `data`, or Unknown. Raises BadPeer for anything that is not strictly one."""
        match decode(data, max_bytes):
            case (int(number), *values) if type(number) is int and 0 <= number <= MAX_NUMBER:
                form = self._forms.get(number)
            case _:
                raise BadPeer("not a message")
        if form is None:
            return Unknown(number)
        if len(values) < form.required:
            raise BadPeer(f"message {number} is too short")
        known = values[: len(form.names)]
        try:
            _check_all(form, known)
        except ValueError as error:
            raise BadPeer(f"message {number}: {error}") from error
        return form.kind(*known)


@dataclass_transform(frozen_default=True)
def message(vocabulary: Vocabulary, number: int) -> Callable[[type[Message]], type[Message]]:
    """Makes a class a frozen dataclass, and the message of that number."""

    def decorate(declaration: type[Message]) -> type[Message]:
        kind = dataclass(frozen=True, slots=True)(declaration)
        vocabulary.add(number, kind)
        return kind

    return decorate


def _check_all(form: _Form, values: Collection[Value]) -> None:
    for name, check, value in zip(form.names, form.checks, values, strict=False):
        try:
            check((value,))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error


def _compile(hint: Any, *bounds: object) -> Check:
    """The check for a type as declared, with the bounds that Annotated has put around it."""
    if isinstance(hint, NewType):
        return _compile(hint.__supertype__, *bounds)
    origin, inner = get_origin(hint), get_args(hint)
    match origin, bounds:
        case (kind, ()) if kind is Annotated:
            return _compile(inner[0], *inner[1:])
        case (kind, ()) if kind in (Union, UnionType) and len(inner) == 2 and NoneType in inner:
            return _optional(_compile(next(kind for kind in inner if kind is not NoneType)))
        case (kind, (Exactly() | AtMost() as bound,)) if kind is tuple and len(inner) == 2 and inner[1] is Ellipsis:
            return _sequence(_compile(inner[0]), _lengths(bound, MAX_ITEMS))
        case (kind, ()) if kind is tuple and Ellipsis not in inner:
            return _row([_compile(kind) for kind in inner])
    match hint, bounds:
        case (kind, ()) if kind is bool:
            return _of_type(bool)
        case (kind, (UpTo(high),)) if kind is int:
            return _integer(0, high)
        case (kind, (Between(low, high),)) if kind is int:
            return _integer(low, high)
        case (kind, (Exactly() | AtMost() as bound,)) if kind is bytes:
            return _bytes(_lengths(bound, MAX_MESSAGE))
        case (kind, (AtMost() as bound,)) if kind is str:
            return _text(_lengths(bound, MAX_MESSAGE))
    raise Bug(f"a message cannot have a field of type {hint} with bounds {bounds}")


def _lengths(bound: Exactly | AtMost, most: int) -> range:
    if not 0 <= bound.length <= most:
        raise Bug(f"a bound of {bound.length}, where {most} is the most")
    return range(bound.length if isinstance(bound, Exactly) else 0, bound.length + 1)


def _of_type(kind: type) -> Check:
    def check(values: Collection[object]) -> None:
        for found in set(map(type, values)):
            # A peer's values are of the plain types; ours may be an IntEnum or a NamedTuple. A bool is no int.
            if not issubclass(found, kind) or (found is bool and kind is not bool):
                raise ValueError(f"not {kind.__name__}")

    return check


def _integer(low: int, high: int) -> Check:
    check_type = _of_type(int)

    def check(values: Collection[object]) -> None:
        check_type(values)
        numbers = cast("Collection[int]", values)
        if numbers and not (low <= min(numbers) and max(numbers) <= high):
            raise ValueError(f"not from {low} to {high}")

    return check


def _bytes(lengths: range) -> Check:
    check_type = _of_type(bytes)

    def check(values: Collection[object]) -> None:
        check_type(values)
        _check_lengths(set(map(len, cast("Collection[bytes]", values))), lengths)

    return check


def _text(lengths: range) -> Check:
    check_type = _of_type(str)

    def check(values: Collection[object]) -> None:
        check_type(values)  # a lone surrogate raises UnicodeEncodeError here, which is a ValueError
        _check_lengths({len(text.encode()) for text in cast("Collection[str]", values)}, lengths)

    return check


def _sequence(check_item: Check, lengths: range) -> Check:
    check_type = _of_type(tuple)

    def check(values: Collection[object]) -> None:
        check_type(values)
        sequences = cast("Collection[tuple[object, ...]]", values)
        _check_lengths(set(map(len, sequences)), lengths)
        check_item(tuple(chain.from_iterable(sequences)))

    return check


def _row(checks: list[Check]) -> Check:
    check_type = _of_type(tuple)
    lengths = range(len(checks), len(checks) + 1)

    def check(values: Collection[object]) -> None:
        check_type(values)
        rows = cast("Collection[tuple[object, ...]]", values)
        _check_lengths(set(map(len, rows)), lengths)
        for check_column, column in zip(checks, zip(*rows, strict=True), strict=bool(rows)):
            check_column(column)

    return check


def _optional(check_given: Check) -> Check:
    def check(values: Collection[object]) -> None:
        check_given([value for value in values if value is not None])

    return check


def _check_lengths(found: set[int], lengths: range) -> None:
    for length in found:
        if length not in lengths:
            raise ValueError(f"a length of {length}, not {lengths.start} to {lengths.stop - 1}")
