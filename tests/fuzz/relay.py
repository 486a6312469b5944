"""The relay's UDP port: its frames, and the DHT's messages, since it is a node of it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from swarm.wire import relay_frame as frames
from tests.fuzz import quic
from tests.fuzz.attack import Target
from tests.lab.relay import Relay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TRANSACTION = b"honestly"


def corpus() -> list[bytes]:
    """What a relay may be sent by somebody who has never proved anything."""
    ephemeral, cookie, session = bytes(range(32)), bytes(22), bytes(8)
    return [
        frames.hello_frame(ephemeral),
        frames.whoami_frame(session),
        frames.whoami_frame(session, from_alternate=True),
        frames.register_outer(ephemeral, cookie) + bytes(260),
        frames.sealed_outer(session, 1) + bytes(60),
        frames.sealed_outer(session, frames.MAX_COUNTER) + bytes(17),
        frames.data_frame(1, b"\x20" + bytes(16)),
        frames.data_frame(frames.MAX_CHANNEL, quic.packets(1)[0]),
        frames.cookie_frame(ephemeral, session, cookie),
        frames.address_frame(session, 47471, ("192.0.2.1", 47474)),
        frames.reset_frame(session),
        frames.gone_frame(7),
        quic.packets(1)[0],
        b"\x00" + bytes(20) + b"\x92\xa4ping\x91\xc4\x14" + bytes(20),  # as stock Kademlia speaks; ours is in dht.py
        b"\x01" + bytes(20) + b"\xc4\x14" + bytes(20),
    ]


def _is_address(answer: bytes) -> bool:
    return answer[:9] == bytes([frames.ADDRESS]) + TRANSACTION


@contextlib.contextmanager
def running(base: Path) -> Iterator[Target]:
    """A relay without clients."""
    relay = Relay(base, "127.0.0.1", port=0)
    relay.options.remove("--no-dht")
    try:
        relay.start()
        host, _, port = relay.line.partition("~")[0].rpartition(":")
        question = frames.whoami_frame(TRANSACTION)
        yield Target(relay.pid, (host, int(port)), corpus(), question, _is_address, relay.log)
    finally:
        relay.kill()
