"""Every number that bounds what a peer may cost us, in one place, so that a test can trip each of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one endpoint and of each of its links. Times are seconds, sizes bytes."""

    links: int = 256  # in all; a folder with more devices connects to some of them
    strangers: int = 64  # incoming links that are not trusted yet, handshakes under way included
    strangers_per_host: int = 8  # of those, from one IPv4 address or one IPv6 /64
    stranger_bytes: int = 4096  # 32 folders' membership tags and a signature, with room to spare
    stranger_seconds: float = 5.0  # for the TLS handshake, and again from there until `trust`
    lanes: int = 16  # open at once by the peer, beside the control lane
    quiet_seconds: float = 5.0  # silence after which the peer is pinged
    lost_seconds: float = 7.0  # silence after that ping until the peer counts as gone
    wake_seconds: float = 1.5  # the same after this machine slept or its addresses changed: the peer may be gone long
    idle_seconds: float = 30.0  # QUIC's own idle timeout, the backstop
