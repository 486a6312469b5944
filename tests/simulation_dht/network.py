"""A network in memory: addresses all over the world, latency, loss, NATs that let in only who was spoken to."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from swarm.discovery.dht.contact import Scope, scope

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    Address = tuple[str, int]

PORT = 47474
REMEMBERED = 10_000  # questions
JITTER = 0.1  # of a datagram's way


@dataclass(slots=True)
class Host:
    """One machine."""

    receive: Callable[[bytes, Address], None]
    near: float  # seconds from here to the middle of the network
    behind_nat: bool
    spoken: set[Address] = field(default_factory=set)
    sent: int = 0  # bytes
    received: int = 0
    unasked: int = 0  # bytes that a NAT kept out


class Network:
    """Who is where."""

    def __init__(self, rng: Random, loss: float = 0.0) -> None:
        self.rng = rng
        self.loss = loss
        self.hosts: dict[Address, Host] = {}
        self.datagrams = self.bytes = 0
        self.renamed: dict[Address, Address] = {}  # machines that are seen at another address now
        self.amplified = 0  # answers of more than three times their question
        self._questions: dict[tuple[Address, bytes], int] = {}  # (asker, id) -> bytes
        self._loop = asyncio.get_running_loop()

    def new_address(self) -> Address:
        """One in a network of its own."""
        while True:
            parts = [self.rng.randrange(11, 223), *(self.rng.randrange(256) for _ in range(2)), 7]
            address = ".".join(map(str, parts)), PORT
            if scope(address[0]) is Scope.GLOBAL and address not in self.hosts:
                return address

    def attach(
        self, address: Address, receive: Callable[[bytes, Address], None], *, behind_nat: bool = False
    ) -> Callable[[bytes, Address], None]:
        """A machine's way to send."""
        self.hosts[address] = Host(receive, self.rng.uniform(0.005, 0.05), behind_nat)
        return lambda data, to: self.send(address, data, to)

    def detach(self, address: Address) -> None:
        """It is off, and says nothing about it."""
        self.hosts.pop(address, None)

    def send(self, source: Address, data: bytes, to: Address) -> None:
        source = self.renamed.get(source, source)
        sender = self.hosts.get(source)
        if sender is None:
            return
        sender.spoken.add(to)
        sender.sent += len(data)
        self.datagrams += 1
        self.bytes += len(data)
        self._compare(source, data, to)
        if self.rng.random() < self.loss:
            return
        receiver = self.hosts.get(to)
        way = sender.near + (receiver.near if receiver is not None else 0.0)
        self._loop.call_later(way * (1 + self.rng.random() * JITTER), self._deliver, source, data, to)

    def _compare(self, source: Address, data: bytes, to: Address) -> None:
        message_id = data[1:21]
        if data[0] == 0:
            self._questions[source, message_id] = len(data)
            if len(self._questions) > REMEMBERED:
                del self._questions[next(iter(self._questions))]
        elif len(data) > 3 * self._questions.pop((to, message_id), len(data)):
            self.amplified += 1

    def _deliver(self, source: Address, data: bytes, to: Address) -> None:
        host = self.hosts.get(to)
        if host is None:
            return
        if host.behind_nat and source not in host.spoken:
            host.unasked += len(data)
            return
        host.received += len(data)
        host.receive(data, source)
