"""Which hop a link takes: two machines with NATs between them, in virtual time."""

from __future__ import annotations

import math

import pytest

from swarm.net.probe import Prober
from swarm.net.routes import (
    BURNT,
    GRACE,
    HEALING_PAUSE,
    HUNT_AGAIN,
    HUNT_PAUSE,
    HUNT_SECONDS,
    LEAD,
    MAX_HOPS,
    MAX_PINGS,
    SLOWEST_PAUSE,
    Rank,
    Routes,
    Send,
    Use,
)
from swarm.wire.hop import Channel, Places
from tests.unit.nat_world import BINDING, RELAY_STEP, Side, World

PUNCHABLE = [
    ("none", "none", Rank.DIRECT),
    ("none", "restricted", Rank.DIRECT),
    ("none", "symmetric", Rank.DIRECT),
    ("cone", "cone", Rank.PUNCHED),
    ("cone", "restricted", Rank.PUNCHED),
    ("cone", "symmetric", Rank.PUNCHED),
    ("restricted", "restricted", Rank.PUNCHED),
]


def talk(world: World, seconds: float, pause: float = 0.05) -> None:
    """Both sides say something every `pause`."""
    for step in range(round(seconds / pause)):
        world.a.say(f"a{world.now:.2f} {step}")
        world.b.say(f"b{world.now:.2f} {step}")
        world.run(pause)


def ranks(world: World) -> set[Rank]:
    return {side.routes.rank for side in (world.a, world.b)}


def is_failing(world: World) -> bool:
    return world.a.routes.failing


def said(side: Side) -> set[str]:
    return {text for _, text, _ in side.data if not text.startswith("ack")}


@pytest.mark.parametrize(("one", "other", "rank"), PUNCHABLE)
def test_two_devices_leave_the_relay_for_the_best_way_there_is(one: str, other: str, rank: Rank) -> None:
    for pair in ((one, other), (other, one)):
        world = World(*pair)
        world.meet()
        world.run(1.0)
        assert (world.a.routes.rank, world.b.routes.rank) == (rank, rank)
        assert all(len(side.used) == 1 for side in (world.a, world.b)), "and change once"


@pytest.mark.parametrize(
    ("one", "other"),
    [("symmetric", "symmetric"), ("restricted", "symmetric"), ("blocked", "none"), ("blocked", "cone")],
)
def test_what_cannot_be_punched_stays_relayed_and_nothing_is_lost(one: str, other: str) -> None:
    world = World(one, other)
    world.meet()
    talk(world, 5.0)
    world.run(1.0)
    assert isinstance(world.a.routes.active, Channel)
    assert isinstance(world.b.routes.active, Channel)
    assert len(said(world.a)) == len(said(world.b)) == 100


def test_no_packet_is_lost_when_a_link_leaves_the_relay() -> None:
    world = World("restricted", "restricted")
    world.meet()
    talk(world, 2.0)
    world.run(1.0)
    assert world.a.routes.rank is Rank.PUNCHED
    assert len(said(world.a)) == len(said(world.b)) == 40


def test_pinging_calms_down_where_it_leads_nowhere_and_never_ends() -> None:
    world = World("symmetric", "symmetric")
    world.meet()
    world.run(HUNT_SECONDS)
    fast = len(world.a.sent)
    assert fast <= 2 * (HUNT_SECONDS / HUNT_PAUSE + 1)
    world.run(100 * SLOWEST_PAUSE)
    assert 190 <= len(world.a.sent) - fast <= 2 * 110


def test_a_hole_is_found_when_one_side_begins_to_look_much_later() -> None:
    world = World("restricted", "restricted")
    world.a.act(world.a.routes.seek(world.b.places(), world.now))
    world.run(60.0)
    world.b.act(world.b.routes.seek(world.a.places(), world.now))
    world.run(1.0)
    assert world.a.routes.rank is world.b.routes.rank is Rank.PUNCHED


def test_a_link_whose_straight_way_dies_is_relayed_within_two_seconds() -> None:
    world = World("none", "restricted", relayed=False)
    world.b.routes.moved(world.a.nat.inner, 0.0)
    world.a.routes.moved(world.b.nat.out(world.a.nat.inner) or ("", 0), 0.0)
    talk(world, 1.0)
    assert not world.a.used
    world.cut.add("straight")
    died = world.now
    talk(world, 2.0)
    for side in (world.a, world.b):
        assert isinstance(side.routes.active, Channel)
        assert side.used[0][1].failed
        assert side.used[0][0] - died < 1.0


