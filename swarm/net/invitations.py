"""Invitations to open a lane over TCP: random tokens, told on the authenticated control lane. Pure: time is told.

A token is good once, for a short time. They are kept under a keyed hash, so how long it takes to look one up tells
nothing about those that would be good.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN_BYTES: Final = 32
TOKEN_SECONDS: Final = 15.0  # from being issued to being shown: a round trip, TCP and TLS, on a bad line
MAX_HELD: Final = 8  # tokens that one guest may hold unused; two lanes need two
MAX_TOKENS: Final = 1024  # unused ones in all: 256 links, a few each

Host = TypeVar("Host")


class Invitations(Generic[Host]):
    """Which tokens are good, and for whom."""

    def __init__(self, random: Callable[[int], bytes]) -> None:
        """`random(n)` gives n random bytes."""
        self._random = random
        self._key = random(TOKEN_BYTES)
        self._good: dict[bytes, tuple[Host, float]] = {}  # by hash, oldest first: whose, and until when

    def __len__(self) -> int:
        """Tokens that were not used, good or not."""
        return len(self._good)

    def issue(self, host: Host, count: int, now: float) -> tuple[bytes, ...]:
        """`count` tokens, or as many as there is room for; whoever shows one is a guest of `host`."""
        self._expire(now)
        held = sum(1 for owner, _ in self._good.values() if owner is host)
        count = max(0, min(count, MAX_HELD - held, MAX_TOKENS - len(self._good)))
        tokens = tuple(self._random(TOKEN_BYTES) for _ in range(count))
        for token in tokens:
            self._good[self._hash(token)] = host, now + TOKEN_SECONDS
        return tokens

    def redeem(self, token: bytes, now: float) -> Host | None:
        """Whose guest shows this token; None for one that is not, or no longer, good. It is used up."""
        host, until = self._good.pop(self._hash(token), (None, 0.0))
        return host if now < until else None

    def withdraw(self, host: Host) -> None:
        """`host` takes no guests any more."""
        for name in [name for name, (owner, _) in self._good.items() if owner is host]:
            del self._good[name]

    def _expire(self, now: float) -> None:
        for name, (_, until) in list(self._good.items()):
            if now < until:
                return
            del self._good[name]

    def _hash(self, token: bytes) -> bytes:
        return blake2b(token, digest_size=TOKEN_BYTES, key=self._key).digest()
