"""A registered device, as the relay knows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from swarm.wire.relay_message import DOWNWARD, Mode

if TYPE_CHECKING:
    from relay.allowance import Allowance
    from relay.path import Path
    from swarm.wire.relay_seal import SealedConversation


@dataclass(slots=True, eq=False)
class Client:
    """One registration."""

    device: bytes
    handle: bytes
    mode: Mode
    path: Path  # where it is bound
    host: str  # what its address counts as, see `swarm.net.admission.allowance_key`
    ephemeral: bytes
    cookie: bytes  # of its REGISTER; begins with a time
    conversation: SealedConversation
    register_tag: bytes  # the end of its REGISTER, by which the same one is known again
    welcome: bytes  # the frame that answered it
    traffic: Allowance  # bytes
    talk: Allowance  # frames under seal
    questions: Allowance  # of those, what makes work
    heard_at: float
    topics: tuple[bytes, ...] = ()
    channels: set[int] = field(default_factory=set)

    @property
    def reserved(self) -> bool:
        return self.mode is Mode.RESERVE

    def seal(self, message: object) -> bytes:
        """A frame that only it can open."""
        return self.conversation.seal(DOWNWARD.pack(message))
