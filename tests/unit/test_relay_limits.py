"""Each bound of a relay is tripped once; and what nobody has to prove anything for stays small, whatever is sent."""

from __future__ import annotations

import dataclasses
import gc
import tracemalloc
from random import Random
from typing import Any

import pytest

from relay.allowance import Allowance
from relay.cookie import BIND, GOOD_FOR, REGISTER, Cookies
from relay.effect import Send
from relay.gate import Gate, parse_devices, parse_tokens
from relay.limits import Limits
from relay.path import Stream
from relay.strangers import Strangers
from swarm.errors import UserError
from swarm.net import relay_effect as effect
from swarm.net.relay_client import State
from swarm.wire.relay_frame import (
    REGISTER as REGISTER_FRAME,
)
from swarm.wire.relay_frame import (
    SEALED,
    data_frame,
    hello_frame,
    reset_frame,
    sealed_outer,
    whoami_frame,
)
from swarm.wire.relay_message import MAX_FOUND, MAX_HANDLES, MAX_LOOKUP, Mode, Refusal
from tests.unit.relay_world import TOPIC, Node, World


def refused(world: World, name: str, **options: Any) -> Refusal:
    """Why a device is not let in."""
    node = world.node(name, **options)
    world.reach(lambda: node.has(effect.Failed))
    return node.last(effect.Failed).refusal


def opened(world: World, one: Node, other: Node) -> Refusal:
    """NONE, or why there is no channel."""
    before = len(one.all(effect.ChannelOpened)), len(one.all(effect.OpenRefused))
    one.do(one.client.open(other.handle, world.now))
    world.reach(lambda: (len(one.all(effect.ChannelOpened)), len(one.all(effect.OpenRefused))) != before)
    return Refusal.NONE if len(one.all(effect.ChannelOpened)) != before[0] else one.last(effect.OpenRefused).refusal


# -- who may be there


def test_there_are_so_many_clients_and_no_more() -> None:
    world = World(clients=2)
    anna, _ = world.registered("anna", "bob")
    assert refused(world, "carl") is Refusal.FULL
    anna.do(anna.client.start(world.now))  # who is there may register anew
    world.reach(lambda: len(anna.all(effect.Registered)) == 2)


def test_there_are_so_many_clients_of_one_address_and_no_more() -> None:
    world = World(clients_per_address=2)
    world.registered("anna", path=("192.0.2.9", 1))
    world.registered("bob", path=("192.0.2.9", 2))
    assert refused(world, "carl", path=("192.0.2.9", 3)) is Refusal.ADDRESS_FULL
    world.registered("dora", path=("192.0.2.10", 3))
    world.registered("emil", path=("2001:db8::1", 1, 0, 0))
    world.registered("fred", path=("2001:db8::2", 1, 0, 0))
    assert refused(world, "gina", path=("2001:db8::3", 1, 0, 0)) is Refusal.ADDRESS_FULL  # a /64 counts as one


def test_there_are_so_many_guests_and_no_more() -> None:
    world = World(guests=1)
    world.registered("anna", mode=Mode.GUEST)
    assert refused(world, "bob", mode=Mode.GUEST) is Refusal.FULL
    world.registered("carl")


def test_a_silent_client_is_forgotten_and_one_that_is_told_to_speak_more_often_does() -> None:
    world = World(idle_seconds=5.0, alive_seconds=2)
    (anna,) = world.registered("anna")
    world.run(60)
    assert not anna.has(effect.Lost)
    slow = World(idle_seconds=5.0, alive_seconds=60)
    (bob,) = slow.registered("bob")
    slow.reach(lambda: bob.has(effect.Lost), 7)


# -- channels and topics


def test_there_are_so_many_channels_in_all() -> None:
    world = World(channels=1)
    anna, bob, carl = world.registered("anna", "bob", "carl")
    assert opened(world, anna, bob) is Refusal.NONE
    assert opened(world, anna, carl) is Refusal.FULL


@pytest.mark.parametrize("mode", [Mode.RESERVE, Mode.GUEST])
def test_there_are_so_many_channels_of_one_client(mode: Mode) -> None:
    world = World(channels_per_client=2, channels_per_guest=1)
    anna, bob, carl = world.registered("anna", "bob", "carl")
    (dora,) = world.registered("dora", mode=mode)
    assert opened(world, dora, anna) is Refusal.NONE
    assert opened(world, dora, bob) is (Refusal.NONE if mode is Mode.RESERVE else Refusal.FULL)
    assert opened(world, dora, carl) is Refusal.FULL
    assert opened(world, anna, carl) is Refusal.NONE
    assert opened(world, bob, anna) is Refusal.FULL  # the other end has as many as it may