def test_who_only_acknowledges_follows_to_the_relay_too() -> None:
    world = World("none", "none", relayed=False)
    for step in range(40):
        world.a.say(f"before {step}")
        world.run(0.05)
    world.cut.add("straight")
    died = world.now
    for step in range(40):
        world.a.say(f"a{step}")
        world.run(0.05)
    for side in (world.a, world.b):
        assert isinstance(side.routes.active, Channel)
        assert side.used[-1][0] - died < 1.2
    assert world.a.data[-1][1] == "ack a38", "and what it says arrives"


def test_it_goes_back_when_the_straight_way_heals_and_not_a_moment_of_silence_passes() -> None:
    world = World("restricted", "restricted")
    world.meet()
    talk(world, 1.0)
    world.cut.add("straight")
    talk(world, 60.0)
    assert ranks(world) == {Rank.RELAYED}
    before = len(world.a.sent)
    talk(world, 10 * HEALING_PAUSE)
    assert 9 <= len(world.a.sent) - before <= 11 * len(world.a.routes.known)
    world.cut.clear()
    talk(world, HEALING_PAUSE + 1)
    assert ranks(world) == {Rank.PUNCHED}


def test_a_relay_that_restarts_below_a_relayed_link_is_asked_for_a_new_channel() -> None:
    world = World("symmetric", "symmetric")
    world.meet()
    talk(world, 4.0)
    before = world.channel
    world.cut.add("relay")
    talk(world, 3.0)
    assert world.a.opens >= 2, "and again, as long as it is away"
    assert is_failing(world)
    world.cut.clear()
    world.channels.clear()
    world.a.act(world.a.routes.drop(before, world.now))
    world.b.act(world.b.routes.drop(before, world.now))
    talk(world, 3.0)
    assert world.a.routes.active != before
    assert before not in world.a.routes.known, "it is forgotten"
    assert not is_failing(world)
    assert world.a.data[-1][0] > world.now - 0.2


def test_who_only_receives_notices_that_the_relay_has_forgotten_it() -> None:
    world = World("symmetric", "symmetric")
    world.meet()
    for step in range(20):
        world.a.say(f"a{step}")
        world.run(0.05)
    world.cut.add("relay")
    world.run(2.0)
    assert world.b.routes.failing
    assert world.b.opens


def test_after_a_burst_the_relay_is_asked_once() -> None:
    world = World("blocked", "blocked")
    world.a.say("a word")
    world.run(3600.0)
    assert [len(side.sent) for side in (world.a, world.b)] == [2, 2], "a ping, and a pong for the other's"
    assert world.a.routes.look_at() == math.inf


def test_a_link_at_rest_is_not_suspect() -> None:
    world = World("none", "none")
    world.meet()
    talk(world, 1.0)
    world.run(0.1)
    before = len(world.a.sent)
    world.run(3600.0)
    assert len(world.a.sent) == before
    assert world.a.routes.look_at() == math.inf


def test_a_short_gap_costs_a_few_pings_and_changes_nothing() -> None:
    world = World("none", "none")
    world.meet()
    talk(world, 1.0)
    world.cut.add("straight")
    talk(world, 0.45)
    world.cut.clear()
    talk(world, 1.0)
    assert [len(side.used) for side in (world.a, world.b)] == [1, 1]


def test_udp_at_a_relay_is_better_than_tcp_there() -> None:
    world = World("blocked", "blocked")
    slow = Channel(b"r" * 32, 3, "tcp")
    for side in (world.a, world.b):
        side.routes.moved(slow, 0.0)
    other = Channel(b"s" * 32, 9, "udp")
    world.channels.add(other)
    world.a.act(world.a.routes.add(other, world.now))
    world.run(4 * RELAY_STEP)
    assert world.a.routes.rank is world.b.routes.rank is Rank.RELAYED


