"""A QuicConnection that a hostile peer cannot make large, and that finds out how large its datagrams may be.

aioquic 1.7 doubles a receive window whenever half of it has *arrived*, read or not: 759 bytes, sent at ever higher
offsets, make a peer hold a 1 GiB buffer. Here credit is what the application has taken plus a fixed window, so that
unread data extends nothing. Before the peer is trusted there is no new credit at all: what the transport parameters
granted is what a stranger gets.

The only file that reaches into aioquic's private parts. Rejected: copying its frame writers (they change more often
than the few fields used here), and patching the module (another user of aioquic in this process would be changed too).
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

from aioquic.quic.connection import END_STATES, QuicConnection, QuicConnectionState
from aioquic.quic.packet import QuicFrameType, QuicPacketType
from aioquic.quic.packet_builder import QuicDeliveryState, QuicPacketBuilder
from aioquic.tls import Epoch

from swarm.net.path_mtu import BASE, PathMtu
from swarm.net.recovery import BURST, CoarsePacer, WatchedReno

if TYPE_CHECKING:
    from aioquic.buffer import Buffer  # type: ignore[attr-defined]
    from aioquic.quic.configuration import QuicConfiguration
    from aioquic.quic.connection import NetworkAddress, QuicReceiveContext
    from aioquic.quic.events import ConnectionTerminated
    from aioquic.quic.packet_builder import QuicSentPacket
    from aioquic.quic.recovery import QuicPacketSpace
    from aioquic.quic.stream import QuicStream

# aioquic logs what any stranger sends it, at levels that reach stderr when nobody set logging up; and to ask for a
# logger's level six times a packet is not free. Why a link ended is in the error that its user gets.
logging.getLogger("quic").disabled = True

STREAM_WINDOW = 4 << 20  # bytes unread on one lane: 80 MB/s at a round trip of 50 ms
LINK_WINDOW = 16 << 20  # bytes unread on one link
CREDIT_STEP = 4  # new credit is announced when a quarter of the window has been taken

LONGEST_PROBE = 0.25  # seconds between probes of a silent path, where QUIC would double them for ever
MAX_HANDSHAKE = 16 * 1024  # bytes of TLS messages: ours are below 2 kB; TLS itself would collect 16 MB for one message
INITIAL_WINDOW = 10 * BASE  # RFC 9002, section 7.2
MAX_GAPS = 4096  # holes in one lane's arrivals: a full window at 1,200 bytes with every other packet lost has 1,750
MAX_UNACKNOWLEDGED = 32_768  # packets: a full link window at 1,200 bytes is 14,000; a peer that never answers grows it


class CappedConnection(QuicConnection):
    """QUIC with credit for what was read, room for one lane until trusted, and path MTU discovery."""

    def __init__(
        self,
        *,
        configuration: QuicConfiguration,
        lanes: int,
        original_destination_connection_id: bytes | None = None,
        retry_source_connection_id: bytes | None = None,
    ) -> None:
        """`lanes`: how many the peer may have open at once after `trust`, beside the control lane."""
        super().__init__(
            configuration=configuration,
            original_destination_connection_id=original_destination_connection_id,
            retry_source_connection_id=retry_source_connection_id,
        )
        self.trusted = False
        self._path = PathMtu()
        self._lanes = lanes
        self._challenge: bytes | None = None  # sent to where the peer may be now, and not answered
        self._met = False  # it was
        self._taken: dict[int, int] = {}  # bytes that the application took, by stream
        self._taken_in_all = 0
        control = 0 if self._is_client else 1  # lane 0 is opened by the side that dials
        self._local_max_streams_bidi.value = self._local_max_streams_bidi.sent = control
        self._local_max_streams_uni.value = self._local_max_streams_uni.sent = 0
        self._loss._pacer = self._pacer = CoarsePacer(max_datagram_size=self._max_datagram_size)
        self._loss._cc = self._reno = WatchedReno(max_datagram_size=self._max_datagram_size, path=self._path)

    # What the driver asks.

    @property
    def begun(self) -> bool:
        """Has any packet of the peer been decrypted? Until then a server's connection is not worth keeping."""
        return self._state is not QuicConnectionState.FIRSTFLIGHT

    @property
    def ending(self) -> ConnectionTerminated | None:
        """Why the connection is over, at once and not only after the closing period of three probe timeouts."""
        return self._close_event

    @property
    def at_fault(self) -> bool:
        """Did we condemn the connection for what the peer sent? (As opposed to its closing, or falling silent.)"""
        return self._close_pending and self._state not in END_STATES

    @property
    def heard_at(self) -> float:
        """When the last authentic packet arrived after the handshake, on the caller's clock; 0 before."""
        space = self._spaces.get(Epoch.ONE_RTT)
        return (space.largest_received_time or 0.0) if space is not None else 0.0

    @property
    def newest(self) -> int:
        """The highest number of an authentic packet after the handshake; -1 before the first."""
        space = self._spaces.get(Epoch.ONE_RTT)
        return space.largest_received_packet if space is not None else -1

    @property
    def round_trip(self) -> float | None:
        """Smoothed round-trip time in seconds."""
        return self._loss._rtt_smoothed if self._loss._rtt_initialized else None

    @property
    def turn_over(self) -> bool:
        """Is there more to send at once, held back only so that the loop gets its turn?"""
        return self._pacer.turn_over

    @property
    def datagram_size(self) -> int:
        """What the path is known to carry, in bytes."""
        return self._path.size

    def unsent(self, stream_id: int) -> int:
        """Bytes written to a stream and never put on the wire yet."""
        stream = self._streams.get(stream_id)
        return 0 if stream is None else _unsent(stream)

    def unsent_in_all(self) -> int:
        """The same of all streams."""
        return sum(map(_unsent, self._streams.values()))

    def excess(self) -> str | None:
        """What the peer has made us hold beyond reason, in words; None as long as it behaves."""
        if sum(stream.receiver.highest_offset for stream in self._crypto_streams.values()) > MAX_HANDSHAKE:
            return "handshake messages beyond reason"
        if any(len(stream.receiver._ranges) > MAX_GAPS for stream in self._streams.values()):
            return "data in too many pieces"
        if self._spaces and len(self._spaces[Epoch.ONE_RTT].sent_packets) > MAX_UNACKNOWLEDGED:
            return "too many packets unacknowledged"
        return None

    # Credit.

    def trust(self, now: float) -> None:
        """The peer is who it should be: full windows, more lanes, larger datagrams."""
        if not self.trusted:
            self.trusted = True
            self._local_max_streams_bidi.value += self._lanes
            self._path.start(now)

    def take(self, stream_id: int, size: int) -> bool:
        """The application took `size` bytes of a stream. True when that is worth telling the peer."""
        taken = self._taken.get(stream_id, 0) + size
        self._taken[stream_id] = taken
        self._taken_in_all += size
        stream = self._streams.get(stream_id)
        return self.trusted and (
            _step(self._taken_in_all + LINK_WINDOW, self._local_max_data.value, LINK_WINDOW)
            or (stream is not None and _step(taken + STREAM_WINDOW, stream.max_stream_data_local, STREAM_WINDOW))
        )

    def forfeit(self, stream_id: int) -> None:
        """The peer reset a stream: nobody will take the rest, so the link's credit returns. To be called at once."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            self.take(stream_id, max(0, stream.receiver.highest_offset - self._taken.get(stream_id, 0)))

    def forget(self, stream_id: int) -> None:
        """Both directions of a stream are done with."""
        self._taken.pop(stream_id, None)

    def _write_stream_limits(self, builder: QuicPacketBuilder, space: QuicPacketSpace, stream: QuicStream) -> None:
        receiver = stream.receiver
        if receiver.is_finished:
            return
        wanted = self._taken.get(stream.stream_id or 0, 0) + STREAM_WINDOW
        if self.trusted and _step(wanted, stream.max_stream_data_local, STREAM_WINDOW):
            stream.max_stream_data_local = wanted
        if stream.max_stream_data_local_sent != stream.max_stream_data_local:
            highest, receiver.highest_offset = receiver.highest_offset, 0  # else the inherited method doubles the limit
            try:
                super()._write_stream_limits(builder, space, stream)
            finally:
                receiver.highest_offset = highest

    def _write_connection_limits(self, builder: QuicPacketBuilder, space: QuicPacketSpace) -> None:
        limit = self._local_max_data
        wanted = self._taken_in_all + LINK_WINDOW
        if self.trusted and _step(wanted, limit.value, LINK_WINDOW):
            limit.value = wanted
        used, limit.used = limit.used, 0  # as above
        try:
            super()._write_connection_limits(builder, space)
        finally:
            limit.used = used

    # The size of datagrams.

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, NetworkAddress]]:
        if not self._network_paths or self._state in END_STATES:
            return []
        self._resize()
        self._pacer.begin_turn()
        datagrams = super().datagrams_to_send(now)
        if self._handshake_confirmed and not self._close_pending and self._state not in END_STATES:
            for size in self._path.due(
                now
            ):  # after the data and ascending, so that no segmentation batch takes them in
                datagrams += self._probe(size, now)
        return datagrams

    def get_timer(self) -> float | None:
        if self.trusted:  # a lost path comes back at a moment that nobody announces; one packet in 250 ms floods nobody
            patience = max(LONGEST_PROBE, 2 * self._loss.get_probe_timeout())
            while self._loss._pto_count and self._loss.get_probe_timeout() * 2**self._loss._pto_count > patience:
                self._loss._pto_count -= 1
        timer = super().get_timer()
        wake = self._path.wake_at
        return timer if wake is None or timer is None or not self._handshake_confirmed else min(timer, wake)

    def _resize(self) -> None:
        size = self._path.size
        if size != self._max_datagram_size:
            self._max_datagram_size = size
            self._pacer.resize(size)
            self._reno.resize(size)

    def _probe(self, size: int, now: float) -> list[tuple[bytes, NetworkAddress]]:
        """One PING padded to `size` bytes, not counted by congestion control (RFC 9000, section 14.4)."""
        builder = self._packet(size)
        buffer = builder.start_frame(QuicFrameType.PING, handler=self._on_probe_delivery, handler_args=(size,))
        buffer.push_bytes(bytes(builder.remaining_buffer_space))
        return self._send_alone(builder, now)

    def challenge(self, data: bytes, now: float) -> list[bytes]:
        """A small packet that asks whether the peer is where it will be sent. `data`: 8 bytes drawn for it."""
        if not self._handshake_confirmed or self._close_pending or self._state in END_STATES:
            return []
        self._challenge = data
        builder = self._packet(BASE)
        builder.start_frame(QuicFrameType.PATH_CHALLENGE, capacity=9).push_bytes(data)
        return [datagram for datagram, _ in self._send_alone(builder, now)]

    def challenge_met(self) -> bool:
        """Has the last challenge been answered? Says so once."""
        met, self._met = self._met, False
        return met

    # Another path below.

    @property
    def awaits(self) -> bool:
        """Is there anything under way that the peer is to acknowledge?"""
        space = self._spaces.get(Epoch.ONE_RTT)
        return space is not None and space.ack_eliciting_in_flight > 0

    def rerouted(self, now: float, *, failed: bool) -> None:
        """Datagrams go another way from now on. `failed`: what is under way by the last one will not arrive.

        What the old path taught is forgotten: datagram size, round trip, backed-off timers, and most of the window.
        """
        space = self._spaces.get(Epoch.ONE_RTT)
        if not self._handshake_confirmed or self._close_pending or self._state in END_STATES or space is None:
            return
        self._path.begin_anew()
        loss = self._loss
        if failed:
            lost = tuple(space.sent_packets.values())
            loss._on_packets_lost(congestion_event=False, now=now, packets=lost, space=space)
        self._reno.begin_anew(INITIAL_WINDOW if failed else BURST)
        loss._rtt_initialized = False
        loss._rtt_min = math.inf
        loss._pto_count = 0
        space.loss_time = None
        self.send_ping(0)

    def _handle_path_response_frame(self, context: QuicReceiveContext, frame_type: int, buf: Buffer) -> None:
        start = buf.tell()
        super()._handle_path_response_frame(context, frame_type, buf)
        if self._challenge is not None and buf.data_slice(start, buf.tell()) == self._challenge:
            self._challenge = None
            self._met = True

    def _packet(self, size: int) -> QuicPacketBuilder:
        builder = QuicPacketBuilder(
            host_cid=self.host_cid,
            is_client=self._is_client,
            max_datagram_size=size,
            packet_number=self._packet_number,
            peer_cid=self._peer_cid.cid,
            version=self._version or 0,
        )
        builder.start_packet(QuicPacketType.ONE_RTT, self._cryptos[Epoch.ONE_RTT])
        return builder

    def _send_alone(self, builder: QuicPacketBuilder, now: float) -> list[tuple[bytes, NetworkAddress]]:
        packet: QuicSentPacket | None = builder._packet
        assert packet is not None
        packet.in_flight = False
        self._loss._time_of_last_sent_ack_eliciting_packet = now  # else its probe timeout is already over
        return self._flush_builder(
            builder=builder, network_path=self._network_paths[0], peer_cid=self._peer_cid.cid, now=now
        )

    def _on_probe_delivery(self, delivery: QuicDeliveryState, size: int) -> None:
        if delivery is QuicDeliveryState.ACKED:
            self._path.probe_arrived(size)


def _unsent(stream: QuicStream) -> int:
    sender = stream.sender
    return 0 if sender._reset_error_code is not None else sender._buffer_stop - sender.highest_offset


def _step(wanted: int, granted: int, window: int) -> bool:
    return wanted - granted >= window // CREDIT_STEP
