"""The cheapest question there is: is anybody there? Datagrams of 17 bytes beside QUIC.

    ping  20 ‖ cookie 16        answered by        pong  21 ‖ the same 16 bytes

Whoever looks for a lost member asks its addresses four times a second, where a QUIC handshake would cost 1,200 bytes
each time, and dials when there is an answer. The answer is as large as the question, so nobody is worth reflecting at,
and answers are counted. A cookie can be made only by the asker, so that only who got the question can answer; who that
is, the handshake proves. Pure.
"""

from __future__ import annotations

from swarm.keys.derive import kdf

PING, PONG = 0x20, 0x21
COOKIE_BYTES = 16
ANSWERS_PER_SECOND = 200  # to everybody together

Address = tuple[str, int]


class Echo:
    """Asks and answers."""

    def __init__(self, secret: bytes) -> None:
        """`secret`: 32 random bytes, of this process."""
        self._secret = secret
        self._left = float(ANSWERS_PER_SECOND)
        self._at = 0.0

    def ping(self, address: Address) -> bytes:
        """What to send there."""
        return bytes([PING]) + self._cookie(address)

    def answer(self, data: bytes, now: float) -> bytes | None:
        """The pong for a ping; None for anything else, and when there were too many."""
        if len(data) != 1 + COOKIE_BYTES or data[0] != PING:
            return None
        self._left = min(float(ANSWERS_PER_SECOND), self._left + max(0.0, now - self._at) * ANSWERS_PER_SECOND)
        self._at = now
        if self._left < 1:
            return None
        self._left -= 1
        return bytes([PONG]) + data[1:]

    def is_answer(self, data: bytes, address: Address) -> bool:
        """Is this a pong to a ping of ours, from where it went?"""
        return data[:1] == bytes([PONG]) and data[1:] == self._cookie(address)

    def _cookie(self, address: Address) -> bytes:
        return kdf(self._secret, b"swarm1.echo", f"{address[0]} {address[1]}".encode(), COOKIE_BYTES)
