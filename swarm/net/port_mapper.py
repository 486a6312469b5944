"""Keeps ports of the default gateway open for us: PCP first, NAT-PMP where the gateway is older. Pure.

The machine decides what is sent when; `swarm.net.gateway` has the socket. Rules:

- A mapping is renewed at half of its life. It is asked for 20 minutes only, though the RFCs suggest two hours: a router
  that was restarted has lost it, and says so no sooner than when it is asked.
- An epoch that is lower than it should be means a restarted router (RFC 6886 3.6, RFC 6887 8.5): all is asked anew.
- Silence and refusal cost one more try every ten minutes: somebody may have switched it on.
- At the end everything is given back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from swarm.net import nat_pmp, pcp
from swarm.net.nat_pmp import External, Granted, Protocol, Refused

if TYPE_CHECKING:
    from collections.abc import Iterable

    Address = tuple[str, int]

LIFETIME: Final = 1200  # seconds that are asked for; a daemon that was killed leaves a port open that long at most
LONGEST: Final = 86_400  # seconds; RFC 6887 section 15 warns of gateways that promise for ever
SOONEST_RENEWAL: Final = 30.0  # seconds, however short a life a gateway gives
FIRST_RETRY: Final = 0.25  # seconds, doubled with each try (RFC 6886 section 3.1)
TRIES: Final = 4  # of one question: silence is known after 3.75 seconds, and not 64
LOOK_AGAIN: Final = 600.0  # seconds after a gateway did not answer, or refused
TOLERANCE: Final = 2.0  # seconds by which two clocks may differ without a restart between them


@dataclass(slots=True)
class _Question:
    """One thing that the gateway is asked for again and again. protocol None: its address (of NAT-PMP only)."""

    protocol: Protocol | None
    inner: int
    outer: int  # what we have, or would like to have
    due: float = 0.0
    tries: int = 0
    expires: float = 0.0  # what was granted ends then; 0.0: nothing was

    def postpone(self, when: float) -> None:
        self.due, self.tries = when, 0


@dataclass(slots=True)
class PortMapper:
    """One gateway and the ports that it forwards to us."""

    client: str  # our IPv4 address on the gateway's network
    nonce: bytes  # 12 random bytes
    spoken: str = ""  # "PCP" or "NAT-PMP" once the gateway has answered
    why: str = ""  # a sentence's end: why nothing is mapped
    _dialect: str = "PCP"
    _host: str = ""  # of the gateway, outside
    _questions: list[_Question] = field(default_factory=list)
    _epoch: tuple[int, float] | None = None  # the last one, and when

    @classmethod
    def create(cls, client: str, ports: Iterable[tuple[Protocol, int]], nonce: bytes) -> PortMapper:
        """ports: ours, each wanted under the same number outside."""
        mapper = cls(client, nonce)
        mapper._questions = [_Question(None, 0, 0), *(_Question(protocol, port, port) for protocol, port in ports)]
        return mapper

    def external(self, protocol: Protocol) -> Address | None:
        """Where others can reach us, None where nothing is mapped."""
        for question in self._questions:
            if question.protocol is protocol and question.expires and self._host:
                return self._host, question.outer
        return None

    @property
    def wake_at(self) -> float:
        """When `due` has something to do."""
        return min((min(one.due, one.expires or one.due) for one in self._asked()), default=float("inf"))

    def due(self, now: float) -> list[bytes]:
        """What to send to the gateway now."""
        for question in self._questions:
            if question.expires and now >= question.expires:
                question.expires = 0.0
                if not self._have_any():
                    self._begin_anew(now)
        sent = []
        for question in [one for one in self._asked() if now >= one.due]:
            if question.tries >= TRIES:
                self._silent(question, now)
            if now >= question.due:
                question.due = now + FIRST_RETRY * 2**question.tries
                question.tries += 1
                sent.append(self._ask(question, LIFETIME))
        return sent

    def received(self, data: bytes, now: float) -> bool:
        """A datagram from the gateway. True: what is mapped is another now."""
        before = self._mapped()
        answer = pcp.read_answer(data, self.nonce) or nat_pmp.read_answer(data)
        match answer:
            case Refused(other_version=True) if data[0] == nat_pmp.VERSION:
                if self._dialect == "PCP" and not self._have_any():  # else it answers an earlier question
                    self._speak_nat_pmp(now)
            case Refused(why):
                self._refused(why, now)
            case External(host, epoch) if self._dialect == "NAT-PMP":
                self._answered(epoch, now)
                self._host = host
                for question in self._questions:
                    if question.protocol is None:
                        question.postpone(now + LIFETIME / 2)
            case Granted():
                self._granted(answer, now)
        return self._mapped() != before

    def unreachable(self, now: float) -> None:
        """The gateway's system says that nobody listens there."""
        self._refused("it offers no port mapping", now)

    def release(self) -> list[bytes]:
        """What to send at the end: every mapping is given back."""
        return [self._ask(one, 0) for one in self._questions if one.protocol is not None and one.expires]

    def _ask(self, question: _Question, lifetime: int) -> bytes:
        if question.protocol is None:
            return nat_pmp.ask_address()
        if self._dialect == "NAT-PMP":
            return nat_pmp.ask_mapping(question.protocol, question.inner, question.outer, lifetime)
        return pcp.ask_mapping(self.client, self.nonce, question.protocol, question.inner, question.outer, lifetime)

    def _granted(self, answer: Granted, now: float) -> None:
        for question in self._questions:
            if (question.protocol, question.inner) != (answer.protocol, answer.inner):
                continue
            if not answer.lifetime or not answer.outer:
                self._refused("it took the mapping back", now)
                return
            self._answered(answer.epoch, now)
            life = min(answer.lifetime, LONGEST)
            question.outer, question.expires = answer.outer, now + max(life, 2 * SOONEST_RENEWAL)
            question.postpone(now + max(life / 2, SOONEST_RENEWAL))
            self._host = answer.host or self._host
            self.why = ""

    def _answered(self, epoch: int, now: float) -> None:
        self.spoken = self._dialect
        if self._epoch is not None:
            last, when = self._epoch
            if epoch < last + (now - when) * 7 / 8 - TOLERANCE:
                for question in self._questions:
                    question.postpone(now)
        self._epoch = epoch, now

    def _refused(self, why: str, now: float) -> None:
        self.why = why
        for question in self._questions:
            if not question.expires:
                question.postpone(now + LOOK_AGAIN)

    def _silent(self, question: _Question, now: float) -> None:
        """It was asked as often as anybody is."""
        if question.expires:
            question.postpone(now + max(SOONEST_RENEWAL, (question.expires - now) / 2))
        elif self._have_any():
            question.postpone(now + LOOK_AGAIN)
        elif self._dialect == "PCP" and not self.spoken:
            self._speak_nat_pmp(now)
        else:
            self._begin_anew(now)
            self._refused("it does not answer", now)

    def _speak_nat_pmp(self, now: float) -> None:
        self._dialect = "NAT-PMP"
        for question in self._questions:
            question.postpone(now)

    def _begin_anew(self, now: float) -> None:
        self._dialect, self.spoken, self._host, self._epoch = "PCP", "", "", None
        for question in self._questions:
            question.postpone(now)

    def _asked(self) -> list[_Question]:
        """PCP's answers tell the gateway's address themselves."""
        return [one for one in self._questions if one.protocol is not None or self._dialect == "NAT-PMP"]

    def _have_any(self) -> bool:
        return any(question.expires for question in self._questions)

    def _mapped(self) -> list[Address | None]:
        return [self.external(protocol) for protocol in Protocol]
