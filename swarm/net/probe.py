"""Probes: may the peer of this link be reached by that hop? Pings and pongs of 52 bytes beside QUIC. Pure.

    ping  24 ‖ tag 8 ‖ transaction 8 ‖ side 1 ‖ address 18 ‖ MAC 16        pong  25 ‖ …

All keys come from the link's binding: both ends have it after the handshake, and nobody else can make a probe or answer
one. The tag says whose link it is. A pong has the transaction of its ping, and where that came from, as seen by
whoever answers; in a ping that field is zero, so that a pong is never larger than what it answers. `side` tells the
dialler's probes from the listener's: our own, sent back to us, are nobody's answer.
"""

from __future__ import annotations

import hmac
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Final, NamedTuple

from swarm.keys.derive import kdf

if TYPE_CHECKING:
    from swarm.wire.hop import Address

PING: Final = 0x24
PONG: Final = 0x25
TAG_BYTES: Final = 8
TRANSACTION_BYTES: Final = 8
ADDRESS_BYTES: Final = 18  # IPv6, or IPv4 mapped into it, and a port
MAC_BYTES: Final = 16
BODY_BYTES: Final = 1 + TAG_BYTES + TRANSACTION_BYTES + 1 + ADDRESS_BYTES
PROBE_BYTES: Final = BODY_BYTES + MAC_BYTES

NOWHERE: Final = bytes(ADDRESS_BYTES)
MAPPED: Final = bytes(10) + b"\xff\xff"


class Probe(NamedTuple):
    """One that the peer has made for this link."""

    is_pong: bool
    transaction: bytes
    seen: Address | None  # in a pong: where our ping came from; None where it came through a relay


class Prober:
    """Makes and reads the probes of one link."""

    def __init__(self, binding: bytes, *, dialled: bool) -> None:
        """`binding`: the link's, 32 bytes. `dialled`: by us."""
        self._key = kdf(binding, b"swarm1.probe")
        self.tag = kdf(binding, b"swarm1.probetag", size=TAG_BYTES)
        self.dialled = dialled
        self._ours, self._theirs = (b"\0", b"\1") if dialled else (b"\1", b"\0")

    def ping(self, transaction: bytes) -> bytes:
        """`transaction`: 8 random bytes."""
        return self._sealed(bytes([PING]) + self.tag + transaction + self._ours + NOWHERE)

    def pong(self, transaction: bytes, seen: Address | None) -> bytes:
        """The answer to a ping that came from `seen`; None for one that came through a relay."""
        return self._sealed(bytes([PONG]) + self.tag + transaction + self._ours + _packed(seen))

    def read(self, data: bytes) -> Probe | None:
        """None for what the peer has not made."""
        body, mac = data[:BODY_BYTES], data[BODY_BYTES:]
        if len(data) != PROBE_BYTES or not hmac.compare_digest(mac, self._mac(body)):
            return None
        at = 1 + TAG_BYTES
        side = at + TRANSACTION_BYTES
        if body[0] not in (PING, PONG) or body[side : side + 1] != self._theirs:
            return None
        return Probe(body[0] == PONG, body[at:side], _unpacked(body[side + 1 :]))

    def _sealed(self, body: bytes) -> bytes:
        return body + self._mac(body)

    def _mac(self, body: bytes) -> bytes:
        return blake2b(body, key=self._key, digest_size=MAC_BYTES).digest()


def tag_of(data: bytes) -> bytes | None:
    """Whose link a datagram may be a probe of; None where it is none."""
    if len(data) != PROBE_BYTES or data[0] not in (PING, PONG):
        return None
    return data[1 : 1 + TAG_BYTES]


def _packed(address: Address | None) -> bytes:
    if address is None:
        return NOWHERE
    host = ip_address(address[0].partition("%")[0])
    packed = host.packed if isinstance(host, IPv6Address) else MAPPED + host.packed
    return packed + address[1].to_bytes(2, "big")


def _unpacked(data: bytes) -> Address | None:
    if data == NOWHERE:
        return None
    host = IPv6Address(data[:16])
    return str(host.ipv4_mapped or host), int.from_bytes(data[16:], "big")
