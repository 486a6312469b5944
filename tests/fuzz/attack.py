"""Sends mutated packets to a program's UDP port on loopback, and watches it from outside.

Each source address is a stranger of its own, who sends a few packets: whatever comes back to it is answers to what
nobody has validated. Now and then an honest question is asked, whose answer says that everything before it was read.
"""

from __future__ import annotations

import contextlib
import random
import select
import socket
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fuzz.mutation import mutate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Address = tuple[str, int]

AMPLIFICATION = 3.0  # RFC 9000, section 8.1
STRANGERS = 400  # source ports that are open at a time: late answers (QUIC's repeats) are counted too
PACKETS_EACH = 12  # of one of them, at most
BATCH = 200  # packets between two honest questions: less than the socket's buffer holds
PATIENCE = 20.0  # seconds for an honest answer
WARM_UP = 0.2  # of the packets: caches fill, the memory of a program that has just started grows


class Overrun(AssertionError):
    """The program did what it must not."""


@dataclass(frozen=True)
class Target:
    """A program under attack."""

    pid: int
    address: Address
    corpus: Sequence[bytes]
    honest: bytes  # a question that is always answered
    is_answer: Callable[[bytes], bool]
    log: Path


@dataclass
class Stranger:
    """One source address."""

    socket: socket.socket
    sent: int = 0
    received: int = 0


@dataclass
class Report:
    """What an attack came to."""

    packets: int = 0
    answers: int = 0
    worst: float = 0.0  # answered bytes per asked byte, of one stranger
    memory: list[int] = field(default_factory=list)  # bytes, once a batch
    seconds: float = 0.0

    @property
    def growth(self) -> int:
        """Bytes of memory, from the end of the warm-up to the end."""
        return self.memory[-1] - self.memory[int(len(self.memory) * WARM_UP)] if self.memory else 0

    def __str__(self) -> str:
        memory = f"memory {self.memory[-1] >> 20} MiB, {self.growth / 2**20:+.1f} MiB"
        return (
            f"{self.packets} packets in {self.seconds:.0f} s, {self.answers} answers, "
            f"at most {self.worst:.2f} bytes for one; {memory}"
        )


def attack(target: Target, packets: int, seed: int = 0) -> Report:
    """Raises Overrun for too large an answer, for a program that has died or does not answer, and for its log."""
    rng = random.Random(seed)
    report = Report()
    strangers: deque[Stranger] = deque()
    begun = time.monotonic()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as honest:
        honest.connect(target.address)
        try:
            while report.packets < packets:
                sent = 0
                while sent < BATCH and report.packets < packets:
                    sent += _send(_stranger(strangers, target, rng, report), target, rng, report)
                be_honest(honest, target)
                _collect(strangers, report)
                report.memory.append(memory_of(target.pid))
            time.sleep(1.0)  # for QUIC's repeats, which a timer sends
            _collect(strangers, report)
        finally:
            for stranger in strangers:
                stranger.socket.close()
    report.seconds = time.monotonic() - begun
    check_log(target.log)
    return report


def memory_of(pid: int) -> int:
    """Bytes of it that are in memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) << 10
    raise Overrun(f"the program {pid} has ended")


def check_log(log: Path) -> None:
    """Raises Overrun where an exception got as far as the log."""
    text = log.read_text(errors="replace")
    for sign in ("Traceback", "Exception in callback", "Task exception", " ERROR ", "Fatal error"):
        if sign in text:
            raise Overrun(f"the log says {sign!r}: {text[text.index(sign) :][:3000]}")


def _stranger(strangers: deque[Stranger], target: Target, rng: random.Random, report: Report) -> Stranger:
    while len(strangers) >= STRANGERS:
        old = strangers.popleft()
        _hear(old, report)
        old.socket.close()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    with contextlib.suppress(OSError):  # on Linux all of 127/8 is here; where it is not, all strangers have one address
        sock.bind((f"127.{rng.randrange(1, 255)}.{rng.randrange(256)}.{rng.randrange(1, 255)}", 0))
    sock.connect(target.address)
    strangers.append(Stranger(sock))
    return strangers[-1]


def _send(stranger: Stranger, target: Target, rng: random.Random, report: Report) -> int:
    count = rng.randrange(1, PACKETS_EACH)
    for _ in range(count):
        data = mutate(rng, target.corpus)
        try:
            stranger.socket.send(data)
        except OSError as error:
            raise Overrun(f"the port does not take packets any more: {error}") from error
        stranger.sent += len(data)
        report.packets += 1
    return count


def be_honest(honest: socket.socket, target: Target) -> None:
    """Asks something that is always answered. Raises Overrun when it is not."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            honest.send(target.honest)
            while select.select([honest], [], [], 0.25)[0]:
                if target.is_answer(honest.recv(65_536)):
                    return
        except ConnectionRefusedError as error:
            raise Overrun("the port is closed") from error
    raise Overrun("an honest question is not answered any more")


def _collect(strangers: deque[Stranger], report: Report) -> None:
    for stranger in strangers:
        _hear(stranger, report)


def _hear(stranger: Stranger, report: Report) -> None:
    while True:
        try:
            stranger.received += len(stranger.socket.recv(65_536))
        except BlockingIOError:
            break
        except OSError as error:
            raise Overrun(f"the port is closed: {error}") from error
        report.answers += 1
    ratio = stranger.received / stranger.sent
    report.worst = max(report.worst, ratio)
    if ratio > AMPLIFICATION:
        raise Overrun(f"{stranger.received} bytes in answer to {stranger.sent} of a stranger")
