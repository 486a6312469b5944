"""The relay's hub and its clients, joined in memory: what they do together, over good networks and bad ones."""

from __future__ import annotations

import pytest

from relay.effect import Send
from relay.gate import Gate, parse_devices, parse_tokens
from relay.path import Stream
from swarm.keys.device import DeviceKey
from swarm.keys.signature import key_pair
from swarm.net import relay_effect as effect
from swarm.net.relay_client import State
from swarm.net.relay_questions import MAX_QUESTIONS
from swarm.wire import relay_message as says_up
from swarm.wire.relay_frame import AddressIs, data_frame, gone_frame, parse, reset_frame, whoami_frame
from swarm.wire.relay_message import Mode, Refusal
from tests.unit.relay_world import TOPIC, Node, World

BAD_NETWORKS = [
    pytest.param({"seed": seed, "loss": 0.25, "doubles": 0.25, "slowest": 0.3}, id=f"seed {seed}") for seed in range(12)
]


def says(world: World, node: Node, channel: int, payload: bytes) -> None:
    node.do(node.client.send(channel, [payload], world.now))


def talk(world: World, one: Node, other: Node, channel: int) -> None:
    """Each says something that the other hears, over a good network."""
    for speaker, hearer in ((one, other), (other, one)):
        payload = f"from {speaker.name} {world.now}".encode()
        says(world, speaker, channel, payload)
        world.reach(lambda h=hearer, p=payload: effect.Received(channel, p) in h.told)  # type: ignore[misc]


# -- registration


def test_a_device_registers_and_learns_its_public_address() -> None:
    world = World()
    (anna,) = world.registered("anna")
    assert anna.last(effect.Registered) == effect.Registered(("192.0.2.1", 40_000), True, Refusal.NONE, 0)
    assert anna.client.state is State.REGISTERED
    assert len(world.hub.clients) == 1


def test_a_registration_lasts_while_its_device_is_there_and_not_much_longer() -> None:
    world = World()
    (anna,) = world.registered("anna")
    world.run(600)
    assert len(world.hub.clients) == 1
    assert not anna.has(effect.Lost)
    anna.wake_at = None  # it was switched off
    del world.nodes["anna0"]
    world.reach(lambda: len(world.hub.clients) == 0, world.limits.idle_seconds + 2)
    assert world.hub.counts.expired == 1


def test_a_repeated_register_is_answered_alike_and_makes_no_second_session() -> None:
    world = World(doubles=1.0)
    (anna,) = world.registered("anna")
    world.run(2)
    assert len(anna.all(effect.Registered)) == 1
    assert sum(world.hub.counts.registrations.values()) == 1


def test_the_newest_registration_of_a_device_replaces_the_one_before() -> None:
    world = World()
    first, peer = world.registered("anna", "bob")
    first.do(first.client.open(peer.handle, world.now))
    world.reach(lambda: first.has(effect.ChannelOpened))
    (second,) = world.registered("anna", path=("198.51.100.9", 1))
    world.run(5)
    assert len(world.hub.clients) == 2
    assert first.last(effect.Lost).refusal is Refusal.REPLACED
    assert first.last(effect.Failed).refusal is Refusal.REPLACED
    assert peer.has(effect.ChannelClosed)
    assert second.client.state is State.REGISTERED


def test_an_old_register_shown_again_does_not_replace_a_newer_one() -> None:
    world = World()
    recorded: list[bytes] = []
    original = world.to_relay
    world.to_relay = lambda node, frame: (recorded.append(frame), original(node, frame))[1]  # type: ignore[method-assign, func-returns-value]
    (anna,) = world.registered("anna")
    old = next(frame for frame in recorded if frame[0] == 0x33)
    world.run(1)
    anna.do(anna.client.start(world.now))
    world.reach(lambda: len(anna.all(effect.Registered)) == 2)
    session = anna.client._conversation
    world.arrive(old, anna.path)  # from the right address, by somebody who forges it
    world.run(2)
    assert world.hub.counts.registrations["stale"] == 1
    assert anna.client._conversation is session
    assert world.hub.clients.of_path(anna.path) is not None


