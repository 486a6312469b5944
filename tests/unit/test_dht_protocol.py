"""One DHT node against strangers: what it answers, whom it lets into its table, what it never does."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING

import pytest
import umsgpack  # type: ignore[import-untyped]

from swarm.discovery.dht import messages
from swarm.discovery.dht.contact import Contact, make_id, pack_address
from swarm.discovery.dht.messages import Check, Done, Find, Found, Got, Ping, Pong, Put, Reach
from swarm.discovery.dht.place import Place
from swarm.discovery.dht.protocol import MAX_OUTSTANDING, MAX_SPOKEN, TIMEOUT, TOKEN_SECONDS, Protocol
from swarm.discovery.dht.provider import DAY, DayKeys, Record, check, day_of
from swarm.discovery.dht.standing import STABLE, Standing
from swarm.discovery.dht.store import Outcome, ProviderStore
from swarm.discovery.dht.table import MAX_OF_NETWORK
from swarm.ids import DeviceId
from tests.simulation_dht.virtual_time import run

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    Address = tuple[str, int]

HOME = ("8.8.8.8", 47474)
STRANGER = ("20.1.1.1", 47474)
NOON = 20_000.0 * DAY + DAY / 2
KEYS = DayKeys.derive(b"d" * 32, day_of(NOON))
RECORD = KEYS.issue(DeviceId(b"a" * 32), [Place(*STRANGER)], int(NOON))


class Stage:
    """A node, and what it sends."""

    def __init__(self, *, server: bool = True) -> None:
        self.loop = asyncio.get_running_loop()
        self.rng = Random(1)
        self.sent: list[tuple[bytes, Address]] = []
        self.store = ProviderStore()
        self.standing = Standing(always_server=server, address=HOME if server else None)
        self.protocol = Protocol(
            lambda data, address: self.sent.append((data, address)),
            self.store,
            self.standing,
            random=self.rng.randbytes,
            wall=lambda: NOON + self.loop.time(),
        )

    def ask(self, question: messages.Question, address: Address = STRANGER) -> messages.Answer | None:
        """What the node answers at once."""
        message_id = self.rng.randbytes(20)
        self.protocol.datagram_received(messages.pack_question(message_id, question), address)
        for data, to in self.sent:
            if to == address and data[:21] == b"\1" + message_id:
                return messages.parse_answer(data[21:])
        return None

    def questions_to(self, address: Address) -> list[tuple[bytes, messages.Question]]:
        """What it asked there: (message id, question)."""
        found = [(d[1:21], messages.parse_question(d[21:])) for d, to in self.sent if to == address and d[0] == 0]
        return [(message_id, question) for message_id, question in found if question is not None]

    def answer(self, address: Address, node_id: bytes, *, server: bool = True) -> None:
        """Pongs to every question that it asked there."""
        for message_id, _ in self.questions_to(address):
            pong = messages.pack_answer(message_id, Pong(node_id, server, pack_address(HOME), bytes(8)))
            self.protocol.datagram_received(pong, address)

    def befriend(self, host: str) -> Contact:
        """A node that is in the table."""
        contact = Contact(make_id(host, self.rng.randbytes(20)), host, 47474)
        self.protocol.ping(contact.address, contact.id)
        self.answer(contact.address, contact.id)
        assert self.protocol.table.get(contact.id) == contact
        return contact


def id_of(host: str) -> bytes:
    return make_id(host, bytes(range(100, 120)))


def play(scenario: Callable[[Stage], Coroutine[None, None, None]], *, server: bool = True) -> None:
    async def whole() -> None:
        await scenario(Stage(server=server))

    run(whole())


# -- who enters the table


def test_a_stranger_enters_the_table_only_after_he_has_answered_at_his_address() -> None:
    async def scenario(stage: Stage) -> None:
        theirs = id_of(STRANGER[0])
        assert stage.ask(Ping(theirs, True)) is not None
        assert len(stage.protocol.table) == 0
        stage.answer(STRANGER, theirs)
        assert [contact.id for contact in stage.protocol.table] == [theirs]

    play(scenario)


def test_a_client_never_enters_the_table() -> None:
    async def scenario(stage: Stage) -> None:
        stage.ask(Ping(id_of(STRANGER[0]), False))
        assert stage.questions_to(STRANGER) == []
        stage.protocol.ping(STRANGER)
        stage.answer(STRANGER, id_of(STRANGER[0]), server=False)
        assert len(stage.protocol.table) == 0

    play(scenario)


def test_an_id_that_the_address_does_not_demand_is_not_even_pinged() -> None:
    async def scenario(stage: Stage) -> None:
        stage.ask(Ping(bytes(20), True))
        assert stage.questions_to(STRANGER) == []
        stage.protocol.ping(STRANGER)
        stage.answer(STRANGER, bytes(20))
        assert len(stage.protocol.table) == 0

    play(scenario)


def test_an_answer_from_elsewhere_or_to_another_question_is_nothing() -> None:
    async def scenario(stage: Stage) -> None:
        future = stage.protocol.ping(STRANGER)
        ((message_id, _),) = stage.questions_to(STRANGER)
        pong = Pong(id_of("30.1.1.1"), True, b"", bytes(8))
        stage.protocol.datagram_received(messages.pack_answer(message_id, pong), ("30.1.1.1", 47474))
        stage.protocol.datagram_received(messages.pack_answer(bytes(20), pong), STRANGER)
        assert not future.done()
        assert len(stage.protocol.table) == 0

    play(scenario)


def test_of_one_network_few_enter_the_table() -> None:
    async def scenario(stage: Stage) -> None:
        for number in range(1, 12):
            host = f"20.1.1.{number}"
            theirs = make_id(host, stage.rng.randbytes(20))
            stage.ask(Ping(theirs, True), (host, 47474))
            stage.answer((host, 47474), theirs)
        assert len(stage.protocol.table) == MAX_OF_NETWORK

    play(scenario)


def test_who_stops_answering_leaves_the_table() -> None:
    async def scenario(stage: Stage) -> None:
        friend = stage.befriend("20.1.1.1")
        for _ in range(2):
            assert await stage.protocol.ping(friend.address, friend.id) is None
        assert len(stage.protocol.table) == 0

    play(scenario)


def test_private_contacts_are_told_to_nobody_outside() -> None:
    async def scenario(stage: Stage) -> None:
        inside, outside = stage.befriend("192.168.1.5"), stage.befriend("30.1.1.1")
        question = messages.find_question(id_of(STRANGER[0]), False, bytes(20))
        told = stage.ask(question)
        assert isinstance(told, Found)
        assert [data[:20] for data in told.contacts] == [outside.id]
        told = stage.ask(question, ("192.168.1.6", 47474))
        assert isinstance(told, Found)
        assert {data[:20] for data in told.contacts} == {inside.id, outside.id}

    play(scenario)


# -- proportions and limits


@pytest.mark.parametrize("padding", [0, 5, 40, 200])
def test_no_answer_is_larger_than_three_times_its_question_with_the_ping_that_it_brings(padding: int) -> None:
    async def scenario(stage: Stage) -> None:
        for number in range(40):
            stage.befriend(f"{30 + number}.1.1.1")
        for number in range(12):
            raw = KEYS.issue(DeviceId(bytes([number]) * 32), [], int(NOON))
            stage.store.put(KEYS.public_key, messages_record(raw), b"x", NOON)
        questions: list[messages.Question] = [
            Ping(id_of("21.1.1.1"), True),
            Find(id_of("22.1.1.1"), True, bytes(20), bytes(padding)),
            messages.Get(id_of("23.1.1.1"), True, KEYS.topic, b"", bytes(padding)),
            messages.Get(id_of("24.1.1.1"), True, KEYS.topic, bytes(8), bytes(padding)),
            messages.get_question(id_of("25.1.1.1"), True, KEYS.topic, b""),
            messages.find_question(id_of("26.1.1.1"), True, KEYS.topic),
        ]
        for index, question in enumerate(questions):
            address = (f"{21 + index}.1.1.1", 47474)
            asked = messages.pack_question(bytes([index]) * 20, question)
            stage.protocol.datagram_received(asked, address)
            sent = [data for data, to in stage.sent if to == address]
            assert 1 <= len(sent) <= 2
            assert sum(map(len, sent)) <= 3 * len(asked)
            assert all(len(data) <= messages.MAX_DATAGRAM for data in sent)

    play(scenario)


def messages_record(raw: bytes) -> Record:
    return check(KEYS.public_key, raw, NOON)


def test_questions_of_one_network_are_answered_up_to_a_limit() -> None:
    async def scenario(stage: Stage) -> None:
        for _ in range(1_000):
            stage.ask(Ping(id_of(STRANGER[0]), False))
        assert 100 < len(stage.sent) <= 200
        assert stage.ask(Ping(id_of("30.1.1.1"), False), ("30.1.1.1", 47474)) is not None

    play(scenario)


def test_questions_of_ours_are_bounded_and_time_out() -> None:
    async def scenario(stage: Stage) -> None:
        futures = [stage.protocol.ping((f"20.1.{n // 250}.{n % 250 + 1}", 1)) for n in range(MAX_OUTSTANDING + 5)]
        assert len(stage.sent) == MAX_OUTSTANDING
        await asyncio.sleep(TIMEOUT + 0.1)
        assert [future.result() for future in futures] == [None] * len(futures)
        assert not stage.protocol._pending
        for number in range(MAX_SPOKEN + 10):
            stage.protocol.ping((f"21.{number >> 8}.{number & 255}.1", 1))
            if number % MAX_OUTSTANDING == MAX_OUTSTANDING - 1:
                await asyncio.sleep(TIMEOUT + 0.1)
        assert len(stage.protocol._spoken) <= MAX_SPOKEN

    play(scenario)


def test_strangers_make_us_ping_only_so_many() -> None:
    async def scenario(stage: Stage) -> None:
        for number in range(2_000):
            host = f"{20 + number % 100}.{number // 100}.1.1"
            stage.ask(Ping(id_of(host), True), (host, 47474))
        assert sum(data[0] == 0 for data, _ in stage.sent) <= 32
        await asyncio.sleep(TIMEOUT + 0.1)
        assert not stage.protocol._verifying

    play(scenario)


# -- records


def test_a_record_is_kept_for_who_brings_a_token_from_where_he_is() -> None:
    async def scenario(stage: Stage) -> None:
        mine = id_of(STRANGER[0])
        got = stage.ask(messages.get_question(mine, False, KEYS.topic, b""))
        assert isinstance(got, Got)
        put = Put(mine, False, got.token, KEYS.public_key, RECORD)
        elsewhere = stage.ask(put, ("30.1.1.1", 47474))
        assert isinstance(elsewhere, Done)
        assert elsewhere.outcome == Outcome.BAD_TOKEN
        assert stage.ask(put) == Done(stage.protocol.id, True, pack_address(STRANGER), Outcome.STORED)
        got = stage.ask(messages.get_question(mine, False, KEYS.topic, b""))
        assert isinstance(got, Got)
        assert got.records == (RECORD,)
        assert got.public_key == KEYS.public_key

    play(scenario)


def test_a_token_ends() -> None:
    async def scenario(stage: Stage) -> None:
        mine = id_of(STRANGER[0])
        pong = stage.ask(Ping(mine, False))
        assert isinstance(pong, Pong)
        await asyncio.sleep(2 * TOKEN_SECONDS)
        done = stage.ask(Put(mine, False, pong.token, KEYS.public_key, RECORD))
        assert isinstance(done, Done)
        assert done.outcome == Outcome.BAD_TOKEN

    play(scenario)


def test_a_forged_record_is_refused() -> None:
    async def scenario(stage: Stage) -> None:
        mine = id_of(STRANGER[0])
        pong = stage.ask(Ping(mine, False))
        assert isinstance(pong, Pong)
        done = stage.ask(Put(mine, False, pong.token, KEYS.public_key, RECORD[:-1] + b"\0"))
        assert isinstance(done, Done)
        assert done.outcome == Outcome.BAD_RECORD
        assert len(stage.store) == 0

    play(scenario)


def test_records_come_in_pages_that_fit_a_datagram() -> None:
    async def scenario(stage: Stage) -> None:
        for number in range(10):
            raw = KEYS.issue(DeviceId(bytes([number]) * 32), [], int(NOON))
            stage.store.put(KEYS.public_key, messages_record(raw), b"x", NOON)
        seen: set[bytes] = set()
        after, more = b"", True
        while more:
            got = stage.ask(messages.get_question(id_of(STRANGER[0]), False, KEYS.topic, after))
            assert isinstance(got, Got)
            seen |= set(got.records)
            after, more = got.records[-1][5:13], got.more
        assert len(seen) == 10

    play(scenario)


# -- becoming a server


def test_a_node_asks_for_proof_that_it_is_reached_and_is_a_server_when_it_stays() -> None:
    async def scenario(stage: Stage) -> None:
        stage.befriend("30.1.1.1")
        assert not stage.protocol.is_server
        stage.ask(Ping(id_of(STRANGER[0]), True))  # whom we never spoke to
        await asyncio.sleep(STABLE + 1)
        assert stage.protocol.is_server

    play(scenario, server=False)


def test_who_was_spoken_to_proves_nothing() -> None:
    async def scenario(stage: Stage) -> None:
        stage.befriend("30.1.1.1")
        stage.protocol.ping(STRANGER)
        stage.ask(Ping(id_of(STRANGER[0]), True))
        await asyncio.sleep(STABLE + 1)
        assert not stage.protocol.is_server

    play(scenario, server=False)


def test_another_node_is_asked_to_reach_who_asks_for_it_and_pings_him() -> None:
    async def scenario(stage: Stage) -> None:
        friend = stage.befriend("30.1.1.1")
        mine = id_of(STRANGER[0])
        pong = stage.ask(Ping(mine, False))
        assert isinstance(pong, Pong)
        done = stage.ask(Check(mine, False, pong.token))
        assert isinstance(done, Done)
        assert done.outcome == messages.ACCEPTED
        assert [q for _, q in stage.questions_to(friend.address)][-1] == Reach(
            stage.protocol.id, True, pack_address(STRANGER)
        )
        # and the other side of it
        reached = stage.ask(Reach(friend.id, True, pack_address(("40.1.1.1", 5))), friend.address)
        assert isinstance(reached, Done)
        assert reached.outcome == messages.ACCEPTED
        assert len(stage.questions_to(("40.1.1.1", 5))) == 1

    play(scenario)


def test_nobody_else_can_have_us_ping_somebody() -> None:
    async def scenario(stage: Stage) -> None:
        stage.befriend("30.1.1.1")
        victim = ("40.1.1.1", 5)
        refused = stage.ask(Reach(id_of(STRANGER[0]), True, pack_address(victim)))
        assert isinstance(refused, Done)
        assert refused.outcome == messages.REFUSED
        assert stage.questions_to(victim) == []
        done = stage.ask(Check(id_of(STRANGER[0]), False, bytes(8)))
        assert isinstance(done, Done)
        assert done.outcome == Outcome.BAD_TOKEN

    play(scenario)


def test_our_id_follows_our_address() -> None:
    async def scenario(stage: Stage) -> None:
        before = stage.protocol.id
        friends = [stage.befriend(f"{host}.1.1.1") for host in (30, 31)]  # both say that we are at 8.8.8.8
        assert stage.protocol.id != before
        assert stage.protocol.id[:4] == make_id(HOME[0], bytes(20))[:4]
        assert set(stage.protocol.table) == set(friends)

    play(scenario, server=False)


# -- what the library would do


def test_a_typo_is_an_error_and_not_a_call_to_a_stranger() -> None:
    async def scenario(stage: Stage) -> None:
        with pytest.raises(AttributeError, match="pnig"):
            stage.protocol.pnig(STRANGER)
        assert not hasattr(stage.protocol, "stun")  # which the library would call at whoever comes as argument
        assert stage.sent == []

    play(scenario)


def test_the_librarys_codec_never_sees_a_byte_from_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("it was called")

    monkeypatch.setattr(umsgpack, "unpackb", never)
    monkeypatch.setattr(umsgpack, "packb", never)

    async def scenario(stage: Stage) -> None:
        stage.befriend("30.1.1.1")
        for name in ("ping", "store", "find_node", "find_value", "stun"):
            body = b"\x92" + bytes([0xA0 + len(name)]) + name.encode() + b"\x91\xc4\x14" + bytes(20)
            stage.protocol.datagram_received(b"\0" + bytes(20) + body, STRANGER)
        await asyncio.sleep(0.1)
        assert stage.questions_to(STRANGER) == []

    play(scenario)


def test_what_is_no_message_is_dropped() -> None:
    async def scenario(stage: Stage) -> None:
        for body in (
            b"",
            b"\x00",
            b"\x91\x7f",
            b"\x81\x01\x02",
            b"\xdd\xff\xff\xff\xff",
        ):
            for kind in (b"\0", b"\1"):
                stage.protocol.datagram_received(kind + bytes(20) + body, STRANGER)
        stage.protocol.datagram_received(b"\0" * 5_000, STRANGER)
        stage.protocol.datagram_received(b"\0", STRANGER)
        assert stage.sent == []

    play(scenario)
