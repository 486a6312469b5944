"""The table that people read, and the numbers and times in it."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from swarm.cli import terminal
from swarm.cli.format import amount, below_home, moment, plural
from swarm.cli.status import table

NOW = datetime(2026, 1, 5, 18, 0, tzinfo=UTC)  # a Monday


def member(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "device": "ab",
        "name": name,
        "role": "write",
        "connected": True,
        "in_sync": True,
        "need_bytes": 0,
        "route": "direct",
        "address": "192.0.2.9:47474",
        "rtt_ms": 0.42,
        "last_seen": "2026-01-02T18:02:00Z",
        **changes,
    }


def folder(**changes: Any) -> dict[str, Any]:
    return {
        "id": "00ff",
        "name": "Docs",
        "path": "/home/anna/Docs",
        "role": "write",
        "state": "in-sync",
        "why": None,
        "root": "aa",
        "files": 1204,
        "bytes": 3_100_000_000,
        "need_files": 0,
        "need_bytes": 0,
        "cannot": 0,
        "conflicts": 0,
        "peers": [],
        **changes,
    }


def shown(*folders: dict[str, Any]) -> list[str]:
    return table({"folders": list(folders)}, NOW)


def test_the_table_is_as_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/anna")
    peers = [
        member("nas"),
        member("vps", route="relayed", rtt_ms=31.2),
        member("laptop", connected=False, in_sync=False, behind=14, route=None, rtt_ms=None),
    ]
    assert shown(folder(peers=peers)) == [
        "Docs  ~/Docs  1,204 files  3.1 GB                       latest on 2 of 3",
        "  nas     identical    direct   0.4 ms",
        "  vps     identical    relayed  31 ms",
        "  laptop  14 behind    last seen Fri 18:02, 2 days ago",
    ]


def test_what_is_not_well_is_said() -> None:
    lines = shown(
        folder(state="syncing", need_files=14, need_bytes=3_200_000, conflicts=2, cannot=1),
        folder(state="waiting", why="the disk is away"),
    )
    assert lines[1:4] == [
        "  syncing: 14 files, 3.2 MB to come",
        "  2 conflicts",
        "  1 file cannot be held by this device",
    ]
    assert lines[4] == ""
    assert lines[6] == "  waiting: the disk is away"
    assert "on no other device" in lines[0]


def test_what_cannot_be_held_is_named_the_first_of_it() -> None:
    paths = [{"path": f"bad\x1b{number}", "why": "a path is not Unicode text"} for number in range(5)]
    lines = shown(folder(cannot=5, cannot_paths=paths))
    assert lines[1] == "  5 files cannot be held by this device"
    assert len(lines) == 1 + 1 + 3 + 1
    assert lines[2].endswith("0: a path is not Unicode text")
    assert "\x1b" not in lines[2]
    assert lines[5] == "    … swarm status --json lists more"


def test_a_member_that_was_never_seen_and_one_without_a_number() -> None:
    lines = shown(
        folder(
            peers=[
                member("a", connected=False, in_sync=False, last_seen=None),
                member("b", rtt_ms=None, in_sync=False),
            ]
        )
    )
    assert lines[1:] == ["  a  unknown      never seen", "  b  behind       direct"]


def test_a_copy_that_only_reads_says_so() -> None:
    assert shown(folder(role="read"))[1:] == ["  read-only: what is changed here stays here"]


def test_a_copy_with_changes_of_its_own_is_not_called_identical() -> None:
    lines = shown(folder(peers=[member("nas", role="read", local_changes=1200), member("vps")]))
    assert lines[0].endswith("latest on 1 of 2")
    assert lines[1:] == ["  nas  1,200 changed  direct  0.4 ms", "  vps  identical      direct  0.4 ms"]


def test_local_changes_are_named_the_first_of_them() -> None:
    lines = shown(
        folder(role="read", state="held", why="4 made here", local_changes=4, changed_paths=[*"\x1bbcd"], conflicts=1)
    )
    assert lines[2:] == [
        "  held: 4 made here",
        "    \N{REPLACEMENT CHARACTER}",
        "    b",
        "    c",
        "    … swarm status --json lists more",
        "  1 conflict",
    ]


def test_who_is_away_and_had_everything_has_the_latest() -> None:
    away = {"connected": False, "in_sync": False, "route": None, "rtt_ms": None}
    lines = shown(folder(peers=[member("a", **away, behind=0), member("b", need_files=1200, behind=3, in_sync=False)]))
    assert lines[0].endswith("latest on 1 of 2")
    assert lines[1:] == ["  a  identical     last seen Fri 18:02, 2 days ago", "  b  1,200 behind  direct  0.4 ms"]


def test_a_name_from_another_machine_cannot_paint() -> None:
    text = "\n".join(shown(folder(name="D\x1b[31m\nocs", why="w\x07", state="error", peers=[member("e\x1b]0;x\x07")])))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert len(text.splitlines()) == 3


def test_a_pipe_and_no_color_get_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        closed = False

        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    stream: Any = Terminal()
    assert terminal.colour("x", "green", stream) == "\x1b[32mx\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert terminal.colour("x", "green", stream) == "x"
    monkeypatch.delenv("NO_COLOR")
    with open(os.devnull) as pipe:
        assert terminal.colour("x", "green", pipe) == "x"


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (9_949, "9.9 kB"),
        (9_950, "10 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (3_100_000_000, "3.1 GB"),
        (10**18, "1000 PB"),
    ],
)
def test_bytes_as_people_say_them(size: int, text: str) -> None:
    assert amount(size) == text


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (timedelta(0), "18:00, just now"),
        (timedelta(seconds=-5), "18:00, just now"),
        (timedelta(seconds=1), "17:59, 1 second ago"),
        (timedelta(minutes=59), "17:01, 59 minutes ago"),
        (timedelta(hours=2), "16:00, 2 hours ago"),
        (timedelta(days=3), "Fri 18:00, 3 days ago"),
        (timedelta(days=7), "2025-12-29, 7 days ago"),
    ],
)
def test_a_moment_as_people_say_it(ago: timedelta, text: str) -> None:
    assert moment((NOW - ago).isoformat().replace("+00:00", "Z"), NOW).replace("18:00:05", "18:00") == text


def test_a_moment_is_shown_in_the_readers_zone() -> None:
    there = NOW.astimezone(timezone(timedelta(hours=2)))
    assert moment("2026-01-05T17:00:00Z", there) == "19:00, 1 hour ago"
    assert moment("2026-01-05T17:00:00", there) == "19:00, 1 hour ago"
    assert moment("once", NOW) == "once"


def test_small_words(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (plural(0, "file"), plural(1, "file"), plural(1204, "file")) == ("0 files", "1 file", "1,204 files")
    monkeypatch.setenv("HOME", "/home/anna/")
    assert [below_home(path) for path in ("/home/anna", "/home/anna/x", "/home/annabel", "/")] == [
        "~",
        "~/x",
        "/home/annabel",
        "/",
    ]
