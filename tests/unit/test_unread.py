"""Files that are to be read, and when."""

from __future__ import annotations

from swarm.ids import Kind
from swarm.sync.databases import LONGEST_REST, REST
from swarm.sync.files import Stat
from swarm.sync.found import FIRST_BACKOFF, LAST_BACKOFF
from swarm.sync.pace import COST, FREE, RATE
from swarm.sync.unread import LONGEST_WAIT, Unread


def stat(size: int = 10, mtime_ns: int = 1) -> Stat:
    return Stat(Kind.FILE, size, 0o644, mtime_ns, mtime_ns, 1, 1)


def test_a_file_is_read_once_it_has_rested() -> None:
    files = Unread()
    files.consider("a", stat(), 1.0)
    files.consider("a", stat(11), 1.5)
    assert files.take(1.2) is None
    assert files.take(1.5) == "a"
    assert files.reading["a"].stat.size == 11
    assert files.take(9.0) is None
    assert [files.pressing] == [True]


def test_one_that_never_rests_is_read_all_the_same() -> None:
    files = Unread()
    now = 0.0
    while files.take(now) is None:
        files.consider("log", stat(), now + 0.05)
        now += 0.01
    assert LONGEST_WAIT <= now <= LONGEST_WAIT + 0.1


def test_a_database_may_take_longer_to_rest() -> None:
    files = Unread()
    now = 0.0
    while files.take(now) is None:
        files.consider("mail.db", stat(), now + REST, FIRST_BACKOFF, LONGEST_REST)
        now += 0.1
    assert LONGEST_REST <= now <= LONGEST_REST + REST + 0.2


def test_what_changed_while_it_was_read_is_read_later_and_later() -> None:
    files = Unread()
    now, pauses = 0.0, []
    files.consider("a", stat(), now)
    for _ in range(12):
        assert files.take(now) == "a"
        files.again("a", stat(12), now)
        due = files.next_due()
        assert due is not None
        pauses.append(round(due - now, 6))
        now = due
    assert pauses == sorted(pauses)
    assert abs(pauses[-1] - LAST_BACKOFF) < 0.001


def test_a_path_is_not_read_twice_at_once() -> None:
    files = Unread()
    files.consider("a", stat(), 0.0)
    assert files.take(0.0) == "a"
    files.consider("a", stat(11), 0.0)
    assert files.take(0.0) is None
    files.reading.pop("a")
    assert files.take(1.0) == "a"


def test_a_file_that_is_a_version_again_and_again_is_put_off_until_somebody_waits() -> None:
    files = Unread()
    for _ in range(FREE):
        files.pace.told("log", 10.0)
    files.consider("log", stat(COST), 10.1)
    assert [files.put_off] == ["log"]
    assert [files.pressing] == [False], "what is put off keeps nobody from being in step"
    assert files.next_due() == 10.0 + COST / RATE
    files.consider("other", stat(), 10.2)
    assert [files.pressing] == [True]
    files.hurry(10.3)
    assert [files.put_off] == [""]
    assert files.take(10.3) == "other"
    assert files.take(10.3) == "log"
    files.reading.clear()
    files.consider("log", stat(COST), 10.4)
    assert files.take(10.4) == "log", "as long as somebody waits"
    files.urgent = False
    files.reading.clear()
    files.consider("log", stat(COST), 10.5)
    assert files.put_off == "log"


def test_a_file_that_changes_while_its_reading_takes_long_waits_and_holds_nobody_up() -> None:
    files = Unread()
    files.consider("file", stat(mtime_ns=1), 0.0)
    assert files.take(0.0) == "file"
    files.consider("file", stat(mtime_ns=2), 0.1)
    now, looks = 0.1, 0
    while now < 3 * LONGEST_WAIT:  # in one queue with a large file, say
        assert files.take(now) is None
        due = files.next_due()
        assert due is not None
        assert due > now, "or whoever asks until there is nothing due never ends"
        now, looks = due, looks + 1
    assert looks < 200
    assert not files.has_read("file")
    assert files.take(now) == "file"
