"""What members said they do not have, so that nobody is asked the same thing without end.

A member that lacks something is asked again when it says that something has changed there. A State that repeats the
last one is no such news; but a file that it could not read for a moment makes no news either, so it is asked again
after a pause too, and each pause is longer than the last. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swarm.ids import DeviceId
    from swarm.wire.messages import State

FIRST_PAUSE: Final = 60.0  # seconds
LONGER: Final = 4  # times the pause before
LAST_PAUSE: Final = 3600.0  # seconds


@dataclass(slots=True)
class _Member:
    said: State | None = None  # its last State
    names: set[bytes] = field(default_factory=set)  # identifiers of what it lacks
    again: float = 0.0  # when it is asked again, if there are any
    pause: float = FIRST_PAUSE


class Lacking:
    """Of one folder's members."""

    def __init__(self) -> None:
        self._members: dict[DeviceId, _Member] = {}

    def forget(self, peer: DeviceId) -> None:
        """Its session is new, or over."""
        self._members.pop(peer, None)

    def said(self, peer: DeviceId, state: State) -> None:
        """What changed there may be what it lacked."""
        state = replace(state, resend=False)  # which speaks of the conversation
        member = self._members.setdefault(peer, _Member())
        if state != member.said:
            self._members[peer] = _Member(state)

    def add(self, peer: DeviceId, names: Iterable[bytes], now: float) -> None:
        """It answered, and had none of these."""
        member = self._members.setdefault(peer, _Member())
        if not member.names:
            member.again = now + member.pause
        member.names.update(names)

    def lacks(self, peer: DeviceId, names: Iterable[bytes]) -> bool:
        """Whether it is known to lack any of these."""
        member = self._members.get(peer)
        return member is not None and not member.names.isdisjoint(names)

    def next_due(self) -> float | None:
        """When somebody may be asked again."""
        return min((member.again for member in self._members.values() if member.names), default=None)

    def tick(self, now: float) -> None:
        """Forgets what it is time to ask for again."""
        for member in self._members.values():
            if member.names and member.again <= now:
                member.names.clear()
                member.pause = min(member.pause * LONGER, LAST_PAUSE)
