"""Channels: who asked for one to whom, and whether that one said yes. A pure machine; time is an argument.

    ASKED --Accept, or an Open the other way--> OPEN --Close, an end gone, idle--> gone
      '--Close, silence--> gone, the opener is Refused

Two clients have one channel at most: both may ask at once, and a question that is asked twice makes nothing twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from relay.effect import Send
from swarm.wire.relay_frame import CHANNEL_BYTES
from swarm.wire.relay_message import Closed, Incoming, Opened, Refusal, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from relay.client import Client
    from relay.effect import Effect
    from relay.limits import Limits
    from relay.switch import Switch


@dataclass(slots=True, eq=False)
class Channel:
    """Between two clients."""

    number: int
    opener: Client
    target: Client
    request: int  # the opener's newest
    open: bool
    since: float
    again_at: float  # when Incoming is said again
    pause: float

    def other(self, client: Client) -> Client:
        """The end that `client` is not."""
        return self.target if client is self.opener else self.opener


class Channels:
    """All channels of one relay."""

    def __init__(self, limits: Limits, switch: Switch, entropy: Callable[[int], bytes]) -> None:
        self._limits = limits
        self._switch = switch
        self._entropy = entropy
        self._by_number: dict[int, Channel] = {}
        self._by_pair: dict[frozenset[Client], Channel] = {}
        self._asked: dict[int, Channel] = {}  # those that nobody has accepted

    def __len__(self) -> int:
        return len(self._by_number)

    def open(self, opener: Client, target: Client, request: int, now: float) -> list[Effect]:
        """`opener` wants a channel."""
        channel = self._by_pair.get(frozenset((opener, target)))
        if channel is None:
            return self._ask(opener, target, request, now)
        if channel.open:
            return [_say(opener, Opened(request, channel.number))]
        if channel.opener is opener:
            channel.request = request
            return []
        return [*self._connect(channel, now), _say(opener, Opened(request, channel.number))]

    def accept(self, client: Client, number: int, now: float) -> list[Effect]:
        """`client` said yes to Incoming, perhaps again."""
        channel = self._asked.get(number)
        return self._connect(channel, now) if channel is not None and channel.target is client else []

    def close(self, client: Client, number: int) -> list[Effect]:
        """`client` wants it no more, or never wanted it."""
        channel = self._by_number.get(number)
        if channel is None or client not in (channel.opener, channel.target):
            return []
        return self._end(channel, Refusal.CLOSED, tell=(channel.other(client),))

    def client_gone(self, client: Client) -> list[Effect]:
        """Every channel of it is over."""
        out: list[Effect] = []
        for number in list(client.channels):
            out += self.close(client, number)
        return out

    def client_moved(self, client: Client, now: float) -> None:
        """It is bound to another path."""
        for number in client.channels:
            channel = self._by_number[number]
            if channel.open:
                self._switch.connect(channel.number, channel.opener, channel.target, now)

    def tick(self, now: float) -> list[Effect]:
        """Asks again, and gives up."""
        out: list[Effect] = []
        for channel in list(self._asked.values()):
            if now >= channel.since + self._limits.incoming_seconds:
                out += self._end(channel, Refusal.SILENT, tell=(channel.opener, channel.target))
            elif now >= channel.again_at:
                channel.pause *= 2
                channel.again_at = now + channel.pause
                out.append(_say(channel.target, Incoming(channel.number, channel.opener.handle)))
        return out

    def sweep(self, now: float) -> list[Effect]:
        """Ends what was not used for long. Looks at every channel: for now and then."""
        out: list[Effect] = []
        before = now - self._limits.channel_idle_seconds
        for channel in list(self._by_number.values()):
            if channel.open and max(channel.since, self._switch.used_at(channel.number)) < before:
                out += self._end(channel, Refusal.IDLE, tell=(channel.opener, channel.target))
        return out

    def _ask(self, opener: Client, target: Client, request: int, now: float) -> list[Effect]:
        full = len(self) >= self._limits.channels or self._is_full(opener) or self._is_full(target)
        if full or (not opener.reserved and self._has_enough_guests(target)):
            return [_say(opener, Refused(request, Refusal.FULL))]
        pause = self._limits.incoming_pause
        channel = Channel(self._unused(), opener, target, request, False, now, now + pause, pause)
        self._by_number[channel.number] = self._asked[channel.number] = channel
        self._by_pair[frozenset((opener, target))] = channel
        opener.channels.add(channel.number)
        target.channels.add(channel.number)
        return [_say(target, Incoming(channel.number, opener.handle))]

    def _is_full(self, client: Client) -> bool:
        limits = self._limits
        return len(client.channels) >= (limits.channels_per_client if client.reserved else limits.channels_per_guest)

    def _has_enough_guests(self, client: Client) -> bool:
        ends = (self._by_number[number].other(client) for number in client.channels)
        return sum(not end.reserved for end in ends) >= self._limits.guest_channels_per_client

    def _unused(self) -> int:
        """Random, so that a number of before, or of before a restart, is nobody's."""
        while True:
            number = int.from_bytes(self._entropy(CHANNEL_BYTES), "big")
            if number and number not in self._by_number:
                return number

    def _connect(self, channel: Channel, now: float) -> list[Effect]:
        channel.open = True
        channel.since = now
        del self._asked[channel.number]
        self._switch.connect(channel.number, channel.opener, channel.target, now)
        return [_say(channel.opener, Opened(channel.request, channel.number))]

    def _end(self, channel: Channel, why: Refusal, tell: tuple[Client, ...]) -> list[Effect]:
        del self._by_number[channel.number]
        del self._by_pair[frozenset((channel.opener, channel.target))]
        self._asked.pop(channel.number, None)
        self._switch.disconnect(channel.number)
        channel.opener.channels.discard(channel.number)
        channel.target.channels.discard(channel.number)
        return [
            _say(client, Refused(channel.request, why))
            if client is channel.opener and not channel.open
            else _say(client, Closed(channel.number, why))
            for client in tell
        ]


def _say(client: Client, message: object) -> Send:
    return Send(client.path, client.seal(message))
