"""QUIC packets as a stranger sends them, made by aioquic."""

from __future__ import annotations

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection

from swarm.net.endpoint import ALPN


def packets(count: int = 4) -> list[bytes]:
    """First packets of so many clients, and what else begins with such a first byte."""
    made: list[bytes] = []
    for _ in range(count):
        configuration = QuicConfiguration(alpn_protocols=[ALPN], verify_mode=0, supported_versions=[1])
        client = QuicConnection(configuration=configuration)
        client.connect(("192.0.2.1", 1), now=0.0)
        made += [data for data, _ in client.datagrams_to_send(now=0.0)]
    first = made[0]
    ids = first[5:23]
    return [
        *made,
        b"\xc0\x0a\x0a\x0a\x0a" + first[5:],  # a version that nobody speaks
        bytes([first[0] & 0xCF | 0x20]) + first[1:],  # a handshake packet
        bytes([first[0] & 0xCF | 0x10]) + first[1:],  # 0-RTT
        b"\xf0\x00\x00\x00\x01" + ids + bytes(40),  # Retry
        b"\x80\x00\x00\x00\x00" + ids + b"\x00\x00\x00\x01",  # version negotiation
        b"\x40" + bytes(8) + bytes(60),  # of a connection
    ]