def test_a_relay_of_another_key_is_noticed_and_asked_again_later() -> None:
    world = World()
    anna = world.node("anna", key=DeviceKey.create(bytes(32)).id)
    world.reach(lambda: anna.has(effect.Failed))
    assert anna.last(effect.Failed).refusal is Refusal.WRONG_KEY
    assert anna.last(effect.Failed).retry_at > world.now
    assert len(world.hub.clients) == 0


def test_a_key_that_is_no_key_is_a_wrong_one() -> None:
    world = World()
    anna = world.node("anna", key=bytes(32))
    assert anna.last(effect.Failed).refusal is Refusal.WRONG_KEY


def test_a_silent_relay_is_asked_again_with_growing_rests() -> None:
    world = World()
    world.up = False
    anna = world.node("anna")
    world.run(400)
    failures = anna.all(effect.Failed)
    assert {failure.refusal for failure in failures} == {Refusal.NO_ANSWER}
    assert 6 <= len(failures) <= 16
    world.up = True
    world.reach(lambda: anna.has(effect.Registered), 70)


def test_who_has_left_is_gone_and_stays_away() -> None:
    world = World()
    anna, bob, _ = world.joined()
    anna.do(anna.client.leave())
    world.reach(lambda: bob.has(effect.ChannelClosed))
    assert len(world.hub.clients) == 1
    anna.do(anna.client.start(world.now))
    anna.do(anna.client.open(bob.handle, world.now))
    world.run(60)
    assert len(world.hub.clients) == 1


# -- reservations


def test_without_the_token_a_device_is_a_guest_and_is_told_why() -> None:
    gate = Gate(tokens=parse_tokens("right"))
    world = World(gate=gate)
    (anna,) = world.registered("anna", token="right")
    (bob,) = world.registered("bob", token="wrong")
    assert anna.last(effect.Registered).reserved
    assert bob.last(effect.Registered).refusal is Refusal.TOKEN
    assert not bob.last(effect.Registered).reserved
    bob.do(bob.client.open(anna.handle, world.now))
    world.reach(lambda: bob.has(effect.ChannelOpened))
    talk(world, anna, bob, bob.last(effect.ChannelOpened).channel)


def test_a_guest_is_neither_found_nor_reached() -> None:
    world = World()
    (guest,) = world.registered("guest", mode=Mode.GUEST, topics=(TOPIC,))
    (anna,) = world.registered("anna", topics=(TOPIC,))
    anna.do(anna.client.lookup([TOPIC], world.now))
    anna.do(anna.client.open(guest.handle, world.now))
    world.reach(lambda: anna.has(effect.Found) and anna.has(effect.OpenRefused))
    assert anna.last(effect.Found).handles == ((TOPIC, ()),)
    assert anna.last(effect.OpenRefused).refusal is Refusal.ABSENT


def test_a_device_on_the_list_needs_no_token_and_another_one_does() -> None:
    anna_id = DeviceKey.create(b"anna".ljust(32, b".")).id
    world = World(gate=Gate(devices=parse_devices(f"# ours\n{anna_id.hex()} anna's desk\n")))
    anna, bob = world.registered("anna", "bob")
    assert anna.last(effect.Registered).reserved
    assert bob.last(effect.Registered).refusal is Refusal.NOT_ALLOWED


# -- finding and opening


def test_who_holds_the_folder_finds_the_others_and_opens_a_channel() -> None:
    world = World()
    (anna,) = world.registered("anna", topics=(TOPIC,))
    (joiner,) = world.registered("joiner", mode=Mode.GUEST)
    joiner.do(joiner.client.lookup([TOPIC, b"U" * 16], world.now))
    world.reach(lambda: joiner.has(effect.Found))
    assert joiner.last(effect.Found).handles == ((TOPIC, (anna.handle,)), (b"U" * 16, ()))
    joiner.do(joiner.client.open(anna.handle, world.now))
    world.reach(lambda: joiner.has(effect.ChannelOpened) and anna.has(effect.ChannelIncoming))
    opened, incoming = joiner.last(effect.ChannelOpened), anna.last(effect.ChannelIncoming)
    assert opened.channel == incoming.channel
    assert (opened.handle, incoming.handle) == (anna.handle, joiner.handle)
    talk(world, anna, joiner, opened.channel)


