"""NAT-PMP, RFC 6886: what a home router is asked for a port that others can reach, and what it answers. Pure.

Twelve bytes there and sixteen back, to port 5351 of the default gateway. Answers are a router's, which is trusted with
no more than its word: whoever it says we are is only a candidate that others may dial.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address
from typing import Final

PORT: Final = 5351  # of the gateway; PCP's too
VERSION: Final = 0
OF_ANSWERS: Final = 128  # added to the question's opcode
ASK_ADDRESS: Final = 0
LARGEST_ANSWER: Final = 1100  # bytes; PCP's largest message, RFC 6887 section 7


class Protocol(IntEnum):
    """What is mapped; the number is IANA's."""

    TCP = 6
    UDP = 17


_OPCODE: Final = {Protocol.UDP: 1, Protocol.TCP: 2}
_PROTOCOL: Final = {opcode: protocol for protocol, opcode in _OPCODE.items()}
_REASONS: Final = {
    1: "it does not know this version",
    2: "it does not allow it; port mapping may be switched off in its settings",
    3: "it has no address of its own yet",
    4: "it has no room for another mapping",
    5: "it does not know this request",
}


@dataclass(frozen=True, slots=True)
class External:
    """The gateway's own address on the other side."""

    host: str
    epoch: int  # seconds since it lost its table


@dataclass(frozen=True, slots=True)
class Granted:
    """A port of the gateway leads to one of ours. lifetime: seconds, 0 where the mapping has just been taken away."""

    protocol: Protocol
    inner: int
    outer: int
    lifetime: int
    epoch: int
    host: str = ""  # the gateway's address on the other side, where the answer tells it


@dataclass(frozen=True, slots=True)
class Refused:
    """It speaks the protocol, and said no."""

    why: str
    other_version: bool = False


Answer = External | Granted | Refused


def ask_address() -> bytes:
    """Which address does the gateway have outside?"""
    return bytes([VERSION, ASK_ADDRESS])


def ask_mapping(protocol: Protocol, inner: int, outer: int, lifetime: int) -> bytes:
    """May port `outer` outside, or another one, lead to our port `inner`? A lifetime of 0 gives the mapping back."""
    return struct.pack(">BBHHHI", VERSION, _OPCODE[protocol], 0, inner, outer if lifetime else 0, lifetime)


def read_answer(data: bytes) -> Answer | None:
    """None for what is no answer of this protocol."""
    if not 8 <= len(data) <= LARGEST_ANSWER or data[0] != VERSION or data[1] < OF_ANSWERS:
        return None
    opcode, result = data[1] - OF_ANSWERS, int.from_bytes(data[2:4], "big")
    if result:
        return Refused(_REASONS.get(result, f"it says {result}"), other_version=result == 1)
    epoch = int.from_bytes(data[4:8], "big")
    if opcode == ASK_ADDRESS and len(data) == 12:
        return External(str(IPv4Address(data[8:12])), epoch)
    if opcode in _PROTOCOL and len(data) == 16:
        inner, outer, lifetime = struct.unpack(">HHI", data[8:16])
        return Granted(_PROTOCOL[opcode], inner, outer, lifetime, epoch)
    return None
