"""The QUIC connection's own limits, in pure time: no socket, no clock."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration

from swarm.net.capped import (
    LINK_WINDOW,
    MAX_GAPS,
    MAX_HANDSHAKE,
    MAX_UNACKNOWLEDGED,
    STREAM_WINDOW,
    CappedConnection,
)
from swarm.net.certificate import ephemeral_certificate
from swarm.net.path_mtu import BASE, LARGEST
from swarm.net.recovery import BURST

if TYPE_CHECKING:
    from collections.abc import Callable

    from aioquic.quic.stream import QuicStream

ADDRESS = ("peer", 0)
STRANGER_BYTES = 4096
CERTIFICATE, KEY = ephemeral_certificate()
CONFIGURATION = QuicConfiguration(
    alpn_protocols=["test"],
    max_data=STRANGER_BYTES,
    max_stream_data=STREAM_WINDOW,
    verify_mode=0,
    certificate=CERTIFICATE,
    private_key=KEY,
)


class Wire:
    """A dialler and a listener, joined by a path whose datagrams may be dropped."""

    def __init__(self, passes: Callable[[bytes], bool] = lambda datagram: True) -> None:
        self.now = 100.0
        self.passes = passes
        self.client = CappedConnection(configuration=replace(CONFIGURATION, is_client=True), lanes=16)
        self.server = CappedConnection(
            configuration=replace(CONFIGURATION, is_client=False),
            lanes=16,
            original_destination_connection_id=self.client.original_destination_connection_id,
        )
        self.client.connect(ADDRESS, self.now)
        self.arrived: dict[int, int] = {}
        self.run(20)
        assert self.client._handshake_confirmed

    def trust(self) -> None:
        self.client.trust(self.now)
        self.server.trust(self.now)
        self.run(20)

    def run(self, rounds: int, *, read: bool = False) -> None:
        """Passes datagrams and time; `read`: the server's application takes what arrives."""
        for _ in range(rounds):
            self.now += 0.005
            for sender, receiver in ((self.client, self.server), (self.server, self.client)):
                for datagram, _address in sender.datagrams_to_send(self.now):
                    if self.passes(datagram):
                        receiver.receive_datagram(datagram, ADDRESS, self.now)
            self.drain(read)
            for side in (self.client, self.server):
                timer = side.get_timer()
                if timer is not None and self.now >= timer:
                    side.handle_timer(self.now)

    def drain(self, read: bool) -> None:
        while self.client.next_event() is not None:
            pass
        while (event := self.server.next_event()) is not None:
            if isinstance(event, events.StreamDataReceived):
                self.arrived[event.stream_id] = self.arrived.get(event.stream_id, 0) + len(event.data)
                if read:
                    self.server.take(event.stream_id, len(event.data))


def poke(wire: Wire, stream: QuicStream) -> None:
    """Sends one byte at the highest offset that the peer allows."""
    sender, client = stream.sender, wire.client
    room = client._remote_max_data - client._remote_max_data_used + sender.highest_offset
    offset = min(stream.max_stream_data_remote, room) - 1
    sender._buffer, sender._buffer_start, sender._buffer_stop = bytearray(b"x"), offset, offset + 1
    sender._pending.add(offset, offset + 1)
    sender.buffer_is_empty = False
    wire.run(6)


def test_single_bytes_at_ever_higher_offsets_do_not_grow_the_receive_buffer() -> None:
    wire = Wire()
    wire.trust()
    wire.client.send_stream_data(0, b"a")
    wire.run(4)
    for _ in range(12):
        poke(wire, wire.client._streams[0])
    receiver = wire.server._streams[0].receiver
    assert len(receiver._buffer) <= STREAM_WINDOW
    assert wire.server._streams[0].max_stream_data_local == STREAM_WINDOW
    assert wire.server._local_max_data.value <= LINK_WINDOW + STRANGER_BYTES
    assert wire.server.ending is None


def test_data_that_the_application_has_not_read_extends_no_credit() -> None:
    wire = Wire()
    wire.trust()
    wire.client.send_stream_data(0, bytes(2 * STREAM_WINDOW))
    wire.run(400)
    assert wire.arrived[0] == STREAM_WINDOW


