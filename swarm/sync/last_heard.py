"""What each member had when it was last heard, kept over its absence and over our restarts.

People want to know whether the device that is away has what matters. Its last clock tells: as many of our records as
lie beyond it, it cannot have from us. It may have them from others by now, and more of its own: that is found out when
it is back. The number is for people, and no decision rests on it.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from swarm.ids import DeviceId, Origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from swarm.sync.store import Store
    from swarm.wire.messages import State

MAX_MEMBERS = 256  # that are remembered; beyond it whoever was heard longest ago is forgotten
NAME = "last heard"  # of the value in the store

_HEAD = struct.Struct(">32sIH")  # device, files that it needed, entries of its clock
_ENTRY = struct.Struct(">16sQ")  # origin, seq


class LastHeard:
    """Clocks and needs of members, whether they are here or away."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._heard: dict[DeviceId, tuple[dict[Origin, int], int]] = _unpack(store.get(NAME) or b"")

    def heard(self, peer: DeviceId, state: State) -> None:
        """Takes down what a member says of itself; the next commit keeps it.

        Only once it has looked at its own disk: before, it does not know what it needs, and who asks for a preview has
        the index and none of the files.
        """
        if not state.settled:
            return
        lacks = state.need_files + state.local_changes  # of what is otherwise on its disk, it has not ours
        said = ({Origin(origin): seq for origin, seq in state.clock}, lacks)
        if self._heard.get(peer) == said:
            return
        self._heard.pop(peer, None)
        self._heard[peer] = said
        if len(self._heard) > MAX_MEMBERS:
            del self._heard[next(iter(self._heard))]
        self._store.put(NAME, _pack(self._heard))

    def behind(self, ours: Mapping[Origin, int]) -> dict[DeviceId, int]:
        """How many changes each member lacked of what we have, as far as it said. ours: our clock."""
        return {
            peer: needed + sum(max(0, seq - clock.get(origin, 0)) for origin, seq in ours.items())
            for peer, (clock, needed) in self._heard.items()
        }


def _pack(heard: Mapping[DeviceId, tuple[dict[Origin, int], int]]) -> bytes:
    pieces = []
    for peer, (clock, needed) in heard.items():
        pieces.append(_HEAD.pack(peer, min(needed, 0xFFFFFFFF), len(clock)))
        pieces += [_ENTRY.pack(origin, seq) for origin, seq in clock.items()]
    return b"".join(pieces)


def _unpack(raw: bytes) -> dict[DeviceId, tuple[dict[Origin, int], int]]:
    """What was packed; as far as it can be read, since nothing depends on it."""
    heard: dict[DeviceId, tuple[dict[Origin, int], int]] = {}
    place = 0
    while place + _HEAD.size <= len(raw):
        peer, needed, entries = _HEAD.unpack_from(raw, place)
        place += _HEAD.size
        end = place + entries * _ENTRY.size
        if end > len(raw):
            break
        clock = {Origin(origin): seq for origin, seq in _ENTRY.iter_unpack(raw[place:end])}
        heard[DeviceId(peer)] = (clock, needed)
        place = end
    return heard