def test_guests_take_so_many_channels_of_a_device_and_leave_the_others() -> None:
    world = World(guest_channels_per_client=1)
    anna, bob = world.registered("anna", "bob")
    one, other = world.registered("one", "other", mode=Mode.GUEST)
    assert opened(world, one, anna) is Refusal.NONE
    assert opened(world, other, anna) is Refusal.FULL
    assert opened(world, bob, anna) is Refusal.NONE
    assert opened(world, other, bob) is Refusal.NONE


def test_a_channel_on_which_nothing_is_said_is_closed() -> None:
    world = World(channel_idle_seconds=10.0)
    anna, bob, channel = world.joined()
    for _ in range(20):
        world.run(1)
        anna.do(anna.client.send(channel, [b"x"], world.now))
    assert not anna.has(effect.ChannelClosed)
    world.run(15)
    assert anna.last(effect.ChannelClosed).refusal is Refusal.IDLE
    assert bob.last(effect.ChannelClosed).refusal is Refusal.IDLE


def test_a_client_is_asked_for_a_while_to_accept_a_channel() -> None:
    world = World(incoming_seconds=4.0, incoming_pause=0.25)
    anna, bob = world.registered("anna", "bob")
    del world.nodes["bob1"]
    sent = len(world.sent_by_relay)
    began = world.now
    assert opened(world, anna, bob) is Refusal.SILENT
    assert world.now - began < 4.5
    assert len([path for path, _ in world.sent_by_relay[sent:] if path == bob.path]) in range(4, 8)


def test_topics_are_counted_in_all() -> None:
    world = World(topics=3)
    topics = tuple(bytes([number]) * 16 for number in range(4))
    anna = world.registered("anna", topics=topics[:2])[0]
    bob = world.registered("bob", topics=topics[2:])[0]  # too many: it is in, and found under none
    assert world.hub.clients.topics == 2
    anna.do(anna.client.set_topics([], world.now))
    world.run(1)
    bob.do(bob.client.set_topics(topics[:3], world.now))
    world.reach(lambda: world.hub.clients.topics == 3)


def test_an_answer_names_so_many_and_in_the_end_everybody() -> None:
    world = World(clients_per_address=100)
    names = [f"n{number}" for number in range(40)]
    topics = tuple(bytes([number]) * 16 for number in range(MAX_LOOKUP))
    nodes = world.registered(*names, topics=topics)
    asker = nodes[0]
    seen: set[bytes] = set()
    for _ in range(6):
        count = len(asker.all(effect.Found))
        asker.do(asker.client.lookup(topics, world.now))
        world.reach(lambda c=count: len(asker.all(effect.Found)) > c)  # type: ignore[misc]
        found = asker.last(effect.Found).handles
        assert all(len(handles) <= MAX_HANDLES for _, handles in found)
        assert sum(len(handles) for _, handles in found) <= MAX_FOUND
        seen.update(handle for _, handles in found for handle in handles)
    assert seen == {node.handle for node in nodes[1:]}


# -- how much


def test_an_allowance_fills_up_with_time_and_no_further() -> None:
    allowance = Allowance(10, 20, 0.0)
    assert [allowance.take(10, 0.0) for _ in range(3)] == [True, True, False]
    assert not allowance.take(10, 0.9)
    assert allowance.take(10, 1.0)
    assert [allowance.take(10, 100.0) for _ in range(3)] == [True, True, False]
    assert not allowance.take(1, 50.0)  # a clock that goes back gives nothing


@pytest.mark.parametrize("limit", ["client_rate", "guest_rate", "total_rate"])
def test_what_is_over_the_rate_is_dropped_and_the_rest_is_not(limit: str) -> None:
    rates: dict[str, Any] = {limit: 100_000, "burst_seconds": 1.0}
    world = World(**rates)
    (anna,) = world.registered("anna")
    (bob,) = world.registered("bob", mode=Mode.GUEST)
    assert opened(world, bob, anna) is Refusal.NONE
    channel = bob.last(effect.ChannelOpened).channel
    speaker, hearer = (bob, anna) if limit == "guest_rate" else (anna, bob)
    for _ in range(50):  # twice the rate, in packets of 1,000 bytes, for five seconds
        speaker.do(speaker.client.send(channel, [b"x" * 995] * 20, world.now))
        world.run(0.1)
    heard = len(hearer.all(effect.Received))
    assert 590 <= heard <= 610  # a burst, and five seconds' worth
    assert world.hub.switch.over_rate == 1000 - heard
    if limit == "guest_rate":
        anna.do(anna.client.send(channel, [b"x" * 995] * 1000, world.now))
        world.run(1)
        assert len(bob.all(effect.Received)) == 1000  # who has a reservation may say more


