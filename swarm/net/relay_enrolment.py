"""One attempt to register at a relay: HELLO, COOKIE, REGISTER, WELCOME. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from swarm.errors import BadPeer
from swarm.net.relay_questions import Retry
from swarm.wire.relay_frame import EPHEMERAL_BYTES, TRANSACTION_BYTES, hello_frame, register_outer
from swarm.wire.relay_message import REGISTRATION, Denied, Mode, Welcome
from swarm.wire.relay_seal import Registration, ephemeral_pair, fingerprint_of, make_enrol, shared_by_client

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm.keys.device import DeviceKey
    from swarm.wire.relay_frame import Cookie, WelcomeBox
    from swarm.wire.relay_seal import SealedConversation

ATTEMPT_SECONDS: Final = 5.0  # for all of it; a relay on the other side of the world needs 0.6


class Enrolment:
    """With an ephemeral key of its own."""

    def __init__(
        self,
        relay_key: bytes,
        device: DeviceKey,
        entropy: Callable[[int], bytes],
        mode: Mode,
        token: bytes,
        topics: tuple[bytes, ...],
        now: float,
    ) -> None:
        """Raises BadPeer for a relay key that is no key."""
        self.topics = topics
        self._relay_key = relay_key
        self._device = device
        self._mode = mode
        self._token = token
        self._cookie = b""
        self._ephemeral, secret = ephemeral_pair(entropy(EPHEMERAL_BYTES))
        self._registration = Registration(shared_by_client(secret, relay_key), self._ephemeral, relay_key)
        self.said = hello_frame(self._ephemeral)  # HELLO, then REGISTER: what is to be said again when `retry` is due
        self.retry = Retry(now, ATTEMPT_SECONDS)

    def is_mine(self, transaction: bytes) -> bool:
        """Is a COOKIE or WELCOME with these first bytes an answer to this attempt?"""
        return transaction == self._ephemeral[:TRANSACTION_BYTES]

    def is_other_relay(self, frame: Cookie) -> bool:
        """Did another relay answer than the one whose key was given?"""
        return frame.fingerprint != fingerprint_of(self._relay_key)

    def cookie_received(self, frame: Cookie, now: float) -> bytes | None:
        """REGISTER with this cookie; None for the same cookie once more."""
        if frame.cookie == self._cookie:
            return None
        self._cookie = frame.cookie
        enrol = make_enrol(
            self._device, self._relay_key, self._ephemeral, frame.cookie, self._mode, self._token, self.topics
        )
        outer = register_outer(self._ephemeral, frame.cookie)
        self.said = self._registration.seal_enrol(outer, REGISTRATION.pack(enrol))
        self.retry.begin(now)
        return self.said

    def read(self, frame: WelcomeBox) -> Welcome | Denied:
        """The answer. Raises BadPeer for one that the relay did not make."""
        answer = REGISTRATION.unpack(self._registration.open_welcome(frame))
        if not isinstance(answer, Welcome | Denied):
            raise BadPeer("an answer to REGISTER that is none")
        return answer

    def conversation(self, session: bytes) -> SealedConversation:
        """What follows a Welcome."""
        return self._registration.conversation(session, relay=False)
