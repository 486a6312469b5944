"""Pacing and loss, as aioquic's recovery calls for them: two small replacements of its parts.

- Its pacer allows bursts of 16 packets, while an event loop's timers are a millisecond coarse: 19 MB/s at best. Ours
  allows what the rate gives in a few ticks, and hands it out in turns, so that what is sealed is on its way while the
  next is sealed, and the loop may do something else between.
- Its congestion control (New Reno, RFC 9002) lets the window grow while a slow application leaves it empty: 100 MB
  after a second on a fast link, and a burst of that once it wakes. Ours grows only a window that is used
  (section 7.8), and tells the discovery of the path's MTU the size and the fate of each packet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioquic.quic.congestion.base import QuicRttMonitor
from aioquic.quic.congestion.reno import RenoCongestionControl
from aioquic.quic.recovery import QuicPacketPacer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aioquic.quic.packet_builder import QuicSentPacket

    from swarm.net.path_mtu import PathMtu

TICKS = 0.004  # seconds: a turn of the loop and the rounding of its timers, twice over
BURST = 256 * 1024  # bytes in a burst; fits a default receive buffer
TURN = 64 * 1000  # bytes sealed in one turn: one UDP_SEGMENT run, 3 ms of work at 1,200 bytes
HEADROOM = 1.25  # RFC 9002, section 7.7: pace slightly above window / round trip


class CoarsePacer(QuicPacketPacer):
    """A leaky bucket for a clock that ticks in milliseconds."""

    def __init__(self, *, max_datagram_size: int) -> None:
        super().__init__(max_datagram_size=max_datagram_size)
        self._left = 0
        self.turn_over = False  # what holds it back is the turn, not the rate: come again at once

    def begin_turn(self) -> None:
        """Another TURN bytes may be sealed."""
        self._left = TURN // self._max_datagram_size
        self.turn_over = False

    def resize(self, max_datagram_size: int) -> None:
        """The path carries datagrams of this size now."""
        self._max_datagram_size = max_datagram_size

    def next_send_time(self, now: float) -> float:
        if self._left <= 0:
            self.turn_over = True
            return now
        return super().next_send_time(now)

    def update_after_send(self, now: float) -> None:
        self._left -= 1
        super().update_after_send(now)

    def update_rate(self, congestion_window: int, smoothed_rtt: float) -> None:
        super().update_rate(int(congestion_window * HEADROOM), smoothed_rtt)
        assert self.packet_time is not None
        # In packets and not in bytes over the rate: at a high rate `packet_time` is at its floor of a microsecond.
        burst = BURST // self._max_datagram_size * self.packet_time
        self.bucket_max = max(self.bucket_max, min(TICKS, burst))


class WatchedReno(RenoCongestionControl):
    """New Reno that tells the path's MTU discovery what became of each packet."""

    def __init__(self, *, max_datagram_size: int, path: PathMtu) -> None:
        super().__init__(max_datagram_size=max_datagram_size)
        self._path = path

    def on_packet_acked(self, *, now: float, packet: QuicSentPacket) -> None:
        before, used = self.congestion_window, 2 * self.bytes_in_flight >= self.congestion_window
        super().on_packet_acked(now=now, packet=packet)
        if not used:
            self.congestion_window = before
        self._path.arrived(packet.sent_bytes)

    def on_packets_expired(self, *, packets: Iterable[QuicSentPacket]) -> None:
        gone = list(packets)
        super().on_packets_expired(packets=gone)
        for packet in gone:
            self._path.expired(packet.sent_bytes)

    def on_packets_lost(self, *, now: float, packets: Iterable[QuicSentPacket]) -> None:
        gone = list(packets)
        super().on_packets_lost(now=now, packets=gone)
        for packet in gone:
            self._path.lost(packet.sent_bytes)

    def resize(self, max_datagram_size: int) -> None:
        """The path carries datagrams of this size now."""
        self._max_datagram_size = max_datagram_size

    def begin_anew(self, window: int) -> None:
        """The path is another one (RFC 9000, section 9.4): slow start, from at most `window` bytes."""
        self.congestion_window = min(self.congestion_window, window)
        self.ssthresh = None
        self._rtt_monitor = QuicRttMonitor()
