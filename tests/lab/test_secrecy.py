"""What whoever runs a relay, or taps its wire, gets to see: none of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab import inside
from tests.lab.meeting import meet, pair
from tests.lab.nat import Kind
from tests.lab.size import some
from tests.live.daemon import settle
from tests.live.tree import write

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from tests.lab.internet import Internet

pytestmark = [pytest.mark.lab, pytest.mark.live]

TEXT = "The quick brown fox jumps over the lazy dog, and nobody on the way may know. "
NAME = "letter-to-a-friend"


def drain(tap: socket.socket) -> bytes:
    """Every frame so far, one after the other."""
    tap.setblocking(False)
    frames = []
    while True:
        try:
            frames.append(tap.recv(1 << 16))
        except BlockingIOError:
            return b"|".join(frames)


@pytest.mark.parametrize("other", some([Kind.RANDOM, Kind.BLOCKED], [Kind.RANDOM]), ids=lambda kind: kind.value)
def test_a_tap_at_the_relay_shows_neither_content_nor_names_nor_folders(
    internet: Internet, tmp_path: Path, other: Kind
) -> None:
    with pair(internet, tmp_path, Kind.RANDOM, other) as two, inside.capture(two.relay_machine.namespace) as tap:
        assert meet(two, stays=0.1).route == "relayed"
        write(two.anna.folder / NAME, TEXT * 2000)
        settle(two.anna, two.bob)
        seen = drain(tap)
        folder = two.anna.report()["id"]
        devices = [daemon.status()["device"]["id"] for daemon in (two.anna, two.bob)]
    assert len(seen) > len(TEXT) * 2000, "the transfer did not go over the relay"
    secrets = [TEXT[:20], TEXT[20:40], NAME, folder, *devices, "anna", "swarmw1"]
    for secret in secrets:
        assert secret.encode() not in seen, secret
    for identifier in (folder, *devices):
        assert bytes.fromhex(identifier) not in seen
