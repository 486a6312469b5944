"""Asks relays where we seem to be, from a socket of its own: for `swarm doctor`, with or without a daemon.

Three questions to each relay: to its port; to its port with the wish to be answered from the other one, to which
nothing was ever sent then; and to the other port. What the answers say of the NAT, `swarm.control.diagnosis` knows.
Where none comes over UDP, TCP is tried. IPv4 first, where NATs are; IPv6 for relays that did not answer so.
"""

from __future__ import annotations

import os
import select
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from swarm.errors import BadPeer
from swarm.net.tls import dialler_context
from swarm.wire.relay_frame import MAX_CONTROL, TRANSACTION_BYTES, AddressIs, parse, whoami_frame

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Address = tuple[str, int]

PATIENCE: Final = 0.4  # seconds for the answers to one try; what comes later counts in the next one
TRIES: Final = 3  # of each question
TCP_PATIENCE: Final = 3.0  # seconds
MAX_RELAYS: Final = 16  # that are asked; a longer list is somebody's mistake


@dataclass(slots=True)
class Surveyed:
    """What one relay made of us; see `swarm.control.diagnosis.RelaySeen`."""

    observed: Address | None = None
    observed_by_other_port: Address | None = None
    unasked: bool = False
    rtt: float | None = None
    over_tcp: bool | None = None


class _Question(NamedTuple):
    to: Address
    answered_from: Address
    from_alternate: bool = False


class _Reply(NamedTuple):
    address: Address
    alternate: int
    rtt: float


def survey(relays: Sequence[Address]) -> list[Surveyed]:
    """What each of them made of us. Blocks, for some seconds where somebody does not answer."""
    found = [Surveyed() for _ in relays]
    for family in (socket.AF_INET, socket.AF_INET6):
        places = {
            index: place
            for index, relay in enumerate(relays[:MAX_RELAYS])
            if found[index].observed is None and (place := _resolved(*relay, family))
        }
        if places:
            with suppress(OSError):  # a machine without that family
                _survey(found, places, family)
    return found


def _survey(found: list[Surveyed], places: Mapping[int, Address], family: socket.AddressFamily) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        plain = _ask(sock, {index: _Question(place, place) for index, place in places.items()})
        others = {index: (places[index][0], reply.alternate) for index, reply in plain.items() if reply.alternate}
        crossed = _ask(sock, {index: _Question(places[index], other, True) for index, other in others.items()})
        direct = _ask(sock, {index: _Question(other, other) for index, other in others.items()})
    for index, reply in plain.items():
        found[index].observed, found[index].rtt = reply.address, reply.rtt
        found[index].unasked = index in crossed
        found[index].observed_by_other_port = direct[index].address if index in direct else None
    for index, place in places.items():
        if index not in plain:
            found[index].over_tcp = _answers_over_tcp(place)


def _ask(sock: socket.socket, questions: Mapping[int, _Question]) -> dict[int, _Reply]:
    """Asks everybody at once, and those who do not answer again."""
    replies: dict[int, _Reply] = {}
    transactions = {os.urandom(TRANSACTION_BYTES): index for index in questions}
    for _ in range(TRIES):
        begun = time.monotonic()
        for transaction, index in transactions.items():
            if index not in replies:
                question = whoami_frame(transaction, from_alternate=questions[index].from_alternate)
                with suppress(OSError):
                    sock.sendto(question, questions[index].to)
        while len(replies) < len(questions) and (left := begun + PATIENCE - time.monotonic()) > 0:
            if not select.select([sock], [], [], left)[0]:
                break
            answer, source = _receive(sock)
            found = transactions.get(answer.transaction) if answer is not None else None
            if answer is not None and found is not None and source == questions[found].answered_from:
                trip = time.monotonic() - begun
                replies.setdefault(found, _Reply(answer.address, answer.alternate_port, trip))
    return replies


def _receive(sock: socket.socket) -> tuple[AddressIs | None, Address]:
    try:
        data, source = sock.recvfrom(MAX_CONTROL)
        answer = parse(data)
    except (OSError, BadPeer):  # an ICMP error of an earlier question; somebody else's words
        return None, ("", 0)
    return (answer if isinstance(answer, AddressIs) else None), (str(source[0]), int(source[1]))


def _resolved(host: str, port: int, family: socket.AddressFamily) -> Address | None:
    try:
        found = socket.getaddrinfo(host, port, family, socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return None
    return str(found[0][4][0]), port


def _answers_over_tcp(place: Address) -> bool:
    try:
        with socket.create_connection(place, TCP_PATIENCE) as sock, dialler_context().wrap_socket(sock):
            return True
    except (OSError, ValueError):
        return False