def test_credit_is_what_was_taken_plus_the_window_and_not_a_byte_more() -> None:
    wire = Wire()
    wire.trust()
    wire.client.send_stream_data(0, bytes(4 * STREAM_WINDOW))
    wire.run(400)
    for taken in (STREAM_WINDOW // 4, STREAM_WINDOW // 2):
        assert wire.server.take(0, STREAM_WINDOW // 4)
        wire.run(400)
        assert wire.arrived[0] == STREAM_WINDOW + taken
    assert not wire.server.take(0, 1)  # not worth a packet yet


def test_all_lanes_together_stay_within_the_window_of_the_link() -> None:
    wire = Wire()
    wire.trust()
    for lane in range(8):
        wire.client.send_stream_data(4 * lane, bytes(STREAM_WINDOW))
    wire.run(1200)
    assert sum(wire.arrived.values()) == LINK_WINDOW


def test_reading_lets_more_through_than_any_window() -> None:
    wire = Wire()
    wire.trust()
    wire.client.send_stream_data(0, bytes(LINK_WINDOW + STREAM_WINDOW), end_stream=True)
    wire.run(2500, read=True)
    assert wire.arrived[0] == LINK_WINDOW + STREAM_WINDOW


def test_a_lane_that_the_peer_resets_gives_its_credit_back() -> None:
    wire = Wire()
    wire.trust()
    for lane in range(8):
        wire.client.send_stream_data(4 * lane, bytes(STREAM_WINDOW))
        wire.run(200)
        wire.client.reset_stream(4 * lane, 0)
        wire.run(2)
        wire.server.forfeit(4 * lane)
        wire.run(4)
    assert sum(wire.arrived.values()) > LINK_WINDOW


def test_a_stranger_gets_four_kilobytes_through_read_or_not() -> None:
    wire = Wire()
    wire.client.send_stream_data(0, bytes(STREAM_WINDOW))
    wire.run(50, read=True)
    assert wire.arrived[0] == STRANGER_BYTES
    wire.trust()
    wire.run(50, read=True)
    assert wire.arrived[0] > STRANGER_BYTES


def test_a_stranger_who_ignores_its_credit_is_closed() -> None:
    wire = Wire()
    wire.client._remote_max_data = 1 << 20
    wire.client.send_stream_data(0, bytes(64 << 10))
    wire.run(10)
    assert wire.server.ending is not None
    assert "data limit" in wire.server.ending.reason_phrase


@pytest.mark.parametrize(("stream_id", "what"), [(4, "a second lane"), (2, "a unidirectional stream")])
def test_a_stranger_who_ignores_the_limit_of_streams_is_closed(stream_id: int, what: str) -> None:
    wire = Wire()
    wire.client._remote_max_streams_bidi = wire.client._remote_max_streams_uni = 100
    wire.client._remote_max_stream_data_uni = 100
    wire.client.send_stream_data(stream_id, b"x")
    wire.run(10)
    assert wire.server.ending is not None, what
    assert "Too many streams" in wire.server.ending.reason_phrase


def test_after_trust_unidirectional_streams_are_still_refused() -> None:
    wire = Wire()
    wire.trust()
    wire.client._remote_max_streams_uni = 100
    wire.client._remote_max_stream_data_uni = 100
    wire.client.send_stream_data(2, b"x")
    wire.run(10)
    assert wire.server.ending is not None


def test_the_number_of_lanes_is_bounded_after_trust() -> None:
    wire = Wire()
    wire.trust()
    for lane in range(30):
        wire.client.send_stream_data(4 * lane, b"x")
    wire.run(20)
    assert len(wire.arrived) == 17  # the control lane and 16 more
    assert wire.server.ending is None


def test_the_listener_may_open_lanes_only_after_trust() -> None:
    wire = Wire()
    wire.server.send_stream_data(1, b"x")
    wire.run(10)
    assert 1 not in wire.client._streams
    wire.trust()
    wire.run(10)
    assert 1 in wire.client._streams


def test_handshake_messages_beyond_reason_are_noticed() -> None:
    wire = Wire()
    assert wire.server.excess() is None
    next(iter(wire.server._crypto_streams.values())).receiver.highest_offset = MAX_HANDSHAKE + 1
    assert wire.server.excess() == "handshake messages beyond reason"


def test_data_in_too_many_pieces_is_noticed() -> None:
    wire = Wire()
    wire.trust()
    wire.client.send_stream_data(0, b"x")
    wire.run(4)
    ranges = wire.server._streams[0].receiver._ranges
    for hole in range(MAX_GAPS):
        ranges.add(10 * hole + 100, 10 * hole + 101)
    assert wire.server.excess() is None
    ranges.add(5, 6)
    assert wire.server.excess() == "data in too many pieces"


def test_a_peer_that_never_acknowledges_is_noticed() -> None:
    wire = Wire()
    spaces = list(wire.server._spaces.values())
    spaces[-1].sent_packets.update(dict.fromkeys(range(10**6, 10**6 + MAX_UNACKNOWLEDGED + 1)))  # type: ignore[arg-type]
    assert wire.server.excess() == "too many packets unacknowledged"


def test_nothing_is_probed_before_trust() -> None:
    sizes: set[int] = set()

    def note(datagram: bytes) -> bool:
        sizes.add(len(datagram))
        return True

    wire = Wire(note)
    wire.run(200)
    assert max(sizes) == BASE
    assert wire.client.datagram_size == BASE


@pytest.mark.parametrize(("mtu", "found"), [(65_000, LARGEST), (1452, 1452), (1400, 1372), (1231, BASE)])
def test_the_largest_datagram_that_the_path_carries_is_found(mtu: int, found: int) -> None:
    wire = Wire(lambda datagram: len(datagram) <= mtu)
    wire.trust()
    wire.run(100)
    assert wire.client.datagram_size == wire.server.datagram_size == found


def test_lost_probes_leave_the_congestion_window_alone() -> None:
    wire = Wire(lambda datagram: len(datagram) <= BASE)
    before = wire.client._loss.congestion_window
    wire.trust()
    wire.run(1000)
    assert wire.client._loss.congestion_window >= before
    assert wire.client._loss.bytes_in_flight == 0


def test_a_path_that_begins_to_swallow_large_datagrams_costs_no_data() -> None:
    mtu = [65_000]
    wire = Wire(lambda datagram: len(datagram) <= mtu[0])
    wire.trust()
    assert wire.client.datagram_size == LARGEST
    mtu[0] = 1300
    wire.client.send_stream_data(0, bytes(1 << 20), end_stream=True)
    wire.run(3000, read=True)
    assert wire.arrived[0] == 1 << 20
    assert wire.client.datagram_size == 1232


def test_every_tenth_datagram_lost_costs_no_data() -> None:
    count = [0]

    def lossy(_datagram: bytes) -> bool:
        count[0] += 1
        return count[0] % 10 != 0

    wire = Wire(lossy)
    wire.trust()
    wire.client.send_stream_data(0, bytes(1 << 20), end_stream=True)
    wire.run(4000, read=True)
    assert wire.arrived[0] == 1 << 20


def test_on_another_path_what_the_old_one_taught_is_forgotten() -> None:
    wire = Wire()
    wire.trust()
    wire.client.send_stream_data(0, bytes(8 << 20), end_stream=True)
    wire.run(20, read=True)
    assert wire.client.datagram_size == LARGEST
    assert wire.client._loss.congestion_window > BURST
    wire.client.rerouted(wire.now, failed=False)
    assert wire.client.datagram_size == BASE
    assert wire.client._loss.congestion_window == BURST
    assert wire.client.round_trip is None
    wire.run(1000, read=True)
    assert wire.arrived[0] == 8 << 20
    assert wire.client.datagram_size == LARGEST


def test_what_was_under_way_on_a_path_that_failed_is_sent_again_at_once() -> None:
    way = {"open": True}
    wire = Wire(lambda _: way["open"])
    wire.trust()
    wire.client.send_stream_data(0, bytes(4 << 20), end_stream=True)
    wire.run(10, read=True)
    way["open"] = False
    wire.run(20, read=True)
    assert wire.client.awaits
    before = wire.arrived[0]
    way["open"] = True
    wire.client.rerouted(wire.now, failed=True)
    assert wire.client._loss.bytes_in_flight == 0
    wire.run(3, read=True)
    assert wire.arrived[0] > before
    wire.run(1000, read=True)
    assert wire.arrived[0] == 4 << 20
    assert not wire.client.awaits


def test_another_path_before_the_handshake_or_after_the_end_is_nothing() -> None:
    client = CappedConnection(configuration=replace(CONFIGURATION, is_client=True), lanes=16)
    client.connect(ADDRESS, 0.0)
    client.rerouted(0.0, failed=True)
    wire = Wire()
    wire.client.close()
    wire.run(3)
    wire.client.rerouted(wire.now, failed=True)
