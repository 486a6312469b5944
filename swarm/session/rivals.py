"""Two sessions with one device: which to keep.

Two devices that dial each other at the same moment end up with two sessions, and must both close the same one. A
device that has restarted comes back while its old session has not yet timed out, and means the new one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swarm.ids import DeviceId


@dataclass(frozen=True, slots=True)
class Rival:
    """What the decision needs to know of a session."""

    dialled: bool  # by us
    nonce: bytes  # the peer's boot nonce (PeerReady.nonce)


def keeps_newer(own: DeviceId, peer: DeviceId, older: Rival, newer: Rival) -> bool:
    """True: close `older`; False: close `newer`. Both sides come to the same answer.

    The peer restarted (another nonce): keep the newer. The two dialled each other: keep the one that the lower device
    id dialled. One side dialled twice: it no longer believes in its older session, so keep the newer.
    """
    if older.nonce != newer.nonce or older.dialled == newer.dialled:
        return True
    return newer.dialled == (own < peer)
