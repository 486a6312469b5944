"""Hints: where to look for the folder first, and what to call it. They follow the key, and nobody vouches for them.

    swarmw1…+192.0.2.7:47474+2001-db8--7:47474+r.example.net:47470~RELAYKEY+name=Docs

IPv6 is written with dashes for colons. Only letters, digits and `. _ ~ : + = % -` occur, so that a key can be pasted
unquoted into bash, zsh and fish; `?`, `&`, `[` and `;` cannot. Everything from the first `+` on may be cut off or
garbled: a hint that makes no sense is ignored, since the key alone is enough to find the folder.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote_to_bytes

from swarm.errors import BadKey
from swarm.keys.printed import PrintedKey
from swarm.keys.role import Role

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_ADDRESSES = 4  # an IPv4 and an IPv6, at home and away
MAX_RELAYS = 3  # one in use and two in reserve
MAX_NODES = 2  # of the DHT: one may be down
MAX_HINTS = 32  # looked at; leaves room for kinds that this version does not know
MAX_HINT_LENGTH = 1024  # characters of one hint: a name of 100 bytes takes 305, host, port and relay key 400
MAX_NAME_BYTES = 100  # UTF-8; leaves room for what a file system or a user adds

_ALLOWED = re.compile(r"[A-Za-z0-9._~:=%-]+")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_LABELS = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*")
_LAST_LABEL_NUMBER = re.compile(r"(.*\.)?(0[xX][0-9A-Fa-f]*|[0-9]+)")  # "127.1" is an address to some resolvers
_RELAY_KEY = re.compile(r"[A-Za-z0-9._=-]{1,128}")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_INVISIBLE = ("Cc", "Cf", "Cs")  # controls, direction marks and joiners, surrogates
_NEVER_IN_NAME = str.maketrans(dict.fromkeys('/\\:*?"<>|', "-"))


class RelayHint(NamedTuple):
    """A relay and the public key that it must show, as the relay prints it."""

    host: str
    port: int
    key: str


@dataclass(frozen=True, slots=True)
class Hints:
    """Untrusted advice. `name` is a safe directory name, or None."""

    addresses: tuple[tuple[str, int], ...] = ()  # (host, port): IPv4, IPv6 in its usual spelling, or a host name
    relays: tuple[RelayHint, ...] = ()
    name: str | None = None
    nodes: tuple[tuple[str, int], ...] = ()  # of the DHT, to begin at

    def encode(self) -> str:
        """`+hint+hint…`, or "" for none. What cannot be written, or would not be read, is left out."""
        addresses = (_written(*address) for address in self.addresses)
        relays = (
            f"{place}~{relay.key}"
            for relay in self.relays
            if (place := _written(relay.host, relay.port)) and _RELAY_KEY.fullmatch(relay.key)
        )
        nodes = (f"dht={place}" for node in self.nodes if (place := _written(*node)))
        parts = [*_first(addresses, MAX_ADDRESSES), *_first(relays, MAX_RELAYS), *_first(nodes, MAX_NODES)]
        if name := directory_name(self.name or ""):
            parts.append("name=" + quote(name, safe=""))
        return "".join(f"+{part}" for part in parts)

    @classmethod
    def parse(cls, text: str) -> Hints:
        """Whatever makes sense in `text`, which may begin with its `+`. Never raises."""
        addresses: dict[tuple[str, int], None] = {}
        relays: dict[RelayHint, None] = {}
        nodes: dict[tuple[str, int], None] = {}
        name: str | None = None
        for part in text.removeprefix("+").split("+", MAX_HINTS)[:MAX_HINTS]:
            if len(part) > MAX_HINT_LENGTH or not _ALLOWED.fullmatch(part):
                continue
            if part.startswith("name="):
                name = name or _read_name(part.removeprefix("name="))
                continue
            if part.startswith("dht="):
                if node := _read_place(part.removeprefix("dht=")):
                    nodes[node] = None
                continue
            where, tilde, relay_key = part.partition("~")
            place = _read_place(where)
            if place is None:
                continue
            if not tilde:
                addresses[place] = None
            elif _RELAY_KEY.fullmatch(relay_key):
                relays[RelayHint(*place, relay_key)] = None
        return cls(tuple(addresses)[:MAX_ADDRESSES], tuple(relays)[:MAX_RELAYS], name, tuple(nodes)[:MAX_NODES])


def parse_invitation(text: str) -> tuple[PrintedKey, Hints]:
    """What a user pasted: a printed key, and perhaps hints. Raises BadKey; bad hints are ignored."""
    key, _, hints = text.partition("+")
    # a hint contains no blanks of its own, but a mail program may have broken the line
    return PrintedKey.parse(key), Hints.parse("".join(hints.split()))


def parse_joinable(text: str) -> tuple[PrintedKey, Hints]:
    """What a user pasted to join with. Raises BadKey, for a kind that nobody can join with yet as well."""
    printed, hints = parse_invitation(text)
    if printed.role not in (Role.WRITE, Role.READ):
        kind = "an owner key" if printed.role is Role.OWNER else f"a {printed.role.word} key"
        raise BadKey(
            f"this is {kind}, and joining with one is not there yet",
            "join with a write key (swarmw1…) or a read-only key (swarmr1…)",
        )
    return printed, hints


def format_invitation(key: PrintedKey, hints: Hints) -> str:
    """The one line that `parse_invitation` reads. It contains the secret."""
    return key.encode() + hints.encode()


def directory_name(name: str) -> str | None:
    """`name` as one harmless directory name of at most 100 bytes, or None when nothing is left of it.

    Never a path, never hidden, nothing that a shell or a terminal would take for something else (a leading `-` or
    `~`, control characters, marks that turn the direction of writing), no character that Windows refuses.
    """
    visible = "".join(
        " " if character.isspace() else character
        for character in name[: 4 * MAX_NAME_BYTES]
        if character.isspace() or unicodedata.category(character) not in _INVISIBLE
    )
    composed = unicodedata.normalize("NFC", visible).translate(_NEVER_IN_NAME)
    single = " ".join(composed.split()).lstrip(" .-~")
    cut = single.encode("utf-8")[:MAX_NAME_BYTES].decode("utf-8", "ignore")
    return cut.rstrip(" .") or None


def _read_name(text: str) -> str | None:
    if _BAD_ESCAPE.search(text):
        return None
    try:
        return directory_name(unquote_to_bytes(text).decode("utf-8"))
    except UnicodeDecodeError:
        return None


def _read_place(text: str) -> tuple[str, int] | None:
    """HOST:PORT with dashes in an IPv6 host, in its one usual spelling."""
    written, _, port = text.rpartition(":")
    if not _PORT.fullmatch(port) or int(port) > 65535 or ":" in written:
        return None
    colons = written.replace("-", ":")
    host = _canonical(written if _address(colons) is None else colons)
    return (host, int(port)) if host else None


def _written(host: str, port: int) -> str | None:
    """HOST:PORT as it stands in a hint; None when it would not be read back as what it is."""
    canonical = _canonical(host)
    if canonical is None:
        return None
    text = f"{canonical.replace(':', '-')}:{port}"
    return text if _read_place(text) == (canonical, port) else None


def _canonical(host: str) -> str | None:
    """An address that somebody elsewhere can dial, or a host name; None for anything else."""
    address = _address(host)
    if address is None:
        return host.lower() if _LABELS.fullmatch(host) and not _LAST_LABEL_NUMBER.fullmatch(host) else None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None or address.is_link_local:
            return None  # a zone, which a link-local address needs, means nothing on another machine
        address = address.ipv4_mapped or address
    if address.is_unspecified or address.is_multicast or address == IPv4Address("255.255.255.255"):
        return None
    return str(address)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return IPv6Address(host) if ":" in host else IPv4Address(host)
    except ValueError:
        return None


def _first(items: Iterable[str | None], count: int) -> list[str]:
    return list(dict.fromkeys(item for item in items if item))[:count]
