"""How large a datagram the path carries: packetization-layer path MTU discovery (RFC 8899) as a pure machine.

QUIC starts at 1,200 bytes, which every path carries. Larger ones are tried with probes: padded PING packets that hold
no data and are not counted by congestion control, so a lost one costs nothing. All sizes above the present one are
tried at once, smallest first, and the largest that is acknowledged is used: one round trip instead of a search. A path
may change below us and swallow large packets in silence; after a few of those in a row, with no large one acknowledged
between, the size returns to 1,200 and the probes start again. When it was mere congestion, a round trip restores it.
"""

from __future__ import annotations

BASE = 1200  # RFC 9000, section 14: what any path must carry
LARGEST = 16_000  # aioquic writes lengths as two-byte varints, which end at 16,383

# What IPv6 and UDP leave of 1280 (the least there is), 1420 (WireGuard), 1460 (L2TP), 1500, 9000 (jumbo); loopback.
LADDER = (1232, 1372, 1412, 1452, 8952, LARGEST)

ROUNDS = (0.0, 0.5, 3.0)  # seconds between the rounds of probes: one lost to congestion is tried again
RAISE_AGAIN = 600.0  # seconds until the path is tried anew (RFC 8899, PMTU_RAISE_TIMER)

EXPIRED_IS_HOLE = 3  # large packets given up by probe timeouts in a row, when nothing at all is acknowledged
LOST_IS_HOLE = 12  # large packets lost in a row while small ones are acknowledged


class PathMtu:
    """The datagram size of one connection's sending direction."""

    def __init__(self) -> None:
        self.size = BASE
        self.wake_at: float | None = None  # when `due` has something to say; None before `start`
        self._round = 0
        self._expired = 0
        self._lost = 0
        self._hole = False

    def start(self, now: float) -> None:
        """Begins to probe."""
        if self.wake_at is None:
            self.wake_at = now + ROUNDS[0]

    def due(self, now: float) -> tuple[int, ...]:
        """The sizes to probe now, smallest first."""
        if self.wake_at is None:
            return ()
        if self._hole:
            self._hole, self._round, self.wake_at = False, 0, now
        if now < self.wake_at:
            return ()
        self._round += 1
        if self._round < len(ROUNDS):
            self.wake_at = now + ROUNDS[self._round]
        else:
            self._round, self.wake_at = 0, now + RAISE_AGAIN
        return tuple(size for size in LADDER if size > self.size)

    def probe_arrived(self, size: int) -> None:
        """A probe of `size` was acknowledged."""
        if size > self.size:
            self.size = size
            self._expired = self._lost = 0

    def arrived(self, size: int) -> None:
        """A packet with data was acknowledged."""
        if size > BASE:
            self._expired = self._lost = 0

    def lost(self, size: int) -> None:
        """A packet was declared lost since later ones were acknowledged."""
        if BASE < size <= self.size:
            self._lost += 1
            if self._lost >= LOST_IS_HOLE:
                self._fall_back()

    def expired(self, size: int) -> None:
        """A packet was given up since nothing was acknowledged for a probe timeout."""
        if BASE < size <= self.size:
            self._expired += 1
            if self._expired >= EXPIRED_IS_HOLE:
                self._fall_back()

    def begin_anew(self) -> None:
        """The path is another one: the size that every path carries, and probes."""
        if self.wake_at is not None:
            self._fall_back()

    def _fall_back(self) -> None:
        self.size = BASE
        self._expired = self._lost = 0
        self._hole = True