def test_so_many_questions_a_second_and_a_burst() -> None:
    world = World(questions_per_second=1.0, questions_at_once=3)
    anna, bob = world.registered("anna", "bob")
    assert [opened(world, anna, bob) for _ in range(4)] == [Refusal.NONE] * 3 + [Refusal.BUSY]
    anna.do(anna.client.lookup([TOPIC], world.now))
    world.reach(lambda: anna.has(effect.LookupRefused))
    world.run(2)
    assert opened(world, anna, bob) is Refusal.NONE


def test_so_many_words_under_seal_and_then_none_is_looked_at() -> None:
    world = World(talk_per_second=1.0, talk_at_once=5)
    (anna,) = world.registered("anna")
    frames: list[bytes] = []
    world.to_relay = lambda node, frame: frames.append(frame)  # type: ignore[method-assign]
    for _ in range(20):
        anna.do(anna.client.check(world.now))
        world.now += 1.1
        anna.client._hint_at = float("-inf")
    arrived = world.now
    world.now = arrived
    answers = [bool(world.hub.received(frame, anna.path, arrived)) for frame in frames]
    assert sum(answers) == 5
    assert world.hub.counts.too_many == len(frames) - 5


def test_so_many_packets_that_prove_nothing_from_one_address_and_from_all() -> None:
    world = World(unproved_per_second=1.0, unproved_at_once=3, unproved_total=8)
    hello = hello_frame(bytes(32))
    answers = [bool(world.hub.received(hello, ("192.0.2.1", port), world.now)) for port in range(1, 11)]
    assert sum(answers) == 3
    others = [bool(world.hub.received(hello, (f"192.0.2.{host}", 1), world.now)) for host in range(2, 20)]
    assert sum(others) == 5
    assert bool(world.hub.received(hello, ("192.0.2.1", 1), world.now + 3))


def test_the_count_of_strangers_is_bounded() -> None:
    strangers = Strangers(dataclasses.replace(Limits(), addresses=10), 0.0)
    for number in range(100):
        assert strangers.admit(f"192.0.2.{number}", 0.0)
    assert len(strangers) == 10


# -- cookies


def test_a_cookie_is_good_for_its_purpose_address_and_subject_for_a_minute() -> None:
    cookies = Cookies(bytes(32), 50.0)
    place, subject = ("192.0.2.1", 5), b"s" * 32
    cookie = cookies.make(REGISTER, place, subject, 100.0)
    assert cookies.is_good(cookie, REGISTER, place, subject, 100.0)
    assert cookies.is_good(cookie, REGISTER, ("::ffff:192.0.2.1", 5), subject, 100.0 + GOOD_FOR)
    assert not cookies.is_good(cookie, REGISTER, place, subject, 100.1 + GOOD_FOR)
    assert not cookies.is_good(cookie, REGISTER, place, subject, 99.0)
    assert not cookies.is_good(cookie, BIND, place, subject, 100.0)
    assert not cookies.is_good(cookie, REGISTER, ("192.0.2.1", 6), subject, 100.0)
    assert not cookies.is_good(cookie, REGISTER, ("192.0.2.2", 5), subject, 100.0)
    assert not cookies.is_good(cookie, REGISTER, place, b"t" * 32, 100.0)
    assert not cookies.is_good(cookie[:-1], REGISTER, place, subject, 100.0)
    assert not Cookies(b"x" * 32, 50.0).is_good(cookie, REGISTER, place, subject, 100.0)


# -- lists


def test_lists_are_read_with_remarks_and_wrong_lines_are_named() -> None:
    gate = Gate(parse_tokens("# ours\n\n one \ntwo-2_x\n"), parse_devices(f"{'ab' * 32}  the desk\n"))
    assert gate.refusal(bytes(32), b"one") is gate.refusal(b"\xab" * 32, b"") is Refusal.NONE
    assert gate.refusal(bytes(32), b"three") is gate.refusal(bytes(32), b"") is Refusal.TOKEN
    assert "one" not in repr(gate)
    for text in ("", "# nothing\n"):
        with pytest.raises(UserError):
            parse_tokens(text)
        with pytest.raises(UserError):
            parse_devices(text)
    with pytest.raises(UserError, match="line 2"):
        parse_tokens("fine\nnot fine\n")
    with pytest.raises(UserError, match="line 1"):
        parse_tokens("x" * 65)
    with pytest.raises(UserError, match="line 3"):
        parse_devices(f"#\n{'ab' * 32}\nabc\n")


