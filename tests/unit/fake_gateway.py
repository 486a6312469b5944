"""A home router's port mapping, NAT-PMP and PCP, without sockets: datagram in, answers out."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from ipaddress import IPv4Address


@dataclass
class FakeGateway:
    """Written from the RFCs' tables, and not with our own codec."""

    speaks_pcp: bool = True
    speaks_nat_pmp: bool = True
    host: str = "203.0.113.9"
    lifetime: int | None = None  # what it grants; None: what was asked for
    refusal: int = 0  # a result code for every mapping
    offset: int = 0  # the outer port is so much higher
    silent: bool = False
    booted: float = 0.0
    mapped: dict[tuple[int, int], int] = field(default_factory=dict)  # (protocol, inner) -> outer
    asked: list[bytes] = field(default_factory=list)

    def reboot(self, now: float) -> None:
        self.booted = now
        self.mapped.clear()

    def answer(self, data: bytes, now: float) -> list[bytes]:
        self.asked.append(data)
        epoch = int(now - self.booted)
        if self.silent:
            return []
        if data[0] == 2 and self.speaks_pcp:
            return [self._pcp(data, epoch)]
        if not self.speaks_nat_pmp:
            return []
        if data[0] != 0:
            return [struct.pack(">BBHI", 0, 128 + data[1], 1, epoch)]
        if data[1] == 0:
            return [struct.pack(">BBHI", 0, 128, 0, epoch) + IPv4Address(self.host).packed]
        return [self._nat_pmp(data, epoch)]

    def _map(self, protocol: int, inner: int, outer: int, lifetime: int) -> tuple[int, int]:
        if not lifetime:
            self.mapped.pop((protocol, inner), None)
            return outer, 0
        given = lifetime if self.lifetime is None else self.lifetime
        self.mapped[protocol, inner] = outer + self.offset if inner == outer else outer
        return self.mapped[protocol, inner], given

    def _nat_pmp(self, data: bytes, epoch: int) -> bytes:
        _, opcode, _, inner, outer, lifetime = struct.unpack(">BBHHHI", data)
        if self.refusal:
            return struct.pack(">BBHIHHI", 0, 128 + opcode, self.refusal, epoch, inner, 0, 0)
        outer, lifetime = self._map({1: 17, 2: 6}[opcode], inner, outer, lifetime)
        return struct.pack(">BBHIHHI", 0, 128 + opcode, 0, epoch, inner, outer, lifetime)

    def _pcp(self, data: bytes, epoch: int) -> bytes:
        assert len(data) == 60
        _, opcode, _, lifetime = struct.unpack_from(">BBHI", data)
        nonce, protocol, inner, outer = struct.unpack_from(">12sB3xHH", data, 24)
        given = 0
        if not self.refusal:
            outer, given = self._map(protocol, inner, outer, lifetime)
        header = struct.pack(">BBBBII12x", 2, 0x80 | opcode, 0, self.refusal, given, epoch)
        host = b"\0" * 10 + b"\xff\xff" + IPv4Address(self.host).packed
        return header + struct.pack(">12sB3xHH", nonce, protocol, inner, outer) + host
