"""What a stranger's first packet gets: a link, one datagram as an answer, or silence.

Nothing is kept for an answer. The packet is at least 1,200 bytes, so that none is larger than the question. The ids
that a handshake began with are among its transport parameters (RFC 9000, section 7.3); after a Retry the token alone
knows the first of them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aioquic.buffer import Buffer  # type: ignore[attr-defined]
from aioquic.quic.packet import (
    QuicPacketType,
    QuicProtocolVersion,
    encode_quic_retry,
    encode_quic_version_negotiation,
    pull_quic_header,
)
from aioquic.quic.retry import QuicRetryTokenHandler

from swarm.net.admission import Verdict

if TYPE_CHECKING:
    from aioquic.quic.packet import QuicHeader

    from swarm.net.admission import Admission
    from swarm.wire.hop import Address

CONNECTION_ID = 8  # bytes, of every connection id that we issue
LONG_HEADER = 0x80
VERSIONS = [int(QuicProtocolVersion.VERSION_1)]  # one: a second would only be more to attack


@dataclass(frozen=True, slots=True)
class Answer:
    """Goes back to where the packet came from."""

    datagram: bytes


@dataclass(frozen=True, slots=True)
class Admitted:
    """A handshake that may begin, and the connection ids that it began with."""

    addressed_to: bytes  # by this packet
    original_id: bytes  # by the very first one
    retry_id: bytes | None  # ours, where there was a Retry


class Reception:
    """Looks at first packets of one endpoint."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._tokens = QuicRetryTokenHandler()

    def greet(self, data: bytes, address: Address, now: float, *, vouched: bool) -> Answer | Admitted | None:
        """`address`: where it came from; `vouched`: somebody else has made sure of that, as a relay does."""
        try:
            header = pull_quic_header(Buffer(data=data), host_cid_length=CONNECTION_ID)
        except ValueError:
            return None
        if header.packet_type is QuicPacketType.VERSION_NEGOTIATION:
            return None
        if header.version not in VERSIONS:
            return Answer(encode_quic_version_negotiation(header.destination_cid, header.source_cid, VERSIONS))
        if header.packet_type is not QuicPacketType.INITIAL or len(header.destination_cid) < CONNECTION_ID:
            return None
        original = self._original_id(header, address, now)
        match self._admission.verdict(address[0], proved=original is not None or vouched):
            case Verdict.PROVE_ADDRESS:
                return Answer(self._retry(header, address, now))
            case Verdict.ADMIT:
                if original is None:
                    return Admitted(header.destination_cid, header.destination_cid, None)
                return Admitted(header.destination_cid, original, header.destination_cid)
            case Verdict.REFUSE:
                return None

    def _original_id(self, header: QuicHeader, address: Address, now: float) -> bytes | None:
        """What the first packet was addressed to, when this one carries our token; None when it proves nothing."""
        if not header.token:
            return None
        try:
            return self._tokens.validate_token(
                address=address, destination_cid=header.destination_cid, token=header.token, now=now
            )
        except ValueError:
            return None

    def _retry(self, header: QuicHeader, address: Address, now: float) -> bytes:
        assert header.version is not None
        retry_id = os.urandom(CONNECTION_ID)
        token = self._tokens.create_token(
            address=address,
            original_destination_connection_id=header.destination_cid,
            retry_source_connection_id=retry_id,
            now=now,
        )
        return encode_quic_retry(header.version, retry_id, header.source_cid, header.destination_cid, token)


def destination(data: bytes) -> bytes:
    """The destination connection id, by RFC 8999 for long headers and by our own length for short ones."""
    if data[0] & LONG_HEADER:
        return data[6 : 6 + data[5]] if len(data) > 6 else b""
    return data[1 : 1 + CONNECTION_ID]
