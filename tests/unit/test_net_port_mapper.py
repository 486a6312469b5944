"""Ports at the gateway: asked for, renewed, followed over restarts, given back; in virtual time."""

from __future__ import annotations

import pytest

from swarm.net import nat_pmp, pcp
from swarm.net.nat_pmp import Protocol
from swarm.net.port_mapper import LIFETIME, LOOK_AGAIN, SOONEST_RENEWAL, TRIES, PortMapper
from tests.unit.fake_gateway import FakeGateway

PORT = 47474
NONCE = b"twelve bytes"
WANTED = [(Protocol.UDP, PORT), (Protocol.TCP, PORT)]


class Pair:
    """A mapper and its gateway, and the time."""

    def __init__(self, gateway: FakeGateway) -> None:
        self.gateway = gateway
        self.mapper = PortMapper.create("192.168.1.5", WANTED, NONCE)
        self.now = 1000.0
        self.sent = 0
        self.changes = 0

    def run(self, seconds: float) -> None:
        """Everything that happens until then."""
        end = self.now + seconds
        while True:
            questions = self.mapper.due(self.now)
            self.sent += len(questions)
            for question in questions:
                for answer in self.gateway.answer(question, self.now):
                    self.changes += self.mapper.received(answer, self.now)
            if self.mapper.wake_at > end:
                self.now = end
                return
            self.now = max(self.now, self.mapper.wake_at)

    def udp(self) -> tuple[str, int] | None:
        return self.mapper.external(Protocol.UDP)


def test_pcp_is_spoken_where_the_gateway_can() -> None:
    pair = Pair(FakeGateway())
    pair.run(1)
    assert pair.mapper.spoken == "PCP"
    assert pair.udp() == pair.mapper.external(Protocol.TCP) == ("203.0.113.9", PORT)
    assert pair.sent == 2


@pytest.mark.parametrize("says_so", [True, False])
def test_an_older_gateway_is_spoken_to_in_nat_pmp(says_so: bool) -> None:
    pair = Pair(FakeGateway(speaks_pcp=False))
    if not says_so:  # it drops what it does not know
        plain = pair.gateway.answer
        pair.gateway.answer = lambda data, now: plain(data, now) if data[0] == 0 else []  # type: ignore[method-assign]
    pair.run(10)
    assert pair.mapper.spoken == "NAT-PMP"
    assert pair.udp() == ("203.0.113.9", PORT)
    assert pair.gateway.mapped == {(17, PORT): PORT, (6, PORT): PORT}


def test_another_port_than_the_one_wanted_is_taken_and_kept() -> None:
    pair = Pair(FakeGateway(offset=7))
    pair.run(3 * LIFETIME)
    assert pair.udp() == ("203.0.113.9", PORT + 7)


@pytest.mark.parametrize("speaks_pcp", [True, False])
def test_mappings_are_renewed_at_half_of_their_life(speaks_pcp: bool) -> None:
    pair = Pair(FakeGateway(speaks_pcp=speaks_pcp))
    pair.run(10)
    before = pair.sent
    pair.run(LIFETIME / 2 - 20)
    assert pair.sent == before
    pair.run(20)
    assert pair.sent == before + (2 if speaks_pcp else 3)
    assert pair.udp() is not None


@pytest.mark.parametrize("speaks_pcp", [True, False])
def test_a_gateway_that_was_restarted_is_asked_for_everything_at_once(speaks_pcp: bool) -> None:
    pair = Pair(FakeGateway(speaks_pcp=speaks_pcp))
    pair.run(LIFETIME / 4)
    pair.gateway.reboot(pair.now)
    pair.run(LIFETIME / 2)
    assert pair.gateway.mapped == {(17, PORT): PORT, (6, PORT): PORT}
    assert pair.udp() is not None


def test_a_restart_that_only_one_renewal_notices_brings_the_other_port_back_too() -> None:
    pair = Pair(FakeGateway())
    pair.run(1)
    pair.gateway.reboot(pair.now)
    question = pcp.ask_mapping("192.168.1.5", NONCE, Protocol.UDP, PORT, PORT, LIFETIME)
    pair.now += 60
    pair.mapper.received(pair.gateway.answer(question, pair.now)[0], pair.now)
    pair.run(1)
    assert pair.gateway.mapped == {(17, PORT): PORT, (6, PORT): PORT}


def test_a_gateway_that_goes_silent_is_asked_on_and_forgotten_at_the_end_of_the_mapping() -> None:
    pair = Pair(FakeGateway())
    pair.run(10)
    pair.gateway.silent = True
    pair.run(LIFETIME - 20)
    assert pair.udp() is not None
    pair.run(20)
    assert pair.udp() is None
    pair.gateway.silent = False
    pair.run(LOOK_AGAIN + 10)
    assert pair.udp() is not None


@pytest.mark.parametrize("gateway", [FakeGateway(silent=True), FakeGateway(refusal=2)], ids=["silent", "refusing"])
def test_silence_and_refusal_cost_a_few_datagrams_in_ten_minutes(gateway: FakeGateway) -> None:
    pair = Pair(gateway)
    pair.run(LOOK_AGAIN - 20)
    assert pair.udp() is None
    assert pair.mapper.why
    assert pair.sent <= 5 * TRIES
    gateway.silent, gateway.refusal = False, 0
    pair.run(60)
    assert pair.udp() == ("203.0.113.9", PORT)
    assert not pair.mapper.why


def test_a_gateway_that_grants_a_second_is_not_asked_every_second() -> None:
    pair = Pair(FakeGateway(lifetime=1))
    pair.run(10 * SOONEST_RENEWAL)
    assert pair.sent <= 2 * 11
    assert pair.udp() is not None


def test_a_gateway_that_promises_for_ever_is_asked_again_within_a_day() -> None:
    pair = Pair(FakeGateway(lifetime=2**32 - 1))
    pair.run(10)
    before = pair.sent
    pair.run(86_400)
    assert pair.sent > before


@pytest.mark.parametrize("speaks_pcp", [True, False])
def test_everything_is_given_back_at_the_end(speaks_pcp: bool) -> None:
    pair = Pair(FakeGateway(speaks_pcp=speaks_pcp))
    pair.run(10)
    for question in pair.mapper.release():
        pair.gateway.answer(question, pair.now)
    assert pair.gateway.mapped == {}


def test_an_answer_to_somebody_else_changes_nothing() -> None:
    pair = Pair(FakeGateway())
    pair.mapper.due(pair.now)
    stranger = pcp.ask_mapping("192.168.1.6", b"another one!", Protocol.UDP, PORT, PORT, LIFETIME)
    other_port = pcp.ask_mapping("192.168.1.5", NONCE, Protocol.UDP, PORT + 1, PORT + 1, LIFETIME)
    for question in (stranger, other_port):
        assert not pair.mapper.received(pair.gateway.answer(question, pair.now)[0], pair.now)
    assert pair.udp() is None


def test_garbage_is_no_answer() -> None:
    pair = Pair(FakeGateway())
    real = pair.gateway.answer(pcp.ask_mapping("192.168.1.5", NONCE, Protocol.UDP, PORT, PORT, 60), 0.0)[0]
    assert pcp.read_answer(real, NONCE) is not None
    for length in range(60):
        assert pcp.read_answer(real[:length], NONCE) is None
        nat_pmp.read_answer(real[:length])
    for place in range(len(real)):
        for bit in range(8):
            broken = bytearray(real)
            broken[place] ^= 1 << bit
            pair.mapper.received(bytes(broken), pair.now)
    assert nat_pmp.read_answer(bytes(nat_pmp.LARGEST_ANSWER + 1)) is None
