"""A device's side of one relay: a machine without socket and clock, for UDP and for TLS over TCP alike.

    client = RelayClient(relay.key, device_key, os.urandom, mode=Mode.RESERVE, token=relay.token, topics=topics)
    do(client.start(now))                       the way to the relay is there: UDP at once, TCP when TLS is up
    do(client.frame_received(frame, now))       came from the relay's address, or out of the stream
    do(client.tick(when))                       at WakeAt
    do(client.lookup(topics, now))              -> Found, LookupRefused
    do(client.open(handle, now))                -> ChannelOpened, OpenRefused
    do(client.send(channel, payloads, now))     -> Send
    do(client.close(channel))
    do(client.leave())                          the end

Each call returns effects (`swarm.net.relay_effect`), to be carried out in their order. *The shell sees to it that only
frames from the relay's own address come in*; everything else is checked here. What is said in the clear is a hint.

    RESTING -> ENROLLING (`Enrolment`) -> REGISTERED
       ^ Failed   |  ^                       | Lost
       '----------'  '-----------------------'

Questions may be asked in any state: they wait until the device is registered, for QUESTION_SECONDS at most. After Lost
the channels are gone, and the machine registers anew by itself. It never gives up: a relay that is silent or says no is
asked again, after a rest that doubles.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from swarm.errors import BadPeer
from swarm.net import relay_effect as effect
from swarm.net.relay_enrolment import Enrolment
from swarm.net.relay_questions import Questions, Retry
from swarm.wire import relay_message as says
from swarm.wire.relay_frame import Cookie, Data, Gone, Reset, Sealed, WelcomeBox, data_frame, parse, unpack_address
from swarm.wire.relay_message import DOWNWARD, MAX_LOOKUP, MAX_TOPICS, UPWARD, Mode, Refusal, refusal_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from swarm.keys.device import DeviceKey
    from swarm.net.relay_effect import Effect
    from swarm.net.relay_questions import Question
    from swarm.wire.relay_frame import Address, Frame
    from swarm.wire.relay_seal import SealedConversation

ALIVE_SECONDS: Final = 5.0  # without an answer to Alive, the registration is lost
FIRST_REST: Final = 1.0  # seconds after a failure; doubles up to
LONGEST_REST: Final = 60.0
QUIET: Final = 1.0  # seconds in which we spoke on a channel and heard nothing at all, until the relay is asked
RESET_PAUSE: Final = 5.0  # seconds between two RESETs that are believed: anybody in the path can forge them
HINT_PAUSE: Final = 1.0  # seconds between two Alives for which a hint was the reason
MAX_CHANNELS: Final = 1024  # more than a relay gives to one client; beyond them Incoming is not believed


class State(Enum):
    """How far the registration is."""

    RESTING = auto()  # not begun, or until the next attempt
    ENROLLING = auto()
    REGISTERED = auto()
    LEFT = auto()


class RelayClient:
    """One relay, as this device sees it."""

    def __init__(
        self,
        relay_key: bytes,
        device: DeviceKey,
        entropy: Callable[[int], bytes],
        *,
        mode: Mode = Mode.RESERVE,
        token: str = "",
        topics: Sequence[bytes] = (),
    ) -> None:
        """`relay_key`: 32 bytes; `entropy`: so many random bytes; `topics`: under which others find this device."""
        self.state = State.RESTING
        self.observed: Address | None = None  # this device's public address, once registered
        self._relay_key = relay_key
        self._device = device
        self._entropy = entropy
        self._mode = mode
        self._token = token.encode("ascii")
        self._topics = tuple(topics)[:MAX_TOPICS]
        self._enrolment: Enrolment | None = None
        self._conversation: SealedConversation | None = None
        self._rest = FIRST_REST
        self._rest_until: float | None = None
        self._alive_every = 0.0
        self._alive_at = 0.0
        self._alive: Retry | None = None  # Alive was said and not answered yet
        self._heard_at = 0.0
        self._hint_at = self._reset_at = float("-inf")
        self._questions = Questions()
        self._channels: dict[int, bytes] = {}  # -> the other end's handle
        self._announced: float | None = None  # the last WakeAt

    @property
    def channels(self) -> dict[int, bytes]:
        """Channels that are open, and the handle of the other end of each."""
        return dict(self._channels)

    # What happens.

    def start(self, now: float) -> list[Effect]:
        """Registers, anew if it was registered: at first, after the stream was opened again, after a long sleep."""
        self._rest = FIRST_REST
        return self._finish(self._lose(Refusal.NO_ANSWER) + self._enrol(now))

    def stop(self) -> list[Effect]:
        """The stream is closed, or the relay is not to be used for now: nothing is said until the next `start`."""
        out = self._lose(Refusal.NO_ANSWER)
        if self.state is not State.LEFT:
            self.state = State.RESTING
            self._rest_until = None
        return self._finish(out)

    def frame_received(self, data: bytes, now: float) -> list[Effect]:
        """A frame from the relay. What makes no sense is ignored: anybody can forge a datagram."""
        try:
            frame = parse(data)
            if not isinstance(frame, Data):
                return self._finish(self._handle(frame, now))
        except BadPeer:
            return []
        if frame.channel not in self._channels:
            return []
        self._heard_at = now
        return [effect.Received(frame.channel, frame.payload)]

    def tick(self, now: float) -> list[Effect]:
        """Time has passed. Too early does no harm: when to wake is always said again."""
        self._announced = float("nan")
        out: list[Effect] = []
        match self.state:
            case State.RESTING if self._rest_until is not None and now >= self._rest_until:
                out += self._enrol(now)
            case State.ENROLLING:
                out += self._enrol_again(now)
            case State.REGISTERED:
                out += self._keep_alive(now)
        again, over = self._questions.due(now)
        for question in again:
            out += self._say(question)
        for question in over:
            out += self._refuse(question, Refusal.NO_ANSWER, now)
        return self._finish(out)

    # What is wanted.

    def set_topics(self, topics: Sequence[bytes], now: float) -> list[Effect]:
        """Under which topics others find this device from now on, at most MAX_TOPICS."""
        wanted = tuple(topics)[:MAX_TOPICS]
        if wanted == self._topics:
            return []
        self._topics = wanted
        self._questions.forget_topics()
        if self.state is not State.REGISTERED:
            return []  # the registration says it; one that is under way is put right by Welcome
        return self._finish(self._ask(says.SetTopics(self._questions.number(), wanted), now))

    def lookup(self, topics: Sequence[bytes], now: float) -> list[Effect]:
        """Asks who is under these topics. One Found or LookupRefused for each MAX_LOOKUP of them."""
        out: list[Effect] = []
        for start in range(0, len(topics), MAX_LOOKUP):
            some = tuple(topics[start : start + MAX_LOOKUP])
            if self._questions.full:
                out.append(effect.LookupRefused(some, Refusal.BUSY))
            else:
                out += self._ask(says.Lookup(self._questions.number(), some), now)
        return self._finish(out)

    def open(self, handle: bytes, now: float) -> list[Effect]:
        """Asks for a channel to a device. There is one at most: a second question gives the same one."""
        if self._questions.full:
            return [effect.OpenRefused(handle, Refusal.BUSY)]
        return self._finish(self._ask(says.Open(self._questions.number(), handle), now))

    def send(self, channel: int, payloads: Sequence[bytes], now: float) -> list[Effect]:
        """Says something on a channel, each of `payloads` by itself; nothing when there is none of that number."""
        if channel not in self._channels:
            return []
        out: list[Effect] = [effect.Send(tuple(data_frame(channel, payload) for payload in payloads))]
        if self._alive is None and now - self._heard_at >= QUIET:
            return self._finish(out + self._hint(now))
        return out

    def close(self, channel: int) -> list[Effect]:
        """The channel is not needed any more."""
        if self._channels.pop(channel, None) is None:
            return []
        return self._say(says.Close(channel))

    def check(self, now: float) -> list[Effect]:
        """Asks the relay now whether it is still there: the address of this device may have changed."""
        return self._finish(self._hint(now))

    def leave(self) -> list[Effect]:
        """Ends the registration for good."""
        out = self._say(says.Leave())
        self._lose(Refusal.NONE)
        self._questions.clear()
        self.state = State.LEFT
        return self._finish(out)

    # Registration.

    def _enrol(self, now: float) -> list[Effect]:
        if self.state is State.LEFT:
            return []
        self._rest_until = None
        try:
            self._enrolment = Enrolment(
                self._relay_key, self._device, self._entropy, self._mode, self._token, self._topics, now
            )
        except BadPeer:
            return self._fail(Refusal.WRONG_KEY, now)
        self.state = State.ENROLLING
        return [effect.Send((self._enrolment.said,))]

    def _enrol_again(self, now: float) -> list[Effect]:
        assert self._enrolment is not None
        if now >= self._enrolment.retry.ends_at:
            return self._fail(Refusal.NO_ANSWER, now)
        if now < self._enrolment.retry.next_at:
            return []
        self._enrolment.retry.again(now)
        return [effect.Send((self._enrolment.said,))]

    def _handle(self, frame: Frame, now: float) -> list[Effect]:
        talk, enrolment = self._conversation, self._enrolment
        match frame:
            case Sealed() if talk is not None and frame.session == talk.session:
                packed = talk.open(frame)
                if packed is None:
                    return []
                self._heard_at = now
                return self._hear(DOWNWARD.unpack(packed), now)
            case Reset() if talk is not None and frame.session == talk.session:
                if now < self._reset_at + RESET_PAUSE:
                    return []
                self._reset_at = now
                return self._lose(Refusal.FORGOTTEN) + self._enrol(now)
            case Gone() if frame.channel in self._channels:
                return self._hint(now)
            case Cookie() if enrolment is not None and enrolment.is_mine(frame.transaction):
                if enrolment.is_other_relay(frame):
                    return self._fail(Refusal.WRONG_KEY, now)
                register = enrolment.cookie_received(frame, now)
                return [effect.Send((register,))] if register else []
            case WelcomeBox() if enrolment is not None and enrolment.is_mine(frame.transaction):
                answer = enrolment.read(frame)
                if isinstance(answer, says.Welcome):
                    return self._welcomed(answer, enrolment, now)
                return self._fail(refusal_of(answer.refusal), now)
        return []

    def _welcomed(self, answer: says.Welcome, enrolment: Enrolment, now: float) -> list[Effect]:
        self.observed = unpack_address(answer.observed)
        self._conversation, self._enrolment = enrolment.conversation(answer.session), None
        self.state = State.REGISTERED
        self._rest = FIRST_REST
        self._alive_every = max(1.0, float(answer.alive_seconds))
        self._alive_at = now + self._alive_every
        self._heard_at = now
        reserved = answer.mode == Mode.RESERVE
        out: list[Effect] = [
            effect.Registered(self.observed, reserved, refusal_of(answer.refusal), answer.alternate_port)
        ]
        if enrolment.topics != self._topics:
            self._questions.add(says.SetTopics(self._questions.number(), self._topics), now)
        for question in self._questions.begin(now):
            out += self._say(question)
        return out

    def _fail(self, refusal: Refusal, now: float) -> list[Effect]:
        """This attempt came to nothing."""
        if refusal is Refusal.REPLACED:
            self._rest = LONGEST_REST  # two homes with one key would throw each other out all the time
        jitter = 0.75 + self._entropy(1)[0] / 512  # so that a relay that comes back is not met by all at once
        self.state = State.RESTING
        self._enrolment = None
        self._rest_until = now + self._rest * jitter
        self._rest = min(2 * self._rest, LONGEST_REST)
        return [effect.Failed(refusal, self._rest_until)]

    def _lose(self, refusal: Refusal) -> list[Effect]:
        """The registration, and an attempt at one, is over."""
        was, self._conversation = self._conversation, None
        self._enrolment = None
        self._channels.clear()
        self._questions.forget_topics()
        self._alive = None
        self.observed = None
        return [effect.Lost(refusal)] if was is not None else []

    # Questions and answers.

    def _say(self, message: object) -> list[Effect]:
        if self._conversation is None:
            return []
        return [effect.Send((self._conversation.seal(UPWARD.pack(message)),))]

    def _ask(self, question: Question, now: float) -> list[Effect]:
        if self.state is State.LEFT:
            return []
        self._questions.add(question, now)
        return self._say(question)

    def _refuse(self, question: Question | None, refusal: Refusal, now: float) -> list[Effect]:
        match question:
            case says.Lookup(topics=topics):
                return [effect.LookupRefused(topics, refusal)]
            case says.Open(handle=handle):
                return [effect.OpenRefused(handle, refusal)]
            case says.SetTopics(topics=topics):  # nobody waits for it, but it must be said in the end
                self._questions.add(says.SetTopics(self._questions.number(), topics), now)
        return []

    def _hint(self, now: float) -> list[Effect]:
        """Something may be wrong: ask, unless that was done just now."""
        if self.state is not State.REGISTERED or now < self._hint_at + HINT_PAUSE:
            return []
        self._hint_at = now
        return self._ask_alive(now)

    def _ask_alive(self, now: float) -> list[Effect]:
        if self._alive is None:
            self._alive = Retry(now, ALIVE_SECONDS)
        self._alive_at = now + self._alive_every
        return self._say(says.Alive())

    def _keep_alive(self, now: float) -> list[Effect]:
        if self._alive is not None and now >= self._alive.ends_at:
            return self._lose(Refusal.NO_ANSWER) + self._enrol(now)
        if self._alive is not None and now >= self._alive.next_at:
            self._alive.again(now)
            return self._say(says.Alive())
        return self._ask_alive(now) if now >= self._alive_at else []

    def _hear(self, message: object, now: float) -> list[Effect]:
        match message:
            case says.Pulse(observed):
                self._alive = None
                return self._seen_at(unpack_address(observed))
            case says.Rebind(cookie):
                return self._say(says.Bind(cookie))
            case says.Done(request):
                self._questions.answered(request)
            case says.Found(request, handles):
                if self._questions.answered(request) is not None:
                    return [effect.Found(handles)]
            case says.Refused(request, refusal):
                return self._refuse(self._questions.answered(request), refusal_of(refusal), now)
            case says.Opened(request, channel):
                return self._opened(self._questions.answered(request), channel)
            case says.Incoming(channel, handle):
                return self._incoming(channel, handle)
            case says.Closed(channel, refusal):
                handle = self._channels.pop(channel, b"")
                return [effect.ChannelClosed(channel, handle, refusal_of(refusal))] if handle else []
            case says.Draining():
                return [effect.RelayDraining()]
            case says.Ended(refusal):
                return self._lose(refusal_of(refusal)) + self._fail(refusal_of(refusal), now)
        return []

    def _seen_at(self, address: Address) -> list[Effect]:
        if address == self.observed:
            return []
        self.observed = address
        return [effect.Observed(address)]

    def _opened(self, question: Question | None, channel: int) -> list[Effect]:
        if isinstance(question, says.Open):
            self._channels[channel] = question.handle
            return [effect.ChannelOpened(channel, question.handle)]
        return [] if channel in self._channels else self._say(says.Close(channel))  # it came after we gave up

    def _incoming(self, channel: int, handle: bytes) -> list[Effect]:
        known = channel in self._channels
        if not known and len(self._channels) >= MAX_CHANNELS:
            return self._say(says.Close(channel))
        self._channels[channel] = handle
        accept = self._say(says.Accept(channel))
        return accept if known else [*accept, effect.ChannelIncoming(channel, handle)]

    def _finish(self, out: list[Effect]) -> list[Effect]:
        """Adds when to wake up, if that has changed."""
        when = self._wake_at()
        if when != self._announced:
            self._announced = when
            out.append(effect.WakeAt(when))
        return out

    def _wake_at(self) -> float | None:
        times = [self._questions.wake_at]
        match self.state:
            case State.RESTING:
                times.append(self._rest_until)
            case State.ENROLLING if self._enrolment is not None:
                times.append(self._enrolment.retry.wake_at)
            case State.REGISTERED:
                times.append(self._alive.wake_at if self._alive is not None else self._alive_at)
        return min((when for when in times if when is not None), default=None)
