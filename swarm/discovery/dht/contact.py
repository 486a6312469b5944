"""A contact: a DHT node's id and address, and which of them are believed from whom. Pure.

    IPv4  id 20 ‖ address 4 ‖ port 2        IPv6  id 20 ‖ address 16 ‖ port 2

*An id begins with a hash of its address's network* (as BitTorrent's BEP 42 has it). So nobody can choose where in the
table he stands, next to a folder's topic say, without owning networks whose hashes happen to be there; and a thousand
nodes in one network stand in one spot. Addresses that mean something on one network only cannot be checked by
strangers: they are exempt, and believed only from such an address.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Final, NamedTuple

from swarm.keys.derive import digest

ID_BYTES: Final = 20
BOUND_BYTES: Final = 4  # of an id, which its network decides
PORT_BYTES: Final = 2
MAX_ADDRESS_BYTES: Final = 18
MAX_CONTACT_BYTES: Final = ID_BYTES + MAX_ADDRESS_BYTES
_IPV4_NETWORK: Final = 3  # bytes: a /24
_IPV6_NETWORK: Final = 6  # bytes: a /48, which is what one customer gets

Address = tuple[str, int]


class Scope(IntEnum):
    """How far an address reaches."""

    NOWHERE = 0  # multicast, link-local, unspecified: nobody that could be dialled
    LOOPBACK = 1
    PRIVATE = 2
    GLOBAL = 3


class Contact(NamedTuple):
    """A node."""

    id: bytes
    host: str
    port: int

    @property
    def address(self) -> Address:
        return self.host, self.port


@lru_cache(4096)
def pack_address(address: Address) -> bytes:
    """6 or 18 bytes."""
    return ip_address(address[0]).packed + address[1].to_bytes(PORT_BYTES, "big")


@lru_cache(4096)
def parse_address(data: bytes) -> Address | None:
    if len(data) not in (4 + PORT_BYTES, 16 + PORT_BYTES):
        return None
    host, port = str(ip_address(data[:-PORT_BYTES])), int.from_bytes(data[-PORT_BYTES:], "big")
    return (host, port) if port and scope(host) is not Scope.NOWHERE else None


def pack_contact(contact: Contact) -> bytes:
    return contact.id + pack_address(contact.address)


def parse_contact(data: bytes, told_by: str) -> Contact | None:
    """None for what cannot be one, and for what the node at `told_by` is not believed."""
    address = parse_address(data[ID_BYTES:])
    if address is None:
        return None
    contact = Contact(data[:ID_BYTES], *address)
    return contact if is_bound(contact) and may_tell(told_by, contact.host) else None


def may_tell(teller: str, host: str) -> bool:
    """Whether the node at `teller` may speak of `host`: of loopback only loopback, of private networks only those."""
    far = scope(host)
    return version(teller) == version(host) and (
        far is Scope.GLOBAL or (far is not Scope.NOWHERE and Scope.NOWHERE < scope(teller) <= far)
    )


def is_bound(contact: Contact) -> bool:
    """Does its id begin as its address demands?"""
    if scope(contact.host) is not Scope.GLOBAL:
        return True
    return contact.id[:BOUND_BYTES] == _bound(network(contact.host))


def make_id(host: str | None, random: bytes) -> bytes:
    """An id for a node at this address, from 20 random bytes; without an address it is bound to none."""
    if host is None or scope(host) is not Scope.GLOBAL:
        return random[:ID_BYTES]
    return _bound(network(host)) + random[BOUND_BYTES:ID_BYTES]


@lru_cache(4096)
def scope(host: str) -> Scope:
    try:
        address = ip_address(host)
    except ValueError:
        return Scope.NOWHERE
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return Scope.NOWHERE  # it would be a second spelling of an IPv4 address
    if address.is_multicast or address.is_unspecified or address.is_link_local:
        return Scope.NOWHERE
    if address.is_loopback:
        return Scope.LOOPBACK
    return Scope.GLOBAL if address.is_global else Scope.PRIVATE


@lru_cache(4096)
def version(host: str) -> int:
    return ip_address(host).version


@lru_cache(4096)
def network(host: str) -> bytes:
    """What counts as one party: an IPv4 /24, an IPv6 /48; within a private network or a machine, each address."""
    packed = ip_address(host).packed
    if scope(host) is not Scope.GLOBAL:
        return packed
    return packed[: _IPV4_NETWORK if len(packed) == 4 else _IPV6_NETWORK]


def party(contact: Contact) -> bytes:
    """Whom a node is counted for where few of each are wanted; those of our own machine or network each for itself."""
    if scope(contact.host) is Scope.GLOBAL:
        return network(contact.host)
    return pack_address(contact.address)


def distance(one: bytes, other: bytes) -> int:
    """Kademlia's: the two ids, XORed, as a number."""
    return int.from_bytes(one, "big") ^ int.from_bytes(other, "big")


@lru_cache(4096)
def _bound(net: bytes) -> bytes:
    return digest(b"swarm1.node", net, BOUND_BYTES)
