"""The same over TCP: strangers who speak TLS and then nonsense, and some who speak nonsense at once."""

from __future__ import annotations

import contextlib
import random
import socket
from typing import TYPE_CHECKING

from swarm.net.tls import dialler_context
from swarm.wire.relay_frame import in_stream
from tests.fuzz.attack import AMPLIFICATION, Overrun, be_honest, check_log, memory_of
from tests.fuzz.mutation import mutate

if TYPE_CHECKING:
    import ssl

    from tests.fuzz.attack import Target

FRAMES = 12  # of one stranger, at most
PATIENCE = 1.0  # seconds for what comes back
ANSWER_ROOM = 1 << 16


def attack_streams(target: Target, connections: int, seed: int = 0) -> tuple[int, int]:
    """How many got as far as TLS, and bytes of memory that were grown by. Raises Overrun."""
    rng = random.Random(seed)
    before, secure = 0, 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as honest:
        honest.connect(target.address)
        for number in range(connections):
            if number == connections // 5:
                before = memory_of(target.pid)  # warmed up
            with contextlib.suppress(OSError):  # it hangs up on whoever makes no sense, and takes only so many
                secure += _visit(target, rng)
        be_honest(honest, target)
    check_log(target.log)
    return secure, memory_of(target.pid) - before


def _visit(target: Target, rng: random.Random) -> bool:
    source = (f"127.{rng.randrange(1, 255)}.{rng.randrange(256)}.{rng.randrange(1, 255)}", 0)
    with socket.create_connection(target.address, PATIENCE, source) as plain:
        if rng.random() < 0.2:
            plain.sendall(rng.randbytes(rng.randrange(1, 2000)))
            return False
        with dialler_context().wrap_socket(plain) as stream:
            _talk(stream, target, rng)
            return True


def _talk(stream: ssl.SSLSocket, target: Target, rng: random.Random) -> None:
    sent = received = 0
    stream.settimeout(0.01)
    for _ in range(rng.randrange(1, FRAMES)):
        data = in_stream(mutate(rng, target.corpus))
        if rng.random() < 0.2:
            data = mutate(rng, [data])  # its length is wrong, too
        with contextlib.suppress(TimeoutError):
            stream.sendall(data)
            sent += len(data)
            received += len(stream.recv(ANSWER_ROOM))
    if received > AMPLIFICATION * sent:
        raise Overrun(f"{received} bytes in answer to {sent} over TCP")