def test_questions_asked_before_the_registration_are_answered_after_it() -> None:
    world = World()
    (anna,) = world.registered("anna", topics=(TOPIC,))
    bob = world.node("bob", start=False)
    bob.do(bob.client.lookup([TOPIC], world.now))
    bob.do(bob.client.open(anna.handle, world.now))
    bob.do(bob.client.start(world.now))
    world.reach(lambda: bob.has(effect.Found) and bob.has(effect.ChannelOpened))


def test_topics_can_be_changed_also_while_registering() -> None:
    world = World()
    anna = world.node("anna", topics=(TOPIC,))
    world.reach(lambda: anna.client.state is State.ENROLLING and len(world.hub.clients) == 1)  # WELCOME is under way
    anna.do(anna.client.set_topics([b"U" * 16], world.now))
    (bob,) = world.registered("bob")
    world.run(1)
    bob.do(bob.client.lookup([TOPIC, b"U" * 16], world.now))
    world.reach(lambda: bob.has(effect.Found))
    assert bob.last(effect.Found).handles == ((TOPIC, ()), (b"U" * 16, (anna.handle,)))
    anna.do(anna.client.set_topics([], world.now))
    world.run(1)
    assert world.hub.clients.topics == 0


def test_both_may_open_at_once_and_get_one_channel() -> None:
    world = World()
    anna, bob = world.registered("anna", "bob")
    anna.do(anna.client.open(bob.handle, world.now))
    bob.do(bob.client.open(anna.handle, world.now))
    world.reach(lambda: anna.has(effect.ChannelOpened) and bob.has(effect.ChannelOpened))
    assert anna.last(effect.ChannelOpened).channel == bob.last(effect.ChannelOpened).channel
    assert len(world.hub.channels) == 1
    talk(world, anna, bob, anna.last(effect.ChannelOpened).channel)


def test_opening_twice_gives_the_same_channel() -> None:
    world = World()
    anna, bob, channel = world.joined()
    anna.do(anna.client.open(bob.handle, world.now))
    world.reach(lambda: len(anna.all(effect.ChannelOpened)) == 2)
    assert anna.last(effect.ChannelOpened).channel == channel


def test_a_device_that_does_not_answer_is_silent_and_nobody_is_absent() -> None:
    world = World()
    anna, bob = world.registered("anna", "bob")
    bob.client.stop()
    del world.nodes["bob1"]
    anna.do(anna.client.open(bob.handle, world.now))
    anna.do(anna.client.open(b"?" * 16, world.now))
    anna.do(anna.client.open(anna.handle, world.now))
    world.reach(lambda: len(anna.all(effect.OpenRefused)) == 3)
    reasons = {refused.handle: refused.refusal for refused in anna.all(effect.OpenRefused)}
    assert reasons == {bob.handle: Refusal.SILENT, b"?" * 16: Refusal.ABSENT, anna.handle: Refusal.ABSENT}
    assert len(world.hub.channels) == 0


def test_a_closed_channel_is_closed_for_the_other_end() -> None:
    world = World()
    anna, bob, channel = world.joined()
    anna.do(anna.client.close(channel))
    world.reach(lambda: bob.has(effect.ChannelClosed))
    assert bob.last(effect.ChannelClosed) == effect.ChannelClosed(channel, anna.handle, Refusal.CLOSED)
    assert len(world.hub.channels) == len(world.hub.switch) == 0
    assert anna.client.send(channel, [b"x"], world.now) == []


