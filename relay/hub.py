"""The relay's mind: frames in, frames out, without sockets and clock.

    received   a frame that is not DATA; DATA goes through `switch.forward`, and comes here when that knows no way
    tick       now and then: a few times a second
    stream_closed, drain, end

What proves nothing (HELLO, REGISTER, WHOAMI, what is unknown or wrong) is counted by `Strangers` and answered, if at
all, with less than was sent. Nothing is kept of anybody before REGISTER has brought a good cookie, seal and signature.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from relay.allowance import Allowance
from relay.channels import Channels
from relay.client import Client
from relay.cookie import BIND, REGISTER, TIME_BYTES, Cookies
from relay.count import Counts
from relay.effect import CloseStream, Effect, Send
from relay.path import Path, Stream, address_of
from relay.registry import Registry
from relay.strangers import Strangers
from relay.switch import Switch
from swarm.errors import BadPeer
from swarm.keys.relay import handle_of
from swarm.keys.seal import TAG_BYTES
from swarm.keys.signature import key_pair
from swarm.net.admission import allowance_key
from swarm.wire import relay_frame as frames
from swarm.wire import relay_message as says
from swarm.wire.relay_message import REGISTRATION, UPWARD, Mode, Refusal
from swarm.wire.relay_seal import Registration, fingerprint_of, is_signed, relay_secret, shared_by_relay

if TYPE_CHECKING:
    from collections.abc import Callable

    from relay.gate import Gate
    from relay.limits import Limits

SWEEP_PAUSE: Final = 1.0  # seconds between two looks at every client and channel
CLOSED_BYTES: Final = 72  # of a sealed Closed, at most


class Hub:
    """One relay."""

    def __init__(self, seed: bytes, gate: Gate, limits: Limits, entropy: Callable[[int], bytes], now: float) -> None:
        """`seed`: 32 bytes, of which the relay's key is made. `entropy`: so many random bytes."""
        self.key, secret = key_pair(seed)
        self.gate = gate
        self.limits = limits
        self.alternate_port = 0  # UDP, once it is bound
        self.counts = Counts()
        self.switch = Switch(limits, now)
        self.clients = Registry(limits)
        self.channels = Channels(limits, self.switch, entropy)
        self.draining = False
        self._x25519 = relay_secret(secret)
        self._entropy = entropy
        self._cookies = Cookies(entropy(32), now)
        self._strangers = Strangers(limits, now)
        self._swept_at = now

    # What happens.

    def received(self, data: bytes, path: Path, now: float) -> list[Effect]:
        """A frame came from there. Never raises, whatever it is."""
        try:
            frame = frames.parse(data)
        except BadPeer:
            self.counts.malformed += 1
            return []
        if isinstance(frame, frames.Sealed):
            client = self.clients.of_session(frame.session)
            if client is not None:
                return self._sealed(client, frame, path, now)
        if not self._strangers.admit(allowance_key(address_of(path)[0]), now):
            self.counts.too_many += 1
            return []
        self.counts.unproved[type(frame).__name__] += 1
        match frame:
            case frames.Hello(ephemeral):
                return [Send(path, self._cookie_frame(ephemeral, path, now))]
            case frames.Register():
                return self._register(frame, path, now)
            case frames.Sealed(session):
                return [Send(path, frames.reset_frame(session))]
            case frames.WhoAmI(transaction, from_alternate):
                answer = frames.address_frame(transaction, self.alternate_port, address_of(path))
                return [Send(path, answer, from_alternate and not isinstance(path, Stream))]
            case frames.Data(channel):
                return [Send(path, self._gone(channel, len(data), path))]
        return []  # what only a relay says

    def stream_closed(self, stream: Stream, now: float) -> list[Effect]:
        """A TCP connection has ended, and with it the registration that is bound to it."""
        client = self.clients.of_path(stream)
        return self._remove(client) if client is not None else []

    def is_registered(self, path: Path) -> bool:
        """Is a client bound there?"""
        return self.clients.of_path(path) is not None

    def tick(self, now: float) -> list[Effect]:
        """Time has passed."""
        out = self.channels.tick(now)
        if now >= self._swept_at + SWEEP_PAUSE:
            self._swept_at = now
            out += self.channels.sweep(now)
            for client in self.clients:
                if now > client.heard_at + self.limits.idle_seconds:
                    self.counts.expired += 1
                    out += self._expel(client, Refusal.IDLE)
        return out

    def drain(self) -> list[Effect]:
        """The relay is about to end: nobody new, and those who are there are told to find another way."""
        self.draining = True
        return [self._say(client, says.Draining()) for client in self.clients]

    def end(self) -> list[Effect]:
        """The end."""
        out: list[Effect] = []
        for client in self.clients:
            out += self._expel(client, Refusal.DRAINING)
        return out

    # Registration.

    def _cookie_frame(self, ephemeral: bytes, path: Path, now: float) -> bytes:
        cookie = self._cookies.make(REGISTER, address_of(path), ephemeral, now)
        return frames.cookie_frame(ephemeral, fingerprint_of(self.key), cookie)

    def _register(self, frame: frames.Register, path: Path, now: float) -> list[Effect]:
        if not self._cookies.is_good(frame.cookie, REGISTER, address_of(path), frame.ephemeral, now):
            return [Send(path, self._cookie_frame(frame.ephemeral, path, now))]
        again = self.clients.of_ephemeral(frame.ephemeral)
        if again is not None:
            same = again.path == path and compare_digest(again.register_tag, frame.sealed[-TAG_BYTES:])
            return [Send(path, again.welcome)] if same else []
        try:
            registration = Registration(shared_by_relay(self._x25519, frame.ephemeral), frame.ephemeral, self.key)
            enrol = REGISTRATION.unpack(registration.open_enrol(frame))
        except BadPeer:
            self.counts.undecipherable += 1
            return []
        if not isinstance(enrol, says.Enrol) or not is_signed(enrol, self.key, frame):
            self.counts.undecipherable += 1
            return []
        return self._enrol(enrol, registration, frame, path, now)

    def _enrol(
        self, enrol: says.Enrol, registration: Registration, frame: frames.Register, path: Path, now: float
    ) -> list[Effect]:
        host = allowance_key(address_of(path)[0])
        before = self.clients.of_device(enrol.device)
        mode, why_guest = Mode(enrol.mode), Refusal.NONE
        if mode is Mode.RESERVE:
            why_guest = self.gate.refusal(enrol.device, enrol.token)
            mode = Mode.RESERVE if why_guest is Refusal.NONE else Mode.GUEST
        refusal = self.clients.refusal(host, mode, before)
        if self.draining:
            refusal = Refusal.DRAINING
        elif before is not None and frame.cookie[:TIME_BYTES] < before.cookie[:TIME_BYTES]:
            refusal = Refusal.STALE
        if refusal is not Refusal.NONE:
            self.counts.registrations[refusal.name.lower()] += 1
            outer = frames.welcome_outer(frame.ephemeral)
            return [Send(path, registration.seal_welcome(outer, REGISTRATION.pack(says.Denied(refusal))))]
        out = self._expel(before, Refusal.REPLACED, keep=path) if before is not None else []
        client = self._client(enrol, mode, why_guest, registration, frame, path, host, now)
        self.clients.add(client)
        self.clients.set_topics(client, enrol.topics)
        self.counts.registrations[mode.name.lower()] += 1
        return [*out, Send(path, client.welcome)]

    def _client(
        self,
        enrol: says.Enrol,
        mode: Mode,
        why_guest: Refusal,
        registration: Registration,
        frame: frames.Register,
        path: Path,
        host: str,
        now: float,
    ) -> Client:
        limits, reserved = self.limits, mode is Mode.RESERVE
        rate = limits.client_rate if reserved else limits.guest_rate
        session = self._entropy(frames.SESSION_BYTES)
        welcome = says.Welcome(
            session,
            frames.pack_address(address_of(path)),
            mode,
            why_guest,
            self.alternate_port,
            limits.alive_seconds,
            limits.channels_per_client if reserved else limits.channels_per_guest,
            rate,
        )
        return Client(
            device=enrol.device,
            handle=handle_of(self.key, enrol.device),
            mode=mode,
            path=path,
            host=host,
            ephemeral=frame.ephemeral,
            cookie=frame.cookie,
            register_tag=frame.sealed[-TAG_BYTES:],
            conversation=registration.conversation(session, relay=True),
            welcome=registration.seal_welcome(frames.welcome_outer(frame.ephemeral), REGISTRATION.pack(welcome)),
            traffic=Allowance(rate, rate * limits.burst_seconds, now),
            talk=Allowance(limits.talk_per_second, limits.talk_at_once, now),
            questions=Allowance(limits.questions_per_second, limits.questions_at_once, now),
            heard_at=now,
        )

    def _remove(self, client: Client) -> list[Effect]:
        out = self.channels.client_gone(client)
        self.clients.remove(client)
        return out

    def _expel(self, client: Client, why: Refusal, keep: Path | None = None) -> list[Effect]:
        """Tells it, and ends its connection unless that is `keep`."""
        out = [self._say(client, says.Ended(why)), *self._remove(client)]
        if isinstance(client.path, Stream) and client.path != keep:
            out.append(CloseStream(client.path))
        return out

    # Under seal.

    def _sealed(self, client: Client, frame: frames.Sealed, path: Path, now: float) -> list[Effect]:
        at_home = path == client.path
        if not (
            client.talk.take(1, now) if at_home else self._strangers.admit(allowance_key(address_of(path)[0]), now)
        ):
            self.counts.too_many += 1
            return []
        try:
            packed = client.conversation.open(frame)
            message = UPWARD.unpack(packed) if packed is not None else None
        except BadPeer:
            self.counts.undecipherable += 1
            return []
        if message is None:
            return []
        if not at_home:
            return self._elsewhere(client, message, path, now)
        client.heard_at = now
        self.counts.questions[type(message).__name__] += 1
        return self._answer(client, message, now)

    def _elsewhere(self, client: Client, message: object, path: Path, now: float) -> list[Effect]:
        """It speaks from another path than it is bound to. Only Bind, with what was sent there, means anything."""
        session, address = client.conversation.session, address_of(path)
        if isinstance(message, says.Bind) and self._cookies.is_good(message.cookie, BIND, address, session, now):
            old = client.path
            client.heard_at = now
            self.clients.move(client, path, allowance_key(address[0]))
            self.channels.client_moved(client, now)
            self.counts.moved += 1
            out: list[Effect] = [self._pulse(client)]
            return [*out, CloseStream(old)] if isinstance(old, Stream) else out
        return [Send(path, client.seal(says.Rebind(self._cookies.make(BIND, address, session, now))))]

    def _answer(self, client: Client, message: object, now: float) -> list[Effect]:
        match message:
            case says.Alive() | says.Bind():
                return [self._pulse(client)]
            case says.Accept(channel):
                return self.channels.accept(client, channel, now)
            case says.Close(channel):
                return self.channels.close(client, channel)
            case says.Leave():
                out = self._remove(client)
                return [*out, CloseStream(client.path)] if isinstance(client.path, Stream) else out
            case says.Lookup(request) | says.SetTopics(request) | says.Open(request):
                if not client.questions.take(1, now):
                    return [self._refuse(client, request, Refusal.BUSY)]
        match message:
            case says.Lookup(request, topics):
                return [self._say(client, says.Found(request, self.clients.lookup(topics, client)))]
            case says.SetTopics(request, topics):
                if not self.clients.set_topics(client, topics):
                    return [self._refuse(client, request, Refusal.FULL)]
                return [self._say(client, says.Done(request))]
            case says.Open(request, handle):
                target = self.clients.reserved(handle)
                if target is None or target is client:
                    return [self._refuse(client, request, Refusal.ABSENT)]
                if self.draining:
                    return [self._refuse(client, request, Refusal.DRAINING)]
                return self.channels.open(client, target, request, now)
        return []  # of a newer client

    def _refuse(self, client: Client, request: int, why: Refusal) -> Send:
        self.counts.refused[why.name.lower()] += 1
        return self._say(client, says.Refused(request, why))

    def _gone(self, channel: int, size: int, path: Path) -> bytes:
        """The answer to DATA that has no way: under seal where the sender is known, and not larger than the DATA."""
        client = self.clients.of_path(path)
        if client is None or size < CLOSED_BYTES:
            return frames.gone_frame(channel)
        return client.seal(says.Closed(channel, Refusal.IDLE))

    def _pulse(self, client: Client) -> Send:
        return self._say(client, says.Pulse(frames.pack_address(address_of(client.path))))

    def _say(self, client: Client, message: object) -> Send:
        return Send(client.path, client.seal(message))
