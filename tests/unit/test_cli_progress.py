"""Live lines: what they say, when they end, and that Ctrl-C only detaches."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from swarm.cli import live, progress
from swarm.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator


def state(**changes: Any) -> dict[str, Any]:
    plain = {"id": "00ff", "name": "Docs", "state": "in-sync", "why": None, "at": None, "peers": [{"connected": True}]}
    return {**plain, "need_files": 0, "need_bytes": 0, "files": 3, "bytes": 1500, "fetched_bytes": 0, **changes}


class Events:
    """In place of a client: events, then what is raised."""

    def __init__(self, *events: tuple[str, dict[str, Any]] | BaseException) -> None:
        self._events = events

    def events(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for event in self._events:
            if isinstance(event, BaseException):
                raise event
            yield event


@pytest.mark.parametrize(
    ("folder", "alone", "expected"),
    [
        (state(), 0.0, "identical with 1 device"),
        (state(peers=[]), 1.0, None),
        (state(state="waiting", peers=[{"connected": False}]), 1.0, None),
        (state(state="waiting", peers=[]), 60.0, "nobody is online; it goes on"),
        (state(state="syncing"), 60.0, None),
        (state(state="held", why="too many deletions"), 0.0, "held: too many deletions"),
        (state(state="error"), 0.0, "error: swarm status says more"),
    ],
)
def test_a_join_is_followed_until_there_is_nothing_to_wait_for(
    folder: dict[str, Any], alone: float, expected: str | None
) -> None:
    verdict = progress.joined(folder, alone)
    assert verdict == expected or (verdict is not None and expected is not None and verdict.startswith(expected))


def test_a_share_is_followed_until_everything_was_looked_at() -> None:
    assert progress.indexed(state(state="scanning"), 0.0) is None
    assert progress.indexed(state(state="waiting", why="no other device is online"), 99.0) == "3 files, 1.5 kB"


def test_the_line_says_what_is_read_and_what_is_to_come() -> None:
    rate = progress.Rate()
    assert progress.line(state(state="scanning", at="a/b"), rate) == "Indexing Docs  3 files, 1.5 kB  a/b"
    coming = state(state="syncing", need_files=2, need_bytes=30_000_000)
    assert progress.line(coming, rate) == "2 files, 30 MB to come"
    rate.take(0, 10.0)
    rate.take(20_000_000, 20.0)
    assert progress.line(coming, rate) == "2 files, 30 MB to come  2.0 MB/s, 15 s left"


def test_a_rate_forgets_what_was_long_ago_and_starts_over_with_the_daemon() -> None:
    rate = progress.Rate()
    for second in range(30):
        rate.take(second * 1000 if second < 15 else 15_000, float(second))
    assert rate.per_second == 0.0
    assert rate.left(1) == ""
    rate.take(10, 30.0)
    rate.take(2010, 32.0)
    assert rate.per_second == 1000.0


def test_progress_is_shown_and_has_a_last_word(capsys: pytest.CaptureFixture[str]) -> None:
    syncing = {"folders": [state(state="syncing", need_files=2, need_bytes=1500)]}
    daemon: Any = Events(("status", syncing), ("folder", state()))
    progress.follow(daemon, "00ff", progress.joined)
    shown = capsys.readouterr().err
    assert "2 files, 1.5 kB to come" in shown
    assert shown.endswith("identical with 1 device\n")


def test_ctrl_c_detaches(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt

    daemon: Any = Events(("status", {"folders": [state()]}))
    progress.follow(daemon, "00ff", interrupted)
    assert progress.IN_BACKGROUND in capsys.readouterr().err


def test_a_folder_that_is_left_meanwhile_ends_it_and_so_does_the_daemon() -> None:
    daemon: Any = Events(("status", {"folders": [state(state="syncing")]}), ("gone", {"id": "00ff"}))
    progress.follow(daemon, "00ff", progress.joined)
    daemon = Events(UserError("not running"))
    with pytest.raises(UserError, match="not running"):
        progress.follow(daemon, "00ff", progress.joined)
    daemon = Events(("status", {"folders": [state(state="syncing")]}))
    with pytest.raises(UserError, match="the daemon ended"):
        progress.follow(daemon, "00ff", progress.joined)


def test_events_are_put_together_to_a_status() -> None:
    one, other = state(), state(id="11", name="Other")
    daemon: Any = Events(
        ("status", {"device": {"name": "anna"}, "folders": [one]}),
        ("folder", other),
        ("of a newer daemon", {}),
        ("folder", {**one, "state": "paused"}),
        ("gone", {"id": "00ff"}),
    )
    seen = [[(f["id"], f["state"]) for f in status["folders"]] for status in live.snapshots(daemon)]
    assert seen == [
        [("00ff", "in-sync")],
        [("00ff", "in-sync"), ("11", "in-sync")],
        [("00ff", "paused"), ("11", "in-sync")],
        [("11", "in-sync")],
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_is_drawn_over_and_a_file_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TERM": "xterm", "COLUMNS": "10", "LINES": "3"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    tty = Terminal()
    screen = live.Screen(tty)
    screen.show(["one", "\x1b[1mtwo that is far too long\x1b[0m", "three", "four"])
    screen.show(["five"])
    screen.close()
    drawn = tty.getvalue()
    assert "two that …" in drawn
    assert "four" not in drawn  # three lines are all there is
    assert drawn.index("five") < drawn.rindex("\x1b[2K")  # and it was taken away at the end
    assert drawn.endswith("\x1b[?25h") or "\x1b[?25h" in drawn[drawn.index("five") :]  # the cursor is back
    file = io.StringIO()
    screen = live.Screen(file)
    screen.show(["one"], (1, 2))
    screen.show(["two"])
    screen.close()
    assert file.getvalue() == "one\n\ntwo\n"


@pytest.mark.parametrize(("no_color", "drawn"), [("", True), ("1", False)])
def test_a_bar_is_drawn_where_there_are_colours(monkeypatch: pytest.MonkeyPatch, no_color: str, drawn: bool) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", no_color)
    tty = Terminal()
    screen = live.Screen(tty)
    screen.show(["2 files to come"], (1, 2))
    screen.close()
    assert ("━" in tty.getvalue()) is drawn
    assert drawn or "\x1b[3" not in tty.getvalue()


def test_what_was_there_before_is_no_part_of_the_bar_and_a_new_daemon_begins_anew() -> None:
    fetched = progress.Fetched()
    assert fetched.bar(state(state="syncing", fetched_bytes=500, need_bytes=100)) == (0, 100)
    assert fetched.bar(state(state="syncing", fetched_bytes=540, need_bytes=60)) == (40, 100)
    assert fetched.bar(state(state="syncing", fetched_bytes=10, need_bytes=60)) == (0, 60)
    assert fetched.bar(state(fetched_bytes=70)) is None
    assert fetched.bar(state(state="scanning", need_bytes=5)) is None
