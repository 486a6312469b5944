"""Following a peer whose address changes below a link (RFC 9000, section 9). A pure machine; time is an argument.

A NAT may give a peer another port, and a laptop another network: its packets then come from a new address, while ours
still go to the old one. A source address proves nothing. So only an authentic packet that is newer than all before it
raises the question; the new address is then asked, with a PATH_CHALLENGE inside of the encryption, and is followed when
the peer has answered. Until then everything goes where it went. A newer packet from the old address settles the
matter: who copies packets and sends them on from elsewhere gains nothing by being faster now and then.
"""

from __future__ import annotations

CHALLENGE_PAUSE = 0.1  # seconds between two questions: a packet that is sent on makes us send no flood
CHALLENGES = 20  # questions about one address that are not answered; then it is left alone until another one comes up

Address = tuple[str, int]


class Rebinding:
    """Where one peer is."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._candidate: Address | None = None
        self._asked_at = 0.0
        self._asked = 0

    @property
    def in_question(self) -> bool:
        """Was the peer heard from elsewhere?"""
        return self._candidate is not None

    def heard(self, address: Address, now: float) -> bool:
        """The newest authentic packet came from there. True: `address` is to be asked now."""
        if address == self.address:
            self._candidate = None
            return False
        if address != self._candidate:
            self._candidate, self._asked = address, 0
        if self._asked >= CHALLENGES or now < self._asked_at + CHALLENGE_PAUSE:
            return False
        self._asked_at = now
        self._asked += 1
        return True

    def proved(self) -> Address | None:
        """The last question was answered: where the peer is from now on; None when it has shown up elsewhere since."""
        if self._candidate is None:
            return None
        self.address, self._candidate = self._candidate, None
        return self.address
