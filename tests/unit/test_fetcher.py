"""What the fetcher makes of a member that is slow, and of one that is stuck."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.ids import ContentId, DeviceId
from swarm.sync.events import Ask, DataArrived
from swarm.sync.fetcher import REQUEST_TIMEOUT, Fetcher
from swarm.sync.memory_store import MemoryStore

if TYPE_CHECKING:
    from swarm.sync.events import Effect

BOB = DeviceId(b"b" * 32)
FIRST, SECOND = (ContentId(letter * 32) for letter in (b"1", b"2"))


def two_requests() -> tuple[Fetcher, list[int]]:
    """A fetcher that has asked Bob for two small files, one after the other; and the requests' numbers."""
    effects: list[Effect] = []
    fetcher = Fetcher(MemoryStore(), out=effects.append, ready=lambda _: None, failed=lambda *_: None)
    fetcher.member_up(BOB)
    for path, content in (("one", FIRST), ("two", SECOND)):
        fetcher.want(path, content, 100)
        fetcher.pump(0.0)
    return fetcher, [effect.request for effect in effects if isinstance(effect, Ask)]


def test_a_request_that_waits_behind_another_is_not_given_up() -> None:
    fetcher, (first, second) = two_requests()
    fetcher.data(DataArrived(BOB, first, (), (), last=False), REQUEST_TIMEOUT - 10)
    fetcher.pump(REQUEST_TIMEOUT + 10)
    assert set(fetcher._requests) == {first, second}


def test_a_member_that_says_nothing_for_a_minute_is_given_up() -> None:
    fetcher, (first, _) = two_requests()
    fetcher.data(DataArrived(BOB, first, (), (), last=False), 10)
    fetcher.pump(REQUEST_TIMEOUT + 10)
    assert not fetcher._requests
