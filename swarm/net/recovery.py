"""Pacing and loss, as aioquic's recovery calls for them: two small replacements of its parts.

- Its pacer allows bursts of 16 packets, while an event loop's timers are a millisecond coarse: 19 MB/s at best. Ours
  allows what the rate gives in a few ticks, up to a bound that keeps one turn of the loop short.
- Its congestion control (New Reno, RFC 9002) sees the size and the fate of each packet, which is what the discovery of
  the path's MTU needs to know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioquic.quic.congestion.reno import RenoCongestionControl
from aioquic.quic.recovery import QuicPacketPacer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aioquic.quic.packet_builder import QuicSentPacket

    from swarm.net.path_mtu import PathMtu

TICKS = 0.004  # seconds: a turn of the loop and the rounding of its timers, twice over
BURST = 256 * 1024  # bytes: 220 packets of 1,200 take about 10 ms to seal, and fit a default receive buffer
HEADROOM = 1.25  # RFC 9002, section 7.7: pace slightly above window / round trip


class CoarsePacer(QuicPacketPacer):
    """A leaky bucket for a clock that ticks in milliseconds."""

    def update_rate(self, congestion_window: int, smoothed_rtt: float) -> None:
        window = int(congestion_window * HEADROOM)
        super().update_rate(window, smoothed_rtt)
        rate = window / max(smoothed_rtt, 1e-6)
        self.bucket_max = max(self.bucket_max, min(TICKS, BURST / rate))


class WatchedReno(RenoCongestionControl):
    """New Reno that tells the path's MTU discovery what became of each packet."""

    def __init__(self, *, max_datagram_size: int, path: PathMtu) -> None:
        super().__init__(max_datagram_size=max_datagram_size)
        self._path = path

    def on_packet_acked(self, *, now: float, packet: QuicSentPacket) -> None:
        super().on_packet_acked(now=now, packet=packet)
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
