"""What is made of announcements, without a network."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from ipaddress import ip_network
from typing import TYPE_CHECKING

from swarm.discovery import lan, pseudonym
from swarm.discovery.lan import Lan, Seen

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

DOCS, MUSIC = bytes(32), bytes([1]) * 32
PORT = 47474


class Ear:
    """A Lan, and what it found."""

    def __init__(self) -> None:
        self.found: list[list[tuple[str, int]]] = []
        self.keys = [DOCS]
        self.lan = Lan(
            ("::", PORT),
            addresses=lambda: [("192.168.7.1", PORT)],
            keys=lambda: self.keys,
            on_found=self.found.append,
        )
        self.lan._networks = (ip_network("192.168.7.0/24"),)

    def hear(self, name: bytes, key: bytes, *hosts: str) -> None:
        tags = pseudonym.announce([key], bytes(32), name, PORT, pseudonym.hour_of(time.time()))
        self.lan.heard(name, Seen(PORT, hosts, frozenset(tags)))


def on_loop(scenario: Callable[[Ear], None]) -> None:
    async def whole() -> None:
        scenario(Ear())

    asyncio.run(whole())


def test_a_member_is_found_and_a_stranger_is_not() -> None:
    def scenario(ear: Ear) -> None:
        ear.hear(b"stranger", MUSIC, "192.168.7.3")
        ear.hear(b"memberly", DOCS, "192.168.7.2")
        assert ear.found == [[("192.168.7.2", PORT)]]

    on_loop(scenario)


def test_a_member_with_addresses_elsewhere_is_not_dialled_there() -> None:
    def scenario(ear: Ear) -> None:
        ear.hear(b"memberly", DOCS, "192.0.2.9")
        assert ear.found == []

    on_loop(scenario)


def test_a_folder_joined_later_makes_a_stranger_a_member() -> None:
    def scenario(ear: Ear) -> None:
        ear.hear(b"memberly", MUSIC, "192.168.7.2")
        ear.keys.append(MUSIC)
        ear.lan._look_again()
        assert ear.found == [[("192.168.7.2", PORT)]]

    on_loop(scenario)


def test_ever_new_names_do_not_fill_the_memory() -> None:
    def scenario(ear: Ear) -> None:
        for number in range(lan.MAX_SEEN + 50):
            ear.hear(number.to_bytes(8, "big"), MUSIC, "192.168.7.2")
        assert len(ear.lan._seen) == lan.MAX_SEEN

    on_loop(scenario)


def test_a_network_that_cannot_be_searched_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        ear = Ear()
        tried = asyncio.Event()

        def refuse() -> None:
            tried.set()
            raise OSError("no such device")

        monkeypatch.setattr(ear.lan, "_open", refuse)
        monkeypatch.setattr(lan, "SETTLE_SECONDS", 0.0)
        running = asyncio.create_task(ear.lan.run())
        async with asyncio.timeout(20):
            for _ in range(2):  # and it is tried again when something changes
                await tried.wait()
                tried.clear()
                ear.lan.refresh()
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    with caplog.at_level("INFO", "swarm.lan"):
        asyncio.run(scenario())
    assert "no such device" in caplog.text


def test_the_daemon_is_ready_before_zeroconf_is_loaded() -> None:
    program = "import sys, swarm.node.main; sys.exit('zeroconf' in sys.modules)"
    assert subprocess.run([sys.executable, "-P", "-c", program], timeout=60).returncode == 0
