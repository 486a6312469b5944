"""PCP, RFC 6887: NAT-PMP's successor on the same port, of which only the opcode MAP is used here. Pure.

A gateway that knows only the older one answers with the older version number, which `swarm.net.nat_pmp` reads.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from swarm.net.nat_pmp import Answer, Granted, Protocol, Refused

VERSION: Final = 2
MAP: Final = 1
ANSWER: Final = 0x80  # the bit in an opcode that tells an answer from a question
NONCE_BYTES: Final = 12  # who does not know it can neither answer nor take our mapping away
UNSUPPORTED_VERSION: Final = 1
_HEADER: Final = struct.Struct(">BBHI16s")
_ANSWER_HEADER: Final = struct.Struct(">BBBBII12x")
_MAP: Final = struct.Struct(">12sB3xHH16s")
_REASONS: Final = {
    1: "it does not know this version",
    2: "it does not allow it; port mapping may be switched off in its settings",
    7: "it has no way out at the moment",
    8: "it has no room for another mapping",
    11: "it has no such address",
    12: "our address is not what it sees: there is another NAT in between",
}


def ask_mapping(client: str, nonce: bytes, protocol: Protocol, inner: int, outer: int, lifetime: int) -> bytes:
    """`client`: our IPv4 address, as the gateway sees it. A lifetime of 0 gives the mapping back."""
    header = _HEADER.pack(VERSION, MAP, 0, lifetime, _mapped(client))
    return header + _MAP.pack(nonce, protocol, inner, outer, _mapped("0.0.0.0"))


def read_answer(data: bytes, nonce: bytes) -> Answer | None:
    """None for what is no answer of this protocol to a question with that nonce."""
    if len(data) < _ANSWER_HEADER.size or data[0] != VERSION or data[1] != ANSWER | MAP:
        return None
    _, _, _, result, lifetime, epoch = _ANSWER_HEADER.unpack_from(data)
    if len(data) < _ANSWER_HEADER.size + _MAP.size:
        return Refused(_REASONS[1], other_version=True) if result == UNSUPPORTED_VERSION else None
    said, protocol, inner, outer, host = _MAP.unpack_from(data, _ANSWER_HEADER.size)
    if said != nonce or protocol not in set(Protocol):
        return None
    if result:
        return Refused(_REASONS.get(result, f"it says {result}"), other_version=result == UNSUPPORTED_VERSION)
    address = IPv6Address(host)
    return Granted(Protocol(protocol), inner, outer, lifetime, epoch, str(address.ipv4_mapped or address))


def _mapped(host: str) -> bytes:
    return b"\x00" * 10 + b"\xff\xff" + IPv4Address(host).packed
