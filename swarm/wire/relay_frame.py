"""Frames between a device and a relay: what stands in them in the clear. Pure, strict, and the same for both sides.

Over UDP a frame is a datagram; over TLS and TCP it follows its length in 2 bytes. The first byte says what it is:

    30 DATA      channel 4 ‖ what the ends say to each other, 1 byte or more
    31 HELLO     client's ephemeral X25519 key 32 ‖ zeros; 64 bytes or more in all
    32 COOKIE    the first 8 bytes of that key ‖ fingerprint of the relay 8 ‖ cookie 22
    33 REGISTER  ephemeral 32 ‖ cookie 22 ‖ sealed
    34 SEALED    session 8 ‖ counter 8 ‖ sealed
    35 RESET     session 8: "I know no such session"
    36 WHOAMI    transaction 8 ‖ flags 1 ‖ zeros; 32 bytes or more in all
    37 ADDRESS   transaction 8 ‖ alternate port 2 ‖ address
    38 WELCOME   the first 8 bytes of the ephemeral key ‖ sealed
    3A GONE      channel 4: "I know no such channel", or you are neither of its ends

COOKIE, RESET, ADDRESS and GONE prove nothing: whoever gets one takes it for a hint. Each is smaller than what it
answers. An address is 4 or 16 bytes and a port of 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, TypeAlias

from swarm.errors import BadPeer, Bug
from swarm.wire.framing import Deframer

DATA, HELLO, COOKIE, REGISTER, SEALED, RESET, WHOAMI, ADDRESS, WELCOME = range(0x30, 0x39)
GONE: Final = 0x3A
FIRST_KIND: Final = 0x30
LAST_KIND: Final = 0x3F  # 39 and 3B to 3F are for later

DATA_HEADER: Final = 5  # bytes in front of what is passed on: a kind and a channel
MAX_FRAME: Final = 16_384  # bytes: the largest datagram of the links, 16,000, and what stands in front of it
MAX_CONTROL: Final = 1_200  # bytes of any frame but DATA: passes every path that QUIC passes
MIN_HELLO: Final = 64
MIN_WHOAMI: Final = 32

TRANSACTION_BYTES: Final = 8
EPHEMERAL_BYTES: Final = 32
FINGERPRINT_BYTES: Final = 8
COOKIE_BYTES: Final = 22
SESSION_BYTES: Final = 8
COUNTER_BYTES: Final = 8
CHANNEL_BYTES: Final = 4
MAX_CHANNEL: Final = (1 << 8 * CHANNEL_BYTES) - 1
MAX_COUNTER: Final = (1 << 63) - 1
ADDRESS_BYTES: Final = (6, 18)
FROM_ALTERNATE: Final = 1  # a flag of WHOAMI: answer from the alternate port

_REGISTER_HEAD: Final = 1 + EPHEMERAL_BYTES + COOKIE_BYTES
_SEALED_HEAD: Final = 1 + SESSION_BYTES + COUNTER_BYTES
_WELCOME_HEAD: Final = 1 + TRANSACTION_BYTES

Address: TypeAlias = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Data:
    """What one end of a channel says to the other."""

    channel: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Hello:
    ephemeral: bytes


@dataclass(frozen=True, slots=True)
class Cookie:
    transaction: bytes  # the first bytes of the client's ephemeral key
    fingerprint: bytes  # of the relay's key, so that a wrong one is noticed
    cookie: bytes


@dataclass(frozen=True, slots=True)
class Register:
    ephemeral: bytes
    cookie: bytes
    sealed: bytes
    outer: bytes  # what stands before `sealed`


@dataclass(frozen=True, slots=True)
class Sealed:
    session: bytes
    counter: int
    sealed: bytes
    outer: bytes


@dataclass(frozen=True, slots=True)
class Reset:
    session: bytes


@dataclass(frozen=True, slots=True)
class WhoAmI:
    transaction: bytes
    from_alternate: bool


@dataclass(frozen=True, slots=True)
class AddressIs:
    transaction: bytes
    alternate_port: int  # UDP; 0 is none
    address: Address  # where the question came from


@dataclass(frozen=True, slots=True)
class WelcomeBox:
    transaction: bytes  # the first bytes of the client's ephemeral key
    sealed: bytes
    outer: bytes


@dataclass(frozen=True, slots=True)
class Gone:
    channel: int


Frame: TypeAlias = Data | Hello | Cookie | Register | Sealed | Reset | WhoAmI | AddressIs | WelcomeBox | Gone


def parse(data: bytes) -> Frame:
    """The frame in `data`. Raises BadPeer for anything that is not strictly one."""
    if not data:
        raise BadPeer("an empty frame")
    kind, size = data[0], len(data)
    if kind == DATA:
        if not DATA_HEADER < size <= MAX_FRAME:
            raise BadPeer(f"DATA of {size} bytes")
        return Data(int.from_bytes(data[1:DATA_HEADER], "big"), data[DATA_HEADER:])
    if size > MAX_CONTROL:
        raise BadPeer(f"a frame of kind {kind:02x} and {size} bytes")
    if kind == SEALED and size > _SEALED_HEAD:
        outer = data[:_SEALED_HEAD]
        counter = int.from_bytes(outer[1 + SESSION_BYTES :], "big")
        return Sealed(outer[1 : 1 + SESSION_BYTES], counter, data[_SEALED_HEAD:], outer)
    if kind == HELLO and size >= MIN_HELLO and not any(data[1 + EPHEMERAL_BYTES :]):
        return Hello(data[1 : 1 + EPHEMERAL_BYTES])
    if kind == REGISTER and size > _REGISTER_HEAD:
        outer = data[:_REGISTER_HEAD]
        return Register(outer[1 : 1 + EPHEMERAL_BYTES], outer[1 + EPHEMERAL_BYTES :], data[_REGISTER_HEAD:], outer)
    if kind == COOKIE and size == 9 + FINGERPRINT_BYTES + COOKIE_BYTES:
        return Cookie(data[1:9], data[9 : 9 + FINGERPRINT_BYTES], data[9 + FINGERPRINT_BYTES :])
    if kind == WELCOME and size > _WELCOME_HEAD:
        return WelcomeBox(data[1:_WELCOME_HEAD], data[_WELCOME_HEAD:], data[:_WELCOME_HEAD])
    if kind == RESET and size == 1 + SESSION_BYTES:
        return Reset(data[1:])
    if kind == WHOAMI and size >= MIN_WHOAMI and not any(data[10:]) and data[9] <= FROM_ALTERNATE:
        return WhoAmI(data[1:9], bool(data[9]))
    if kind == ADDRESS and size - 11 in ADDRESS_BYTES:
        return AddressIs(data[1:9], int.from_bytes(data[9:11], "big"), unpack_address(data[11:]))
    if kind == GONE and size == 1 + CHANNEL_BYTES:
        return Gone(int.from_bytes(data[1:], "big"))
    raise BadPeer(f"a frame of kind {kind:02x} and {size} bytes")


def data_frame(channel: int, payload: bytes) -> bytes:
    """DATA: `payload`, at least a byte, for the other end of `channel`."""
    return bytes([DATA]) + channel.to_bytes(CHANNEL_BYTES, "big") + payload


def hello_frame(ephemeral: bytes) -> bytes:
    """HELLO, padded so that the answer is smaller."""
    return (bytes([HELLO]) + ephemeral).ljust(MIN_HELLO, b"\0")


def cookie_frame(ephemeral: bytes, fingerprint: bytes, cookie: bytes) -> bytes:
    """COOKIE, in answer to HELLO, and to a REGISTER whose cookie is too old."""
    return bytes([COOKIE]) + ephemeral[:TRANSACTION_BYTES] + fingerprint + cookie


def register_outer(ephemeral: bytes, cookie: bytes) -> bytes:
    """What stands before the sealed part of REGISTER."""
    return bytes([REGISTER]) + ephemeral + cookie


def welcome_outer(ephemeral: bytes) -> bytes:
    """What stands before the sealed part of WELCOME."""
    return bytes([WELCOME]) + ephemeral[:TRANSACTION_BYTES]


def sealed_outer(session: bytes, counter: int) -> bytes:
    """What stands before the sealed part of SEALED. Raises Bug when the counter is used up."""
    if not 0 < counter <= MAX_COUNTER:
        raise Bug(f"a counter of {counter}")
    return bytes([SEALED]) + session + counter.to_bytes(COUNTER_BYTES, "big")


def reset_frame(session: bytes) -> bytes:
    """RESET."""
    return bytes([RESET]) + session


def whoami_frame(transaction: bytes, *, from_alternate: bool = False) -> bytes:
    """WHOAMI, padded so that the answer is smaller."""
    flags = FROM_ALTERNATE if from_alternate else 0
    return (bytes([WHOAMI]) + transaction + bytes([flags])).ljust(MIN_WHOAMI, b"\0")


def address_frame(transaction: bytes, alternate_port: int, address: Address) -> bytes:
    """ADDRESS, in answer to WHOAMI."""
    return bytes([ADDRESS]) + transaction + alternate_port.to_bytes(2, "big") + pack_address(address)


def gone_frame(channel: int) -> bytes:
    """GONE."""
    return bytes([GONE]) + channel.to_bytes(CHANNEL_BYTES, "big")


def pack_address(address: Address) -> bytes:
    """6 or 18 bytes. The host is a literal; a zone is left out, and an IPv4-mapped one is written as IPv4."""
    literal = ip_address(address[0].partition("%")[0])
    if isinstance(literal, IPv6Address) and literal.ipv4_mapped is not None:
        literal = literal.ipv4_mapped
    return literal.packed + address[1].to_bytes(2, "big")


def unpack_address(data: bytes) -> Address:
    """The address in 6 or 18 bytes. Raises BadPeer for any other number, and for an IPv4-mapped one."""
    if len(data) not in ADDRESS_BYTES:
        raise BadPeer(f"an address of {len(data)} bytes")
    literal = IPv4Address(data[:-2]) if len(data) == ADDRESS_BYTES[0] else IPv6Address(data[:-2])
    if isinstance(literal, IPv6Address) and literal.ipv4_mapped is not None:
        raise BadPeer("an IPv4 address in an unusual spelling")
    return str(literal), int.from_bytes(data[-2:], "big")


# The same frames in a byte stream.

LENGTH_BYTES: Final = 2


def in_stream(frame: bytes) -> bytes:
    """A frame as it goes into a stream: behind its length. Raises Bug for one that is too large."""
    if not 0 < len(frame) <= MAX_FRAME:
        raise Bug(f"a frame of {len(frame)} bytes")
    return len(frame).to_bytes(LENGTH_BYTES, "big") + frame


def stream_reader() -> Deframer:
    """What takes a stream as it comes and gives the frames in it: `feed`, which raises BadPeer."""
    return Deframer(MAX_FRAME, LENGTH_BYTES)