def lone(hop: Channel | tuple[str, int] = ("192.0.2.1", 1), *, dialled: bool = True) -> Routes:
    serial = iter(range(1 << 30))
    return Routes(
        Prober(BINDING, dialled=dialled), hop, random=lambda n: next(serial).to_bytes(n, "big"), own=lambda: ()
    )


def test_probes_of_others_and_our_own_are_nothing() -> None:
    routes = lone()
    there = ("192.0.2.9", 9)
    assert routes.probe(Prober(bytes(32), dialled=False).ping(bytes(8)), there, 0.0) == []
    assert routes.probe(Prober(BINDING, dialled=True).ping(bytes(8)), there, 0.0) == []
    theirs = Prober(BINDING, dialled=False).ping(bytes(8))
    assert routes.probe(theirs[:-1], there, 0.0) == []
    assert routes.probe(theirs[:-1] + bytes([theirs[-1] ^ 1]), there, 0.0) == []
    assert len(routes.probe(theirs, there, 0.0)) == 2, "a pong, and a ping of ours"


RELAY = Channel(bytes(32), 1, "udp")


def pong(ping: object, *, dialled: bool = False) -> bytes:
    """The peer's answer to a ping of ours."""
    assert isinstance(ping, Send)
    return Prober(BINDING, dialled=dialled).pong(ping.data[9:17], None)


def test_a_pong_from_elsewhere_than_its_ping_went_is_nothing() -> None:
    routes = lone(RELAY)
    one, other = ("192.0.2.9", 9), ("192.0.2.8", 9)
    ping = routes.seek(Places(seen=(one, other)), 0.0)[0]
    assert routes.probe(pong(ping), other, 0.1) == []
    assert routes.probe(pong(ping), ("192.0.2.7", 7), 0.1) == []
    assert routes.active == RELAY


def test_a_pong_is_good_once() -> None:
    routes = lone(RELAY)
    there = ("192.0.2.9", 9)
    ping = routes.seek(Places(seen=(there,)), 0.0)[0]
    assert routes.probe(pong(ping), there, 0.1) == [Use(there, failed=False)]
    routes.sent(1.0)
    routes.turn(2.0)
    assert routes.failing
    routes.probe(pong(ping), there, 2.1)
    assert routes.failing, "whoever has seen it sends it again"


def test_hops_are_bounded_whatever_pings_come_from_wherever() -> None:
    routes = lone()
    theirs = Prober(BINDING, dialled=False)
    for port in range(1, 100):
        routes.probe(theirs.ping(bytes(8)), ("192.0.2.9", port), 0.0)
    assert len(routes.known) == MAX_HOPS
    routes.moved(("192.0.2.7", 7), 0.0)
    assert len(routes.known) == MAX_HOPS
    assert routes.active == ("192.0.2.7", 7)


def test_places_told_over_and_over_begin_no_new_hunt() -> None:
    routes = lone(Channel(bytes(32), 1, "udp"))
    sent = 0
    for step in range(round(HUNT_AGAIN / 0.01)):
        if step % 100 == 0:
            sent += len(routes.seek(Places(seen=(("192.0.2.9", 9),)), step * 0.01))
        sent += len(routes.turn(step * 0.01))
    assert sent <= HUNT_AGAIN + HUNT_SECONDS / HUNT_PAUSE + 10


def test_a_place_that_is_told_no_more_is_pinged_no_more() -> None:
    routes = lone(Channel(bytes(32), 1, "udp"))
    routes.seek(Places(seen=(("192.0.2.9", 9),)), 0.0)
    effects = routes.seek(Places(seen=(("192.0.2.8", 8),)), 1.0)
    assert {effect.hop for effect in effects if isinstance(effect, Send)} == {("192.0.2.8", 8)}


def test_of_equals_the_dialler_chooses_and_the_other_follows() -> None:
    world = World("blocked", "blocked")
    mine, theirs = Channel(b"m" * 32, 1, "udp"), Channel(b"t" * 32, 2, "udp")
    world.channels |= {mine, theirs}
    for side, channel in ((world.a, mine), (world.b, theirs)):
        side.routes.moved(channel, world.now)
        side.act(side.routes.add(mine, world.now))
        side.act(side.routes.add(theirs, world.now))
    talk(world, 2.0)
    assert world.a.routes.active == world.b.routes.active == mine
    before = len(world.a.sent) + len(world.b.sent)
    talk(world, 10.0)
    assert len(world.a.sent) + len(world.b.sent) == before, "and there is peace"


