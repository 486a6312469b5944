"""What a stranger's first packet gets."""

from __future__ import annotations

import pytest
from aioquic.buffer import Buffer  # type: ignore[attr-defined]
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet import QuicPacketType, pull_quic_header
from aioquic.quic.retry import TOKEN_LIFETIME

from swarm.net.admission import Admission
from swarm.net.limits import Limits
from swarm.net.reception import CONNECTION_ID, VERSIONS, Admitted, Answer, Reception, destination

HERE = ("192.0.2.1", 47474)
ELSEWHERE = ("192.0.2.2", 47474)


class Caller:
    """The client's side of a handshake, as the library has it."""

    def __init__(self, version: int = VERSIONS[0]) -> None:
        self.quic = QuicConnection(
            configuration=QuicConfiguration(
                alpn_protocols=["x"], supported_versions=[version], original_version=version
            )
        )
        self.quic.connect(HERE, now=0.0)

    def packet(self, now: float = 0.0) -> bytes:
        return self.quic.datagrams_to_send(now)[0][0]

    def hear(self, answer: bytes) -> bytes:
        """What it says to that."""
        self.quic.receive_datagram(answer, HERE, now=0.0)
        return self.packet()


def crowded() -> Admission:
    """One where each address must be proved first."""
    admission = Admission(Limits(strangers=4, strangers_per_host=4))
    for _ in range(3):
        admission.enter()
        admission.meet(HERE[0])
    return admission


def retried(reception: Reception) -> tuple[bytes, bytes]:
    """A first packet, and what its sender says after it was asked to prove its address."""
    caller = Caller()
    first = caller.packet()
    answer = reception.greet(first, HERE, 0.0, vouched=False)
    assert isinstance(answer, Answer)
    return first, caller.hear(answer.datagram)


def test_a_first_packet_is_admitted_with_the_id_that_it_names() -> None:
    packet = Caller().packet()
    admitted = Reception(Admission(Limits())).greet(packet, HERE, 0.0, vouched=False)
    assert admitted == Admitted(destination(packet), destination(packet), None)


def test_in_a_crowd_an_address_is_proved_before_it_is_admitted() -> None:
    reception = Reception(crowded())
    first, second = retried(reception)
    admitted = reception.greet(second, HERE, 0.0, vouched=False)
    assert admitted == Admitted(destination(second), destination(first), destination(second))
    assert destination(first) != destination(second)


@pytest.mark.parametrize(("address", "now"), [(ELSEWHERE, 0.0), (HERE, TOKEN_LIFETIME + 1)])
def test_a_token_proves_nothing_from_another_address_or_too_late(address: tuple[str, int], now: float) -> None:
    reception = Reception(crowded())
    _, second = retried(reception)
    assert isinstance(reception.greet(second, address, now, vouched=False), Answer)


def test_whom_a_relay_vouches_for_proves_nothing() -> None:
    assert isinstance(Reception(crowded()).greet(Caller().packet(), HERE, 0.0, vouched=True), Admitted)


def test_another_version_is_told_ours_in_a_datagram_that_is_smaller_than_the_question() -> None:
    packet = bytearray(Caller().packet())
    packet[1:5] = b"\x0a\x0a\x0a\x0a"
    answer = Reception(Admission(Limits())).greet(bytes(packet), HERE, 0.0, vouched=False)
    assert isinstance(answer, Answer)
    assert len(answer.datagram) < len(packet)
    header = pull_quic_header(Buffer(data=answer.datagram))
    assert header.packet_type is QuicPacketType.VERSION_NEGOTIATION
    assert header.supported_versions == VERSIONS


def test_what_is_no_first_packet_gets_silence() -> None:
    reception = Reception(Admission(Limits()))
    packet = bytearray(Caller().packet())
    packet[1:5] = bytes(4)  # says that it is a negotiation of versions: answers to those could go on for ever
    assert reception.greet(bytes(packet), HERE, 0.0, vouched=False) is None
    assert reception.greet(b"\xc0\x00\x00\x00\x01\xff", HERE, 0.0, vouched=False) is None
    short = bytearray(Caller().packet())
    short[5] = CONNECTION_ID - 1  # an id that is too short to be guessed by nobody
    assert reception.greet(bytes(short), HERE, 0.0, vouched=False) is None


def test_whoever_is_refused_hears_nothing() -> None:
    admission = Admission(Limits(links=1))
    admission.enter()
    assert Reception(admission).greet(Caller().packet(), HERE, 0.0, vouched=True) is None


def test_the_destination_of_a_packet_that_is_cut_short_is_nobody() -> None:
    assert destination(b"\xc0\x00\x00\x00\x01\x08") == b""
    assert destination(b"\x40" + bytes(range(20))) == bytes(range(CONNECTION_ID))
