"""What was asked of a relay and is not answered yet: said again with growing pauses, given up after a while. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from swarm.wire.relay_message import Lookup, Open, SetTopics

FIRST_PAUSE: Final = 0.25  # seconds until something is said again; doubles up to
LONGEST_PAUSE: Final = 2.0
QUESTION_SECONDS: Final = 5.0  # until nobody is expected to answer any more
MAX_QUESTIONS: Final = 64  # waiting; a device asks for its folders and their members, a few at a time

Question: TypeAlias = Lookup | Open | SetTopics


class Retry:
    """When to say something again, and when to give up."""

    __slots__ = ("ends_at", "next_at", "pause")

    def __init__(self, now: float, seconds: float) -> None:
        """`seconds`: after which it is given up."""
        self.ends_at = now + seconds
        self.begin(now)

    def begin(self, now: float) -> None:
        """It is said for the first time; when to give up stays."""
        self.pause = FIRST_PAUSE
        self.next_at = now + FIRST_PAUSE

    def again(self, now: float) -> None:
        """It is said again."""
        self.pause = min(2 * self.pause, LONGEST_PAUSE)
        self.next_at = now + self.pause

    @property
    def wake_at(self) -> float:
        return min(self.next_at, self.ends_at)


@dataclass(slots=True)
class _Waiting:
    question: Question
    retry: Retry


class Questions:
    """By number."""

    def __init__(self) -> None:
        self._waiting: dict[int, _Waiting] = {}
        self._last = 0

    @property
    def full(self) -> bool:
        return len(self._waiting) >= MAX_QUESTIONS

    @property
    def wake_at(self) -> float | None:
        return min((waiting.retry.wake_at for waiting in self._waiting.values()), default=None)

    def number(self) -> int:
        """For the next question."""
        self._last = self._last % (2**32 - 1) + 1
        return self._last

    def add(self, question: Question, now: float) -> None:
        """It was asked, or is to be once there is somebody to ask."""
        self._waiting[question.request] = _Waiting(question, Retry(now, QUESTION_SECONDS))

    def answered(self, request: int) -> Question | None:
        """The question of that number, which no longer waits."""
        waiting = self._waiting.pop(request, None)
        return waiting.question if waiting else None

    def begin(self, now: float) -> list[Question]:
        """There is somebody to ask: all that wait, to be asked now."""
        for waiting in self._waiting.values():
            waiting.retry.begin(now)
        return [waiting.question for waiting in self._waiting.values()]

    def due(self, now: float) -> tuple[list[Question], list[Question]]:
        """Those to be asked again now, and those that are given up."""
        again, over = [], []
        for request, waiting in list(self._waiting.items()):
            if now >= waiting.retry.ends_at:
                del self._waiting[request]
                over.append(waiting.question)
            elif now >= waiting.retry.next_at:
                waiting.retry.again(now)
                again.append(waiting.question)
        return again, over

    def forget_topics(self) -> None:
        """Other topics are wanted, or a registration will say them."""
        for request, waiting in list(self._waiting.items()):
            if isinstance(waiting.question, SetTopics):
                del self._waiting[request]

    def clear(self) -> None:
        self._waiting.clear()