def test_what_has_failed_is_not_gone_back_to_at_once() -> None:
    world = World("none", "none")
    world.meet()
    talk(world, 1.0)
    world.cut.add("straight")
    talk(world, 0.8)
    assert ranks(world) == {Rank.RELAYED}
    world.cut.clear()
    back = world.now
    talk(world, 3.0)
    assert ranks(world) == {Rank.DIRECT}
    failed, returned = (moment for moment, _ in world.a.used[1:3])
    assert back < failed + BURNT <= returned


def test_of_several_that_answer_the_best_is_used() -> None:
    routes = lone()
    slow, good = Channel(b"t" * 32, 1, "tcp"), Channel(b"u" * 32, 2, "udp")
    for channel in (slow, good):
        routes.add(channel, 0.0)
    routes.sent(0.0)
    pings = [effect for effect in routes.turn(1.0) if isinstance(effect, Send)]
    for ping in pings:
        if isinstance(ping.hop, Channel):
            assert routes.probe(pong(ping), ping.hop, 1.05) == []
    assert Use(good, failed=True) in routes.turn(1.0 + GRACE)


def test_a_peer_that_was_merely_busy_is_not_left() -> None:
    routes = lone()
    channel = Channel(b"u" * 32, 2, "udp")
    routes.add(channel, 0.0)
    routes.sent(0.0)
    pings = [effect for effect in routes.turn(0.5) if isinstance(effect, Send)]
    for ping in sorted(pings, key=lambda ping: ping.hop == routes.active):
        assert routes.probe(pong(ping), ping.hop, 1.2) == []
    routes.turn(1.2 + LEAD)
    assert routes.active == ("192.0.2.1", 1)


def test_another_relay_is_worth_it_when_it_is_much_quicker() -> None:
    for trip, worth in ((0.080, False), (0.030, True)):
        routes = lone(RELAY)
        routes.known[RELAY].round_trip = 0.100
        other = Channel(b"s" * 32, 2, "udp")
        (ping,) = routes.add(other, 0.0)
        assert (routes.probe(pong(ping), other, trip) == [Use(other, failed=False)]) == worth


def test_who_was_dialled_does_not_choose_among_equals() -> None:
    routes = lone(RELAY, dialled=False)
    routes.known[RELAY].round_trip = 0.100
    other = Channel(b"s" * 32, 2, "udp")
    (ping,) = routes.add(other, 0.0)
    assert routes.probe(pong(ping, dialled=True), other, 0.001) == []


def test_a_peer_that_stays_with_the_relay_for_no_reason_costs_a_few_pings_a_second() -> None:
    routes = lone()
    channel = Channel(b"u" * 32, 2, "udp")
    routes.add(channel, 0.0)
    doubts = 0
    for step in range(1000):
        now = 1.0 + step / 100
        before = routes.failing
        effects = routes.heard(channel, now)
        doubts += routes.failing and not before
        for ping in effects:
            if isinstance(ping, Send) and ping.hop == routes.active:
                routes.probe(pong(ping), ping.hop, now)
    assert doubts == 10
    assert routes.rank is Rank.DIRECT


def test_a_peer_that_was_followed_is_as_direct_as_before() -> None:
    routes = lone()
    routes.moved(("192.0.2.2", 2), 0.0)
    assert routes.rank is Rank.DIRECT


def test_a_long_way_has_three_round_trips() -> None:
    routes = lone()
    routes.known[routes.active].round_trip = 1.0
    routes.sent(0.0)
    routes.turn(2.9)
    assert not routes.failing
    assert routes.look_at() == 3.0
    routes.turn(3.0)
    assert routes.failing


def test_pings_under_way_are_bounded() -> None:
    routes = lone(RELAY)
    routes.seek(Places(seen=tuple(("192.0.2.9", port) for port in range(1, MAX_HOPS))), 0.0)
    for step in range(1000):
        routes.turn(step * HUNT_PAUSE / 50)
        routes.doubt(step * HUNT_PAUSE / 50)
    assert len(routes._pings) <= MAX_PINGS