def test_more_questions_than_may_wait_are_refused_at_once() -> None:
    world = World()
    world.up = False
    anna = world.node("anna")
    for number in range(MAX_QUESTIONS + 1):
        anna.do(anna.client.open(bytes([number]) * 16, world.now))
    anna.do(anna.client.lookup([TOPIC], world.now))
    assert anna.all(effect.OpenRefused) == [effect.OpenRefused(bytes([MAX_QUESTIONS]) * 16, Refusal.BUSY)]
    assert anna.last(effect.LookupRefused).refusal is Refusal.BUSY
    world.run(6)
    assert len(anna.all(effect.OpenRefused)) == MAX_QUESTIONS + 1  # nobody answered


# -- moving


def test_a_device_whose_address_changed_is_followed_with_its_channels() -> None:
    world = World()
    anna, bob, channel = world.joined()
    anna.path = ("198.51.100.1", 7)  # another NAT mapping
    says(world, anna, channel, b"lost, since nobody knows that address")
    world.reach(lambda: anna.has(effect.Observed), 3)
    assert anna.last(effect.Observed).address == ("198.51.100.1", 7)
    talk(world, anna, bob, channel)
    assert not anna.has(effect.Lost)
    assert world.hub.counts.moved == 1


def test_nobody_is_moved_to_an_address_that_does_not_get_packets_there() -> None:
    world = World()
    anna, bob, channel = world.joined()
    victim = ("203.0.113.66", 53)
    sealed: list[bytes] = []
    anna.world.to_relay = lambda node, frame: sealed.append(frame)  # type: ignore[method-assign]
    anna.do(anna.client.check(world.now))
    world.arrive(sealed[0], victim)  # a copy of a fresh packet, with a forged sender
    del anna.world.to_relay
    assert [path for path, _ in world.sent_by_relay].count(victim) == 1
    world.run(1)
    talk(world, bob, anna, channel)
    assert world.hub.counts.moved == 0


def test_what_is_said_on_somebody_elses_channel_goes_nowhere() -> None:
    world = World()
    anna, bob, channel = world.joined()
    (mallory,) = world.registered("mallory")
    before = len(anna.told), len(bob.told)
    world.to_relay(mallory, data_frame(channel, b"boo" * 100))
    world.arrive(data_frame(channel, b"boo"), ("203.0.113.66", 1))
    world.run(1)
    assert (len(anna.told), len(bob.told)) == before
    assert (("203.0.113.66", 1), gone_frame(channel)) in world.sent_by_relay


def test_a_relay_that_was_restarted_is_noticed_as_soon_as_something_is_said() -> None:
    world = World()
    anna, bob, channel = world.joined()
    world.restart_relay()
    began = world.now
    says(world, anna, channel, b"into the void")
    world.reach(lambda: len(anna.all(effect.Registered)) == 2, 2)
    assert anna.last(effect.Lost).refusal is Refusal.FORGOTTEN
    bob.do(bob.client.check(world.now))
    world.reach(lambda: len(bob.all(effect.Registered)) == 2, 2)
    assert world.now - began < 2
    anna.do(anna.client.open(bob.handle, world.now))
    world.reach(lambda: len(anna.all(effect.ChannelOpened)) == 2)
    talk(world, anna, bob, anna.last(effect.ChannelOpened).channel)


def test_a_relay_that_dies_is_noticed_by_those_who_speak_and_those_who_do_not() -> None:
    world = World()
    anna, bob, channel = world.joined()
    world.up = False
    world.run(2)  # longer than what counts as quiet
    says(world, anna, channel, b"?")
    world.reach(lambda: anna.has(effect.Lost), 6)
    world.reach(lambda: bob.has(effect.Lost), 21)
    world.up = True
    world.restart_relay()
    world.reach(lambda: len(bob.all(effect.Registered)) == len(anna.all(effect.Registered)) == 2, 70)


def test_forged_resets_do_not_keep_a_device_busy() -> None:
    world = World()
    (anna,) = world.registered("anna")
    for _ in range(50):
        assert anna.client._conversation is not None
        anna.do(anna.client.frame_received(reset_frame(anna.client._conversation.session), world.now))
        world.run(0.1)
    assert len(anna.all(effect.Registered)) <= 3


