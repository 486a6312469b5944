"""Intents: what the installer was told and has not reported is in doubt after a run that ended."""

from __future__ import annotations

from swarm.ids import ContentId, Kind
from swarm.sync.files import Stat
from swarm.sync.intents import Intents
from swarm.sync.memory_store import MemoryStore
from swarm.sync.operation import MakeDirectory, MoveFile, Outcome, Result
from swarm.sync.store import Local

HERE, THERE = MakeDirectory("d/ü", 0o755), MakeDirectory("e", 0o755)
CONTENT = ContentId(b"c" * 32)
EXPECTED = Local(Kind.FILE, 1, 0o644, 1, 1, 1, CONTENT, "", ())
MADE = Stat(Kind.DIRECTORY, 0, 0o755, 1, 1, 1, 1)


def done(operation: MakeDirectory) -> Result:
    return Result(operation, Outcome.DONE, MADE)


def test_nothing_is_in_doubt_in_the_run_that_intends_it() -> None:
    store = MemoryStore()
    intents = Intents(store)
    intents.begin([HERE])
    intents.note()
    assert not intents.looked("d/ü")


def test_what_was_not_reported_is_in_doubt_until_it_was_looked_at() -> None:
    store = MemoryStore()
    intents = Intents(store)
    intents.begin([HERE, THERE])
    intents.note()
    intents.end([done(THERE)])
    intents.note()
    store.commit()
    again = Intents(store)
    assert not again.looked("e")
    assert again.looked("d/ü")
    assert not again.looked("d/ü")
    again.note()
    store.commit()
    assert not Intents(store).looked("d/ü")


def test_what_was_done_and_does_not_last_is_in_doubt_when_the_disk_was_away() -> None:
    intents = Intents(MemoryStore())
    intents.begin([HERE, THERE])
    intents.end([done(THERE), Result(HERE, Outcome.FAILED, MADE)])
    intents.begin([HERE])
    intents.end([Result(HERE, Outcome.RACED)])
    intents.doubt()
    assert not intents.looked("e")
    assert intents.looked("d/ü")


def test_a_doubt_outlives_a_second_run_that_does_not_look() -> None:
    store = MemoryStore()
    first = Intents(store)
    first.begin([HERE])
    first.note()
    store.commit()
    second = Intents(store)
    second.begin([THERE])
    second.note()
    store.commit()
    third = Intents(store)
    assert third.looked("d/ü")
    assert third.looked("e")


def test_what_is_reported_by_a_later_run_is_in_doubt_no_more() -> None:
    store = MemoryStore()
    first = Intents(store)
    first.begin([HERE])
    first.note()
    store.commit()
    second = Intents(store)
    second.begin([HERE])
    second.end([done(HERE)])
    second.note()
    assert store.get("intended") is None


def test_what_was_to_be_put_there_is_known_as_long_as_it_is_in_doubt() -> None:
    store = MemoryStore()
    first = Intents(store)
    first.begin([HERE, MoveFile("old", EXPECTED, "new", CONTENT, 0o644, 1)])
    first.note()
    store.commit()
    second = Intents(store)
    assert [second.intended(path) for path in ("d/ü", "old", "new", "other")] == [b"", b"", CONTENT, b""]
    assert second.looked("new")
    assert second.intended("new") == b""


def test_what_went_wrong_is_in_doubt_when_the_disk_was_away_unless_it_was_looked_at() -> None:
    intents = Intents(MemoryStore())
    intents.begin([HERE, THERE])
    intents.end([Result(HERE, Outcome.RACED), Result(THERE, Outcome.RACED)])
    assert not intents.looked("e")
    intents.doubt()
    assert intents.looked("d/ü")
    assert not intents.looked("e")
