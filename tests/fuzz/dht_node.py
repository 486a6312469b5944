"""A DHT node and nothing else, for `tests/fuzz/dht.py`: a server with a full table and records to tell of.

    python -m tests.fuzz.dht_node        prints its port, and runs until it is ended

Its bounds for questions are lifted: they would keep most of an attack from what is attacked.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time

from swarm.discovery.dht import protocol
from swarm.discovery.dht.contact import Contact
from swarm.discovery.dht.dht import Dht
from swarm.discovery.dht.provider import DayKeys, check, day_of
from swarm.ids import DeviceId
from swarm.net.datagrams import Datagrams

KEY = b"fuzzed folder".ljust(32)
CONTACTS = 60
RECORDS = 12


class Receiver:
    """Implements `swarm.net.datagrams.Receiver`."""

    def __init__(self, dht: Dht) -> None:
        self.dht = dht

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        if data and data[0] in (0, 1):
            self.dht.datagram_received(data, address)

    def batch_received(self) -> None:
        """Each datagram was handled."""

    def socket_writable(self) -> None:
        """What did not fit is lost."""


async def serve() -> None:
    datagrams = Datagrams.bind("127.0.0.1", 0)

    def send(data: bytes, address: tuple[str, int]) -> None:
        datagrams.send([data], address)

    dht = Dht(send, versions=(4,), always_server=True)
    own = dht.sides[4].overlay.protocol
    for number in range(CONTACTS):
        own.table.add(Contact(os.urandom(20), f"127.0.7.{number + 1}", 9))
    now = time.time()
    keys = DayKeys.derive(KEY, day_of(now))
    for number in range(RECORDS):
        raw = keys.issue(DeviceId(bytes([number]) * 32), (), int(now))
        dht.store.put(keys.public_key, check(keys.public_key, raw, now), b"fuzz", now)
    datagrams.start(Receiver(dht))
    print(datagrams.address[1], flush=True)
    await dht.run()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    protocol.QUESTIONS.update(rate=1e9, burst=1e9, total_rate=1e9, total_burst=1e9)
    asyncio.run(serve())
