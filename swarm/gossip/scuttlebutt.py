"""Scuttlebutt: what each peer lacks, by the clocks, and what of it to send now.

A peer's clock says up to which seq of each origin it has everything; what lies beyond it is sent, oldest first, a
bounded number of records ahead of what the peer has confirmed. Clocks are transfer filters, never evidence: they decide
what is sent, not what is true. After van Renesse et al., "Efficient Reconciliation and Flow Control for Anti-Entropy
Protocols", LADIS 2008.

In the steady state a device pushes its own records at once. Those of others it holds back for a moment: in a full
mesh their author pushes them too, and a clock that says so comes sooner than they would.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from swarm.ids import DeviceId, Origin

MAX_UNCONFIRMED = 8192  # records sent to a peer and not confirmed by its clock: mostly some 4 MB
# Bytes of them, and a Delta more. A record may have 64 KiB; a link with 64 MiB that nobody has read is closed, and
# the next one would be filled with the same again.
MAX_UNCONFIRMED_BYTES = 8 << 20
FORWARD_DELAY = 0.5  # seconds: an author's own push, and the clock that confirms it, take less


class Missing(NamedTuple):
    """Records of `origin` with seq > `after` go to the peer next."""

    origin: Origin
    after: int


class _Sent(NamedTuple):
    origin: Origin
    upto: int
    records: int
    size: int  # bytes of them


@dataclass(slots=True)
class Peer:
    """What one connected peer has told us, and what is on its way to it."""

    clock: dict[Origin, int] = field(default_factory=dict)  # as it last said
    heard: bool = False
    live_root: bytes = b""
    tombstone_root: bytes = b""
    need_files: int = 0
    need_bytes: int = 0
    settled: bool = False
    local_changes: int = 0
    introduced: set[Origin] = field(default_factory=set)
    sent: dict[Origin, int] = field(default_factory=dict)
    unconfirmed: deque[_Sent] = field(default_factory=deque)

    def has(self, origin: Origin) -> int:
        """Up to which seq it has, or will have once what is on its way has arrived."""
        return max(self.clock.get(origin, 0), self.sent.get(origin, 0))


@dataclass(slots=True)
class Scuttlebutt:
    """One folder's gossip with every connected peer."""

    peers: dict[DeviceId, Peer] = field(default_factory=dict)
    _learned: dict[Origin, float] = field(default_factory=dict)  # when our clock last moved for a foreign origin

    def up(self, device: DeviceId) -> None:
        self.peers[device] = Peer()

    def down(self, device: DeviceId) -> None:
        self.peers.pop(device, None)

    def learned(self, origin: Origin, now: float) -> None:
        """Our clock moved by what somebody else sent."""
        self._learned[origin] = now

    def heard(self, device: DeviceId, clock: dict[Origin, int], resend: bool) -> None:
        """The peer's clock; with `resend` it has nothing of what was on its way."""
        peer = self.peers[device]
        peer.clock = clock
        peer.heard = True
        if resend:
            peer.sent.clear()
            peer.unconfirmed.clear()
            peer.introduced.clear()
        while peer.unconfirmed and clock.get(peer.unconfirmed[0].origin, 0) >= peer.unconfirmed[0].upto:
            peer.unconfirmed.popleft()

    def missing(self, device: DeviceId, ours: dict[Origin, int], own: Origin, now: float) -> list[Missing]:
        """What to send now; [] before the peer has said what it has, and while it must catch its breath."""
        peer = self.peers[device]
        if not peer.heard or not self.has_room(device):
            return []
        return [
            Missing(origin, peer.has(origin))
            for origin, seq in sorted(ours.items())
            if seq > peer.has(origin) and (origin == own or now >= self._learned.get(origin, 0.0) + FORWARD_DELAY)
        ]

    def has_room(self, device: DeviceId) -> bool:
        """Whether more may be sent before the peer has confirmed some of what was."""
        unconfirmed = self.peers[device].unconfirmed
        return (
            sum(sent.records for sent in unconfirmed) < MAX_UNCONFIRMED
            and sum(sent.size for sent in unconfirmed) < MAX_UNCONFIRMED_BYTES
        )

    def sent(self, device: DeviceId, origin: Origin, upto: int, records: int, size: int) -> None:
        """So many records went out, with so many bytes in all."""
        peer = self.peers[device]
        peer.sent[origin] = upto
        peer.unconfirmed.append(_Sent(origin, upto, records, size))

    def next_due(self, ours: dict[Origin, int], own: Origin, now: float) -> float | None:
        """When something that is held back becomes due."""
        times = [
            due
            for origin, learned in self._learned.items()
            if origin != own and (due := learned + FORWARD_DELAY) > now and self._anybody_lacks(origin, ours)
        ]
        return min(times, default=None)

    def _anybody_lacks(self, origin: Origin, ours: dict[Origin, int]) -> bool:
        return any(peer.heard and peer.has(origin) < ours.get(origin, 0) for peer in self.peers.values())
