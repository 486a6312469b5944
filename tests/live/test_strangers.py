"""Who has no key of the folder gets nothing and learns nothing."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest

from tests.live.daemon import Daemon, settle, until
from tests.live.tree import write

if TYPE_CHECKING:
    from tests.live.conftest import MakeDaemon

pytestmark = pytest.mark.live


def with_address_of(key: str, other: Daemon) -> str:
    """The key of one folder with the address of somebody who does not have it."""
    return f"{key.split('+')[0]}+{other.address}+name=docs"


def test_a_stranger_with_a_key_of_another_folder_gets_and_learns_nothing(make_daemon: MakeDaemon) -> None:
    anna, eve, mallory = (make_daemon(name).start() for name in ("anna", "eve", "mallory"))
    write(anna.folder / "secret-name.txt", "secret content")
    write(eve.folder / "public.txt", "public")
    anna.share()
    mallory.join(with_address_of(eve.share(), anna))
    # Not for luck: it is given the time for several attempts, and nothing is the wanted outcome.
    deadline = time.monotonic() + 3.0
    while time.monotonic() < deadline:
        assert not mallory.report()["peers"]
        assert not anna.report()["peers"]
    identity = anna.status()["device"]["id"]
    traces = [path for path in (*mallory.home.rglob("*"), mallory.log) if path.is_file()]
    for path in traces:
        raw = path.read_bytes()
        for secret in (b"anna", b"secret", identity.encode(), bytes.fromhex(identity)):
            assert secret not in raw, path
    assert not list(mallory.folder.glob("*.txt"))
    assert anna.alive


def test_a_device_in_both_swarms_does_not_connect_their_members(make_daemon: MakeDaemon) -> None:
    anna, eve, both = (make_daemon(name).start() for name in ("anna", "eve", "both"))
    write(anna.folder / "of-anna", "a")
    write(eve.folder / "of-eve", "e")
    for owner in (anna, eve):
        both.join(owner.share(), both.folder / owner.name)
    until(lambda: (both.folder / "anna" / "of-anna").exists(), "anna's file")
    until(lambda: (both.folder / "eve" / "of-eve").exists(), "eve's file")
    assert [peer["name"] for peer in anna.report()["peers"]] == ["both"]
    assert [peer["name"] for peer in eve.report()["peers"]] == ["both"]
    assert not list(eve.folder.rglob("of-anna"))


def test_garbage_on_the_port_harms_nobody(pair: tuple[Daemon, Daemon]) -> None:
    anna, bob = pair
    host, _, port = anna.address.rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for length in range(1, 1400):
            sock.sendto(bytes((length * 7 + index * 31) % 256 for index in range(length)), (host, int(port)))
    write(anna.folder / "after.txt", "still here")
    settle(anna, bob)
    assert anna.alive
    assert "Traceback" not in anna.log.read_text()
