"""Every day a small attack on each socket; `scripts/fuzz` does the large ones."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import threading
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

from tests.fuzz.__main__ import TARGETS
from tests.fuzz.attack import Overrun, Target, attack, check_log
from tests.fuzz.mutation import LARGEST, MUTATORS, mutate
from tests.fuzz.streams import attack_streams

if TYPE_CHECKING:
    from pathlib import Path

PACKETS = 3_000
GROWTH = 8 << 20  # bytes: an allocator's whims; 100,000 packets that leave 100 bytes each are beyond it


@pytest.mark.live
@pytest.mark.parametrize("name", TARGETS)
def test_mutated_packets_harm_nobody(name: str, tmp_path: Path) -> None:
    with import_module(f"tests.fuzz.{name}").running(tmp_path) as target:
        report = attack(target, PACKETS, random.randrange(1 << 32))
    print(f"{name}: {report}")
    assert report.packets >= PACKETS
    assert report.answers > 0
    assert report.growth < GROWTH


@pytest.mark.live
@pytest.mark.parametrize("name", ["node", "relay"])
def test_nonsense_over_tcp_harms_nobody(name: str, tmp_path: Path) -> None:
    with import_module(f"tests.fuzz.{name}").running(tmp_path) as target:
        secure, growth = attack_streams(target, 60, random.randrange(1 << 32))
    print(f"{name}: {secure} over TLS, {growth / 2**20:+.1f} MiB")
    assert secure > 5
    assert growth < GROWTH


@pytest.mark.parametrize("mutator", MUTATORS, ids=lambda mutator: mutator.__name__)
def test_every_mutator_takes_whatever_the_others_leave(mutator: object) -> None:
    rng = random.Random(1)
    assert callable(mutator)
    for size in (0, 1, 2, 33, 1200):
        for _ in range(50):
            mutator(rng, bytearray(rng.randbytes(size)), [b"\x20" * 17, b"\xc0"])


def test_a_seed_makes_the_same_packets() -> None:
    corpus = [b"\x20" + bytes(16), bytes(1200)]
    one, other = ([mutate(rng, corpus) for _ in range(500)] for rng in (random.Random(7), random.Random(7)))
    assert one == other
    assert all(0 < len(packet) <= LARGEST for packet in one)
    assert len(set(one)) > 300


def test_whoever_answers_with_four_times_as_much_is_caught(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as loud:
        loud.bind(("127.0.0.1", 0))

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    data, address = loud.recvfrom(2000)
                    loud.sendto(data if data == b"honest" else data[:300] * 4, address)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        target = Target(os.getpid(), loud.getsockname(), [bytes(100)], b"honest", b"honest".__eq__, log)
        with pytest.raises(Overrun, match="in answer to"):
            attack(target, 100)


def test_an_exception_in_the_log_is_an_overrun(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("info: well\nTraceback (most recent call last):\n")
    with pytest.raises(Overrun):
        check_log(log)
