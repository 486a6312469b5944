"""The DHT's messages, to a node that has much to tell."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from swarm.discovery.dht import messages
from swarm.discovery.dht.contact import Contact, pack_address, pack_contact
from swarm.discovery.dht.messages import Check, Done, Found, Got, Ping, Pong, Put, Reach
from swarm.discovery.dht.place import Place
from swarm.discovery.dht.provider import DayKeys, day_of
from swarm.ids import DeviceId
from tests.fuzz.attack import Target
from tests.fuzz.dht_node import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HONEST = b"honest".ljust(20)  # the id of the honest question


def corpus() -> list[bytes]:
    """Questions and answers, as anybody may send them."""
    now = time.time()
    keys = DayKeys.derive(KEY, day_of(now))
    record = keys.issue(DeviceId(b"d" * 32), [Place("192.0.2.1", 47474)], int(now))
    sender, token, address = bytes(range(20)), bytes(8), pack_address(("127.0.0.1", 9))
    contact = pack_contact(Contact(sender, "127.0.0.1", 9))
    questions: list[messages.Question] = [
        Ping(sender, False),
        Ping(sender, True),
        messages.find_question(sender, True, keys.topic),
        messages.Find(sender, False, keys.topic),
        messages.get_question(sender, True, keys.topic, b""),
        messages.get_question(sender, False, keys.topic, keys.slot(DeviceId(bytes(32)))),
        messages.Get(sender, True, keys.topic, b""),
        Put(sender, True, token, keys.public_key, record),
        Check(sender, True, token),
        Reach(sender, True, address),
    ]
    answers: list[messages.Answer] = [
        Pong(sender, True, address, token),
        Found(sender, True, address, (contact,) * 20),
        Got(sender, True, address, (contact,) * 3, token, keys.public_key, (record, record), True),
        Done(sender, False, address, 0),
    ]
    return [
        *(messages.pack_question(bytes([number]) * 20, question) for number, question in enumerate(questions)),
        *(messages.pack_answer(bytes([number]) * 20, answer) for number, answer in enumerate(answers)),
        b"\x00" + bytes(20) + b"\x92\xa4ping\x91\xc4\x14" + bytes(20),  # kademlia's own
    ]


@contextlib.contextmanager
def running(base: Path) -> Iterator[Target]:
    """A node in a process of its own."""
    log = base / "log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.dht_node"], stdout=subprocess.PIPE, stderr=stream, text=True
        )
        assert process.stdout is not None
        try:
            port = int(process.stdout.readline())
            question = messages.pack_question(HONEST, Ping(b"somebody".ljust(20), False))
            yield Target(
                process.pid,
                ("127.0.0.1", port),
                corpus(),
                question,
                lambda answer: answer[:21] == b"\x01" + HONEST,
                log,
            )
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
