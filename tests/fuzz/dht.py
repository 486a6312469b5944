"""A DHT node on a real socket: the relay's, which serves it from its first second. Every question, every answer."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from swarm.discovery.dht import messages
from swarm.discovery.dht.provider import RECORD_BYTES, SLOT_BYTES
from tests.fuzz import relay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fuzz.attack import Target

ME = bytes(range(20))
HONEST = b"an honest question !"


def corpus() -> list[bytes]:
    """Messages that a node takes, or would take if the token in them were right."""
    token, record, key = bytes(messages.TOKEN_BYTES), bytes(RECORD_BYTES), bytes(32)
    place = b"\x7f\x00\x00\x01\xb9\x72"
    questions: list[messages.Question] = [
        messages.Ping(ME, True),
        messages.Ping(ME, False),
        messages.Find(ME, True, bytes(20), bytes(200)),
        messages.Get(ME, True, bytes(20), b"", bytes(360)),
        messages.Get(ME, True, bytes(20), bytes(SLOT_BYTES), bytes(360)),
        messages.Put(ME, True, token, key, record),
        messages.Check(ME, True, token),
        messages.Reach(ME, True, place),
    ]
    answers: list[messages.Answer] = [
        messages.Pong(ME, True, place, token),
        messages.Found(ME, True, place, (ME + place,) * 3),
        messages.Got(ME, True, place, (ME + place,), token, key, (record,), False),
        messages.Done(ME, True, place, 0),
    ]
    packed = [bytes([messages.QUESTION]) + ME + messages.QUESTIONS.pack(question) for question in questions]
    return packed + [bytes([messages.ANSWER]) + ME + messages.ANSWERS.pack(answer) for answer in answers]


def _is_pong(answer: bytes) -> bool:
    return answer[: messages.HEAD_BYTES] == bytes([messages.ANSWER]) + HONEST


@contextlib.contextmanager
def running(base: Path) -> Iterator[Target]:
    """A relay whose DHT is attacked."""
    with relay.running(base) as target:
        question = bytes([messages.QUESTION]) + HONEST + messages.QUESTIONS.pack(messages.Ping(ME, False))
        yield replace(target, corpus=corpus(), honest=question, is_answer=_is_pong)
