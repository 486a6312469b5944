"""Cookies: what only somebody who gets packets at an address can say. Nothing is kept of those that were given. Pure.

A cookie is a time and a keyed hash of that time, of the address and of what it is for. The time counts from the start
of the relay: it says nothing about the machine's clock, and lets two cookies of one device be put in order.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import Final

from swarm.keys.derive import kdf
from swarm.wire.relay_frame import COOKIE_BYTES, Address, pack_address

TIME_BYTES: Final = 6  # milliseconds, for 8,900 years
MAC_BYTES: Final = COOKIE_BYTES - TIME_BYTES
GOOD_FOR: Final = 60.0  # seconds

REGISTER: Final = b"R"
BIND: Final = b"B"


class Cookies:
    """Made and checked by one relay, since it was started."""

    def __init__(self, secret: bytes, now: float) -> None:
        """`secret`: 32 random bytes, of this process."""
        self._secret = secret
        self._began = now

    def make(self, purpose: bytes, address: Address, subject: bytes, now: float) -> bytes:
        """`subject`: the ephemeral key, or the session, for which it is good."""
        time = self._time(now).to_bytes(TIME_BYTES, "big")
        return time + self._mac(purpose, address, subject, time)

    def is_good(self, cookie: bytes, purpose: bytes, address: Address, subject: bytes, now: float) -> bool:
        """Did this relay make it, for this, within the last minute?"""
        if len(cookie) != COOKIE_BYTES:
            return False
        time, mac = cookie[:TIME_BYTES], cookie[TIME_BYTES:]
        age = self._time(now) - int.from_bytes(time, "big")
        return 0 <= age <= GOOD_FOR * 1000 and compare_digest(mac, self._mac(purpose, address, subject, time))

    def _time(self, now: float) -> int:
        return int((now - self._began) * 1000)

    def _mac(self, purpose: bytes, address: Address, subject: bytes, time: bytes) -> bytes:
        return kdf(self._secret, b"swarm1.cookie", purpose + pack_address(address) + subject + time, MAC_BYTES)
