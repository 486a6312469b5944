"""The pacer's turns and bursts, and a congestion window that grows only when it is used."""

from __future__ import annotations

from aioquic.quic.packet import QuicPacketType
from aioquic.quic.packet_builder import QuicSentPacket
from aioquic.tls import Epoch

from swarm.net.path_mtu import PathMtu
from swarm.net.recovery import BURST, TICKS, TURN, CoarsePacer, WatchedReno


def burst(pacer: CoarsePacer, now: float) -> int:
    """How many packets may go at one moment, over any number of turns."""
    sent = 0
    while sent < 10_000:
        pacer.begin_turn()
        while pacer.next_send_time(now) is None:
            pacer.update_after_send(now)
            sent += 1
        if not pacer.turn_over:
            break
    return sent


def test_one_turn_ends_after_its_share_even_where_nothing_is_paced_yet() -> None:
    pacer = CoarsePacer(max_datagram_size=1200)
    pacer.begin_turn()
    sent = 0
    while pacer.next_send_time(1.0) is None:
        pacer.update_after_send(1.0)
        sent += 1
    assert sent == TURN // 1200
    assert pacer.turn_over


def test_a_burst_bridges_the_ticks_of_the_clock() -> None:
    pacer = CoarsePacer(max_datagram_size=1200)
    pacer.update_rate(congestion_window=500_000, smoothed_rtt=0.020)  # 31 MB/s
    pacer.next_send_time(1.0)
    in_ticks = TICKS * 1.25 * 500_000 / 0.020 / 1200
    assert in_ticks * 0.9 < burst(pacer, 2.0) < in_ticks * 1.1


def test_a_burst_neither_shrinks_nor_explodes_with_a_huge_rate() -> None:
    for size in (1200, 16_000):
        pacer = CoarsePacer(max_datagram_size=size)
        pacer.update_rate(congestion_window=100 << 20, smoothed_rtt=0.001)
        pacer.next_send_time(1.0)
        assert 0.9 * BURST <= burst(pacer, 2.0) * size <= 1.1 * BURST


def packet(number: int) -> QuicSentPacket:
    return QuicSentPacket(
        epoch=Epoch.ONE_RTT,
        in_flight=True,
        is_ack_eliciting=True,
        is_crypto_packet=False,
        packet_number=number,
        packet_type=QuicPacketType.ONE_RTT,
        sent_time=1.0,
        sent_bytes=1200,
    )


def test_a_window_that_is_not_used_does_not_grow() -> None:
    reno = WatchedReno(max_datagram_size=1200, path=PathMtu())
    before = reno.congestion_window
    for number in range(1000):
        reno.on_packet_sent(packet=packet(number))
        reno.on_packet_acked(now=2.0, packet=packet(number))
    assert reno.congestion_window == before
    assert reno.bytes_in_flight == 0


def test_a_window_that_is_full_grows() -> None:
    reno = WatchedReno(max_datagram_size=1200, path=PathMtu())
    before = reno.congestion_window
    for number in range(10):
        reno.on_packet_sent(packet=packet(number))
    reno.on_packet_acked(now=2.0, packet=packet(0))
    assert reno.congestion_window == before + 1200


def test_the_fate_of_large_packets_is_passed_on() -> None:
    path = PathMtu()
    path.start(0.0)
    path.probe_arrived(1452)
    reno = WatchedReno(max_datagram_size=1200, path=path)
    large = packet(1)
    large.sent_bytes = 1452
    for _ in range(3):
        reno.on_packet_sent(packet=large)
        reno.on_packets_expired(packets=iter([large]))
    assert path.size == 1200
