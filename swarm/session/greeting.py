"""The first words: names that are safe to show, addresses that are addresses, and the version that both sides speak."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, NamedTuple

from swarm.session.messages import MAX_ADDRESSES, MAX_HOST, MAX_NAME, SessionHello

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swarm.session.events import Address

NAMELESS: Final = "unnamed"


class Versions(NamedTuple):
    """Protocol versions, both ends included."""

    lowest: int
    highest: int


VERSIONS: Final = Versions(1, 1)  # what this code speaks


def hello(
    name: str, software: str, nonce: bytes, addresses: Iterable[Address], versions: Versions, clock: int = 0
) -> SessionHello:
    """Ours: made to fit, since a host's name may be anything and its addresses may be many. clock: ms since 1970."""
    told = tuple(address for address in addresses if is_address(*address))[:MAX_ADDRESSES]
    return SessionHello(*versions, presentable(software), presentable(name), nonce, told, clock)


def agree(ours: Versions, theirs: Versions) -> int | None:
    """The highest version that both sides speak."""
    version = min(ours.highest, theirs.highest)
    return version if version >= max(ours.lowest, theirs.lowest) else None


def presentable(name: str) -> str:
    """`name` without what does not print or would reorder the text around it, in at most 64 characters.

    A peer's name is made presentable, not refused: what prints differs from one Unicode version to the next.
    """
    return "".join(letter for letter in name if letter.isprintable())[:MAX_NAME].strip() or NAMELESS


def is_address(host: str, port: int) -> bool:
    """Whether this is an IP address that somebody could listen on.

    Host names are refused: a peer must not make us, and those whom we tell, look up names of its choosing. So are zones
    (`%eth0`), which mean nothing on another machine.
    """
    if not 0 < port < 1 << 16 or len(host) > MAX_HOST or "%" in host:
        return False
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return not (address.is_multicast or address.is_unspecified)
