"""A place: where a device may be reached, as it stands in a provider record. Pure.

    01 ‖ IPv4 4 ‖ port 2                  02 ‖ IPv6 16 ‖ port 2
    11 ‖ IPv4 4 ‖ port 2 ‖ relay key 32   12 ‖ IPv6 16 ‖ port 2 ‖ relay key 32

A relay's key is the 32 bytes of its Ed25519 public key. A list ends with 00 or with its room; a kind that is not known
ends it too, since its length is not known either.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

RELAY_KEY_BYTES: Final = 32
_RELAY: Final = 0x10
_KINDS: Final = {4: 1, 6: 2}
_LENGTHS: Final = {1: 4, 2: 16}
_PORT_BYTES: Final = 2


class Place(NamedTuple):
    """An address to dial, or, with a key, the relay that a device can be reached through."""

    host: str  # an address, never a name
    port: int
    relay_key: bytes = b""


def pack_places(places: Iterable[Place], room: int) -> bytes:
    """As many of them as fit into `room` bytes, the first ones first, padded to it. What is no place is left out."""
    packed = b""
    for place in dict.fromkeys(places):
        one = _packed(place)
        if one is not None and len(packed) + len(one) <= room:
            packed += one
    return packed.ljust(room, b"\0")


def parse_places(data: bytes) -> tuple[Place, ...]:
    """Whatever makes sense, in its order. Never raises."""
    places: dict[Place, None] = {}
    position = 0
    while position < len(data):
        kind = data[position]
        address_bytes = _LENGTHS.get(kind & ~_RELAY)
        if address_bytes is None:
            break
        key_bytes = RELAY_KEY_BYTES if kind & _RELAY else 0
        end = position + 1 + address_bytes + _PORT_BYTES + key_bytes
        if end > len(data):
            break
        at_port = position + 1 + address_bytes
        port = int.from_bytes(data[at_port : at_port + _PORT_BYTES], "big")
        host = _host(data[position + 1 : at_port])
        if host and port:
            places[Place(host, port, data[at_port + _PORT_BYTES : end])] = None
        position = end
    return tuple(places)


def _packed(place: Place) -> bytes | None:
    try:
        address = ip_address(place.host)
    except ValueError:
        return None
    if len(place.relay_key) not in (0, RELAY_KEY_BYTES) or not 0 < place.port < 1 << 16 or not _host(address.packed):
        return None
    kind = _KINDS[address.version] | (_RELAY if place.relay_key else 0)
    return bytes([kind]) + address.packed + place.port.to_bytes(_PORT_BYTES, "big") + place.relay_key


def _host(packed: bytes) -> str:
    """In its usual spelling; "" for what is no single machine, or means another one on every machine."""
    address = ip_address(packed)
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    if address.is_multicast or address.is_unspecified or address.is_link_local or packed == b"\xff" * 4:
        return ""
    return str(address)
