"""Nodes that lie. Each is a real node that answers something else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from swarm.discovery.dht.contact import Contact, distance, make_id, pack_contact
from swarm.discovery.dht.messages import Done, Found, Get, Got, Put
from swarm.discovery.dht.provider import LIFETIME, DayKeys
from swarm.discovery.dht.store import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from swarm.discovery.dht.dht import Dht

KINDS = ("sybil", "blackhole", "forger", "stale", "claimer")
TOLD = 12


class Gang:
    """What the liars know together."""

    def __init__(self, rng: Random, wall: Callable[[], float]) -> None:
        self.rng = rng
        self.wall = wall
        self.members: list[Contact] = []
        self.captured: dict[bytes, Put] = {}  # topic -> a record that somebody brought
        self.victims: list[tuple[str, int]] = []  # addresses that others shall be sent to

    def recruit(self, dht: Dht, kind: str) -> None:
        """From here on the node answers as its kind does."""
        protocol = dht.sides[4].overlay.protocol
        honest = protocol._answer

        def answer(question: Any, address: Any, room: int, now: float) -> Any:
            said = honest(question, address, room, now)
            return self._twisted(kind, question, said, room) if said is not None else None

        setattr(protocol, "_answer", answer)  # noqa: B010

    def _twisted(self, kind: str, question: Any, said: Any, room: int) -> Any:
        if isinstance(question, Put):
            self.captured.setdefault(question.public_key, question)
            return Done(said.sender, said.server, said.seen, Outcome.STORED)  # and it is gone
        if not isinstance(said, Found | Got):
            return said
        target = question.topic if isinstance(question, Get) else question.target
        if isinstance(said, Got):
            said = replace(said, public_key=b"", records=(), more=False)
        match kind:
            case "blackhole":
                return replace(said, contacts=())
            case "claimer":  # ids right at the target, at addresses whose ids they cannot be
                claimed = (Contact(target[:16] + self.rng.randbytes(4), *self._victim()) for _ in range(TOLD))
                return replace(said, contacts=tuple(map(pack_contact, claimed)))
            case "forger" if isinstance(said, Got):
                keys = DayKeys.derive(self.rng.randbytes(32), int(self.wall() // 86_400))
                raw = keys.issue(self.rng.randbytes(32), (), int(self.wall()))  # type: ignore[arg-type]
                return replace(said, contacts=(), public_key=keys.public_key, records=(raw, raw), more=True)
            case "stale" if isinstance(said, Got) and self.captured:
                old = self.rng.choice(list(self.captured.values()))
                if self.wall() - LIFETIME / 2 < int.from_bytes(old.record[13:17], "big"):
                    raw = old.record[:13] + (int(self.wall())).to_bytes(4, "big") + old.record[17:]
                    return replace(said, contacts=(), public_key=old.public_key, records=(raw,), more=True)
                return replace(said, contacts=(), public_key=old.public_key, records=(old.record,), more=True)
        nearest = sorted(self.members, key=lambda member: distance(member.id, target))[:TOLD]
        return replace(said, contacts=tuple(map(pack_contact, nearest)))

    def _victim(self) -> tuple[str, int]:
        return self.rng.choice(self.victims)


def aimed_address(topic: bytes, new_address: Callable[[], tuple[str, int]], tries: int) -> tuple[str, int]:
    """Of so many networks the one whose nodes stand closest to a topic: what choosing costs the attacker."""
    return min((new_address() for _ in range(tries)), key=lambda a: distance(make_id(a[0], bytes(20)), topic))
