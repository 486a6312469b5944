"""When files are read that differ from what is known: by calling it, with a time."""

from __future__ import annotations

from swarm.ids import Kind
from swarm.sync.files import Stat
from swarm.sync.unread import LONGEST_WAIT, Unread


def stat(mtime_ns: int) -> Stat:
    return Stat(Kind.FILE, 10, 0o644, mtime_ns, mtime_ns, 5, 1)


def test_a_file_that_changes_while_its_reading_takes_long_waits_and_holds_nobody_up() -> None:
    files = Unread()
    files.consider("file", stat(1), 0.0)
    assert files.take(0.0) == "file"
    files.consider("file", stat(2), 0.1)
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