def test_a_hint_that_a_channel_is_gone_is_a_question_and_no_more() -> None:
    world = World()
    anna, _, channel = world.joined()
    sent = len(world.sent_by_relay)
    for _ in range(50):
        anna.do(anna.client.frame_received(gone_frame(channel), world.now))
    world.run(0.5)
    assert len(world.sent_by_relay) - sent <= 2
    assert channel in anna.client.channels


# -- the end


def test_a_draining_relay_tells_everybody_and_takes_nobody() -> None:
    world = World()
    anna, bob, channel = world.joined()
    world.relay_does(world.hub.drain())
    world.reach(lambda: anna.has(effect.RelayDraining) and bob.has(effect.RelayDraining))
    talk(world, anna, bob, channel)  # what is there goes on
    late = world.node("late")
    world.reach(lambda: late.has(effect.Failed))
    assert late.last(effect.Failed).refusal is Refusal.DRAINING
    world.relay_does(world.hub.end())
    world.reach(lambda: anna.has(effect.Lost))
    assert anna.last(effect.Lost).refusal is Refusal.DRAINING
    assert len(world.hub.clients) == len(world.hub.channels) == len(world.hub.switch) == 0


def test_a_stream_that_ends_takes_its_registration_along() -> None:
    world = World()
    stream = Stream("192.0.2.200", 5, 1)
    (anna,) = world.registered("anna", path=stream)
    (bob,) = world.registered("bob")
    anna.do(anna.client.open(bob.handle, world.now))
    world.reach(lambda: anna.has(effect.ChannelOpened))
    talk(world, anna, bob, anna.last(effect.ChannelOpened).channel)
    world.relay_does(world.hub.stream_closed(stream, world.now))
    anna.do(anna.client.stop())
    world.reach(lambda: bob.has(effect.ChannelClosed))
    assert len(world.hub.clients) == 1
    assert anna.wake_at is None  # nothing to do until the stream is up again


def test_a_device_that_goes_from_tcp_to_udp_has_its_connection_closed() -> None:
    world = World()
    stream = Stream("192.0.2.200", 5, 1)
    (anna,) = world.registered("anna", path=stream)
    anna.path = ("192.0.2.1", 40_000)
    anna.do(anna.client.check(world.now))
    world.reach(lambda: anna.has(effect.Observed))
    assert world.closed == [stream]


# -- bad networks


@pytest.mark.parametrize("network", BAD_NETWORKS)
def test_over_a_bad_network_everybody_finds_opens_talks_and_moves(network: dict[str, float]) -> None:
    world = World(**network)  # type: ignore[arg-type]
    anna = world.node("anna", topics=(TOPIC,))
    bob = world.node("bob")
    world.reach(lambda: anna.has(effect.Registered) and bob.has(effect.Registered))

    def ask_until(kind: type, ask: object) -> None:
        while not bob.has(kind):
            assert callable(ask)
            bob.do(ask())
            world.run(6, lambda: bob.has(kind))
            assert world.now < 1600

    ask_until(effect.Found, lambda: bob.client.lookup([TOPIC], world.now))
    assert bob.last(effect.Found).handles == ((TOPIC, (anna.handle,)),)
    ask_until(effect.ChannelOpened, lambda: bob.client.open(anna.handle, world.now))
    anna.path = ("198.51.100.1", 7)
    channel = bob.last(effect.ChannelOpened).channel
    for number in range(300):
        says(world, anna, channel, b"a%d" % number)
        says(world, bob, channel, b"b%d" % number)
        world.run(0.1)
    if anna.has(effect.Lost) or bob.has(effect.Lost):
        return  # five seconds without luck; what follows is another test's
    assert len([told for told in bob.all(effect.Received) if told.payload.startswith(b"a")]) > 50
    assert len([told for told in anna.all(effect.Received) if told.payload.startswith(b"b")]) > 50


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_the_tables_agree_and_empty_in_the_end(seed: int) -> None:
    world = World(seed=seed, loss=0.1, doubles=0.1, slowest=0.2)
    nodes = [world.node(name, topics=(TOPIC,)) for name in "abcde"]
    for _ in range(150):
        one, other = world.rng.sample(nodes, 2)
        match world.rng.randrange(8):
            case 0 | 1 | 2:
                one.do(one.client.open(other.handle, world.now))
            case 3 if one.client.channels:
                one.do(one.client.close(world.rng.choice(list(one.client.channels))))
            case 4:
                one.path = (f"198.51.100.{world.rng.randrange(1, 250)}", world.rng.randrange(1, 65536))
                one.do(one.client.check(world.now))
            case 5:
                one.do(one.client.lookup([TOPIC], world.now))
            case 6 if world.rng.random() < 0.1:
                world.restart_relay()
            case _:
                for channel in one.client.channels:
                    says(world, one, channel, b"x")
        world.run(world.rng.uniform(0, 1))
        hub = world.hub
        for client in hub.clients:
            assert all(
                client in (hub.channels._by_number[n].opener, hub.channels._by_number[n].target)
                for n in client.channels
            )
        assert sum(len(client.channels) for client in hub.clients) == 2 * len(hub.channels)
        assert len(hub.switch) <= len(hub.channels)
    for node in nodes:
        node.do(node.client.leave())
    world.run(world.limits.idle_seconds + 5)
    hub = world.hub
    assert len(hub.clients) == len(hub.channels) == len(hub.switch) == hub.clients.topics == hub.clients.addresses == 0