# -- garbage


def seeds(world: World) -> list[bytes]:
    """Frames that are right, or nearly so, from which garbage is made."""
    recorded: list[bytes] = []
    original = world.to_relay

    def record(node: Node, frame: bytes) -> None:
        recorded.append(frame)
        original(node, frame)

    world.to_relay = record  # type: ignore[method-assign]
    anna, bob, channel = world.joined()
    anna.do(anna.client.lookup([TOPIC], world.now))
    anna.do(anna.client.set_topics([TOPIC], world.now))
    anna.do(anna.client.check(world.now))
    anna.do(anna.client.send(channel, [b"x" * 50], world.now))
    bob.do(bob.client.close(channel))
    world.run(1)
    session = next(frame for frame in recorded if frame[0] == SEALED)[1:9]
    made = [
        whoami_frame(b"question"),
        reset_frame(b"session!"),
        hello_frame(bytes(32)),
        data_frame(channel, b"y" * 100),
        data_frame(5, b"z"),
        sealed_outer(session, 1 << 62) + bytes(60),
        sealed_outer(b"session?", 5) + bytes(41),
    ]
    kinds = {frame[0]: frame for frame in [*made, *recorded]}
    assert REGISTER_FRAME in kinds
    return [*made, *recorded]


def mutated(rng: Random, frame: bytes) -> bytes:
    data = bytearray(frame)
    for _ in range(rng.choice((0, 1, 1, 2, 5))):
        match rng.randrange(5):
            case 0 if data:
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            case 1:
                del data[rng.randrange(len(data) + 1) :]
            case 2:
                data += rng.randbytes(rng.choice((1, 3, 64, 1400)))
            case 3 if data:
                data[0] = rng.randrange(0x28, 0x48)
            case _ if data:
                at = rng.randrange(len(data))
                data[at : at + 8] = rng.randbytes(8)
    return bytes(data) or b"\x30"


@pytest.mark.parametrize("seed", range(4))
def test_mutated_packets_raise_nothing_keep_nothing_and_get_little(seed: int) -> None:
    """25,000 each. Unproved senders never get more than three times what they sent, and no more than they sent but for
    a Rebind, which a fresh packet of a client brings about."""
    world = World(seed=seed, unproved_per_second=1e9, unproved_at_once=10**9, unproved_total=10**9, talk_at_once=10**9)
    material = seeds(world)
    rng = Random(seed)
    places = [("203.0.113.1", 9), ("2001:db8::1", 9, 0, 0), Stream("203.0.113.2", 9, 1), world.nodes["anna0"].path]
    clients = len(world.hub.clients)
    sizes = []
    tracemalloc.start()
    for number in range(25_000):
        data, path = mutated(rng, rng.choice(material)), rng.choice(places)
        for one in world.hub.received(data, path, world.now):
            if isinstance(one, Send) and one.path == path:
                assert len(one.frame) <= 3 * len(data)
                assert len(one.frame) <= len(data) or one.frame[0] == SEALED
        if number % 100 == 0:
            world.now += 0.1
            world.hub.tick(world.now)
        if number in (5_000, 24_999):
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert len(world.hub.clients) <= clients
    assert sizes[1] - sizes[0] < 100_000  # five bytes a packet; freelists fill up
    assert world.hub.counts.malformed > 1000


@pytest.mark.parametrize("seed", range(3))
def test_garbage_from_a_relay_does_not_upset_a_client(seed: int) -> None:
    world = World(seed=seed)
    anna, bob, channel = world.joined()
    material = [frame for path, frame in world.sent_by_relay if path == anna.path]
    material += [data_frame(channel, b"x"), whoami_frame(b"question")]
    rng = Random(seed)
    for _ in range(10_000):
        anna.do(anna.client.frame_received(mutated(rng, rng.choice(material)), world.now))
    world.run(5)
    # a RESET that names the session can be forged in the path, and is believed now and then; nothing else is
    assert [lost.refusal for lost in anna.all(effect.Lost)] in ([], [Refusal.FORGOTTEN])
    assert anna.client.state is State.REGISTERED
    if not anna.has(effect.Lost):
        anna.do(anna.client.send(channel, [b"still here"], world.now))
        world.reach(lambda: effect.Received(channel, b"still here") in bob.told)


def test_every_limit_has_a_test() -> None:
    """By name: a bound that nobody trips is a guess."""
    from pathlib import Path

    text = Path(__file__).read_text() + (Path(__file__).parent.parent / "live/test_relay_streams.py").read_text()
    for field in dataclasses.fields(Limits):
        assert f"{field.name}=" in text or f'"{field.name}"' in text, field.name
