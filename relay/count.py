"""What the hub counts, for whoever runs the relay: plain numbers that only grow. Nothing in it names anybody."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counts:
    """Since the start."""

    registrations: Counter[str] = field(default_factory=Counter)  # by outcome: reserve, guest, or why not
    questions: Counter[str] = field(default_factory=Counter)  # under seal, by message
    refused: Counter[str] = field(default_factory=Counter)  # of those, by reason
    unproved: Counter[str] = field(default_factory=Counter)  # packets in the clear that were looked at, by kind
    too_many: int = 0  # of those, not looked at: over the allowance of an address, or of all
    malformed: int = 0  # of no use at all
    undecipherable: int = 0  # sealed, and not by a client
    expired: int = 0  # clients that went silent
    moved: int = 0  # clients whose address changed
    streams_refused: int = 0  # TCP connections beyond a limit
    streams_failed: int = 0  # of those taken, that never became a client
    not_sent: int = 0  # frames dropped since a socket or a stream had no room
