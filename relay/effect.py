"""What the hub wants done."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from relay.path import Path, Stream


class Send(NamedTuple):
    """Send this frame there."""

    path: Path
    frame: bytes
    from_alternate: bool = False  # from the alternate UDP port


class CloseStream(NamedTuple):
    """End this TCP connection, after what was sent to it."""

    stream: Stream


Effect: TypeAlias = Send | CloseStream