def test_whoami_says_where_the_question_came_from() -> None:
    world = World()
    world.hub.alternate_port = 47471
    (answer,) = world.hub.received(whoami_frame(b"question"), ("::ffff:192.0.2.9", 5, 0, 0), world.now)
    assert isinstance(answer, Send)
    assert not answer.from_alternate
    assert parse(answer.frame) == AddressIs(b"question", 47471, ("192.0.2.9", 5))
    asked = whoami_frame(b"question", from_alternate=True)
    (other,) = world.hub.received(asked, ("192.0.2.9", 5), world.now)
    assert isinstance(other, Send)
    assert other.from_alternate
    (over_tcp,) = world.hub.received(asked, Stream("192.0.2.9", 5, 1), world.now)
    assert isinstance(over_tcp, Send)
    assert not over_tcp.from_alternate


# -- impostors


def test_nobody_registers_as_a_device_whose_key_he_has_not() -> None:
    world = World()
    anna, bob, channel = world.joined()
    mallory = world.node("mallory", start=False)
    forged = DeviceKey(DeviceKey.create(b"anna".ljust(32, b".")).id, key_pair(b"m" * 32)[1])
    mallory.client._device = forged
    mallory.do(mallory.client.start(world.now))
    world.run(3)
    assert not mallory.has(effect.Registered)
    assert world.hub.counts.undecipherable > 0
    talk(world, anna, bob, channel)


def test_nobody_accepts_or_closes_a_channel_of_others() -> None:
    world = World()
    anna, bob, mallory = world.registered("anna", "bob", "mallory")
    del world.nodes["bob1"]  # he is slow to answer
    anna.do(anna.client.open(bob.handle, world.now))
    world.reach(lambda: len(world.hub.channels) == 1)
    (number,) = world.hub.channels._by_number
    for message in (says_up.Accept(number), says_up.Close(number)):
        mallory.do(mallory.client._say(message))
        world.run(0.5)
    assert len(world.hub.channels) == 1
    assert len(world.hub.switch) == 0
    assert not anna.has(effect.ChannelOpened)


def test_a_client_that_is_gone_is_not_taken_for_whoever_has_its_address_next() -> None:
    world = World()
    (anna,) = world.registered("anna")
    anna.do(anna.client.leave())
    world.reach(lambda: len(world.hub.clients) == 0)
    assert world.hub.clients.of_path(anna.path) is None
    world.arrive(data_frame(7, b"x" * 100), anna.path)
    assert world.sent_by_relay[-1] == (anna.path, gone_frame(7))
