"""Under seal too: a guest needs no more than a key of his own to say nonsense that opens, and so does a relay."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from swarm.net import relay_effect as effect
from swarm.wire import relay_message as says
from swarm.wire.relay_frame import MAX_CHANNEL
from tests.fuzz.mutation import mutate
from tests.unit.relay_world import World

if TYPE_CHECKING:
    from collections.abc import Sequence

MESSAGES = 1_500
PACE = 0.05  # virtual seconds between two, so that the limit on talk lets them in


def upward() -> list[bytes]:
    """What a device may say."""
    messages: Sequence[object] = (
        says.Alive(),
        says.Bind(bytes(22)),
        says.SetTopics(1, (bytes(16), b"T" * 16)),
        says.Lookup(2, (b"T" * 16,) * says.MAX_LOOKUP),
        says.Open(3, bytes(16)),
        says.Accept(1),
        says.Close(1),
        says.Close(MAX_CHANNEL),
    )
    return [says.UPWARD.pack(message) for message in messages]


def downward() -> list[bytes]:
    """What a relay may say."""
    place = b"\xc0\x00\x02\x01\xb9\x72"
    messages: Sequence[object] = (
        says.Pulse(place),
        says.Rebind(bytes(22)),
        says.Done(1),
        says.Found(1, ((b"T" * 16, (bytes(16),) * 3),)),
        says.Opened(1, 7),
        says.Refused(1, 3),
        says.Incoming(8, bytes(16)),
        says.Closed(8, 11),
        says.Draining(),
        says.Ended(5),
    )
    return [says.DOWNWARD.pack(message) for message in messages]


@pytest.mark.parametrize("seed", range(3))
def test_a_guest_who_talks_nonsense_under_seal_harms_nobody(seed: int) -> None:
    world = World(seed=seed)
    anna, bob, channel = world.joined()
    (guest,) = world.registered("eve", mode=says.Mode.GUEST)
    rng = random.Random(seed)
    corpus = upward()
    for _ in range(MESSAGES):
        talk = guest.client._conversation
        if talk is None:  # he was thrown out, and registers anew
            world.reach(lambda: guest.client._conversation is not None)
            continue
        world.arrive(talk.seal(mutate(rng, corpus)[:1000]), guest.path)
        world.run(PACE)
    taken = sum(world.hub.counts.questions.values())
    assert taken > MESSAGES / 10
    assert world.hub.counts.undecipherable > MESSAGES / 10
    anna.do(anna.client.send(channel, [b"still here"], world.now))
    world.reach(lambda: bob.has(effect.Received))
    assert bob.last(effect.Received).payload == b"still here"


@pytest.mark.parametrize("seed", range(3))
def test_a_relay_that_talks_nonsense_under_seal_upsets_nobody(seed: int) -> None:
    world = World(seed=seed)
    (anna,) = world.registered("anna")
    rng = random.Random(seed)
    corpus = downward()
    opened = 0
    for _ in range(MESSAGES):
        talk = anna.client._conversation
        known = world.hub.clients.of_session(talk.session) if talk is not None else None
        if known is None:  # she was told that it is over, and comes back
            world.run(1.0)
            continue
        opened += 1
        anna.do(anna.client.frame_received(known.conversation.seal(mutate(rng, corpus)[:1000]), world.now))
        world.run(PACE)
    assert opened > MESSAGES / 10
    world.reach(lambda: anna.client._conversation is not None, 600)
