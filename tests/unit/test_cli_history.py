"""`history`, `restore`, `deleted` and `revert` in-process, and the API that they speak to."""

from __future__ import annotations

import asyncio
import json
import tempfile
from argparse import ArgumentTypeError
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from swarm.cli import launch, main, when
from swarm.control.api import Api
from swarm.control.client import Client
from swarm.control.past import LAST_MS
from swarm.control.server import serve
from swarm.errors import EXIT_USAGE, UserError
from tests.unit.fake_daemon import FakeDaemon, FakePast

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 11, 20, 20, 30, tzinfo=timezone(timedelta(hours=2)))


class Direct:
    """In place of a client: the fake daemon itself."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.past = FakePast(self.calls)

    def call(self, verb: str, *, deadline: float | None = 1.0, **arguments: Any) -> Any:
        del deadline
        if "version" in arguments:
            arguments["version_id"] = arguments.pop("version")
        return asyncio.run(getattr(self.past, verb)(**arguments))


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Direct:
    direct = Direct()
    monkeypatch.setattr(launch, "daemon", lambda: direct)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "UTC")
    return direct


@pytest.fixture
def swarm(daemon: Direct, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[str, str]]:
    def run(*arguments: str, code: int = 0) -> tuple[str, str]:
        assert main.main(list(arguments)) == code
        captured = capsys.readouterr()
        return captured.out, captured.err

    return run


def test_history_is_a_line_a_version(swarm: Callable[..., tuple[str, str]], daemon: Direct, tmp_path: Path) -> None:
    out, err = swarm("history", "a.txt")
    assert [line.split()[0] for line in out.splitlines()] == ["3fa91c", "00ff00"]
    assert "1.2 kB" in out
    assert err == ""
    assert daemon.calls == [("history", str(tmp_path / "a.txt"))]
    assert swarm("history", "nothing")[0] == ""
    assert json.loads(swarm("history", "a.txt", "--json")[0])["versions"][0]["id"] == "3fa91c"


def test_deleted_shows_names_that_cannot_move_the_cursor(
    swarm: Callable[..., tuple[str, str]], daemon: Direct, tmp_path: Path
) -> None:
    out, _ = swarm("deleted")
    assert out.endswith("  12 bytes  2 versions  gone\N{REPLACEMENT CHARACTER}.txt\n")
    swarm("deleted", "d")
    assert daemon.calls == [("deleted", str(tmp_path), True), ("deleted", str(tmp_path / "d"), False)]
    assert "not in the folder" in swarm("deleted", "nothing")[1]
    assert json.loads(swarm("deleted", "--json")[0])["files"][0]["size"] == 12


def test_restore_says_where_what_was_there_is_now(
    swarm: Callable[..., tuple[str, str]], daemon: Direct, tmp_path: Path
) -> None:
    out, err = swarm("restore", "a.txt", "--version", "3fa91c")
    assert out == ""
    assert "a.txt.kept" in err
    (tmp_path / "d").mkdir()
    assert "what was there" not in swarm("restore", "a.txt", "--at", "1970-01-02T00:00:00+00:00", "--to", "d")[1]
    assert daemon.calls == [
        ("restore", str(tmp_path / "a.txt"), "3fa91c", 0, None),
        ("restore", str(tmp_path / "a.txt"), None, 86_400_000, str(tmp_path / "d" / "a.txt")),
    ]
    swarm("restore", "a.txt", "--version", "3fa91c", "--at", "2h", code=EXIT_USAGE)


def test_revert_says_what_it_did(swarm: Callable[..., tuple[str, str]], daemon: Direct, tmp_path: Path) -> None:
    assert swarm("revert")[1].startswith("2 local changes undone")
    assert "still to come" in swarm("revert", "far")[1]
    assert swarm("revert", "nothing")[1] == "nothing was changed there\n"
    assert daemon.calls[:2] == [("revert", str(tmp_path), True), ("revert", str(tmp_path / "far"), False)]


# -- times


@pytest.mark.parametrize(
    ("text", "then"),
    [
        ("2026-11-20", datetime(2026, 11, 19, 22, 0, tzinfo=UTC)),
        ("2026-11-20 18:02", datetime(2026, 11, 20, 16, 2, tzinfo=UTC)),
        ("2026-11-20T18:02:03+00:00", datetime(2026, 11, 20, 18, 2, 3, tzinfo=UTC)),
        ("2h", datetime(2026, 11, 20, 16, 30, tzinfo=UTC)),
        (" 3d ", datetime(2026, 11, 17, 18, 30, tzinfo=UTC)),
    ],
)
def test_times_are_dates_or_so_long_ago(text: str, then: datetime) -> None:
    assert when.parse(text, NOW) == int(then.timestamp() * 1000)


@pytest.mark.parametrize("text", ["", "yesterday", "-1h", "2026-13-01", "999999999w", "0001-01-01", "2x", "1.5h", "٣h"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="no time"):
        when.parse(text, NOW)


def test_a_time_that_cannot_be_read_is_shown_as_it_is() -> None:
    assert when.here("soon") == "soon"


# -- the API


def test_the_api_checks_arguments_and_passes_them_on() -> None:
    async def run(place: Path) -> None:
        daemon = FakeDaemon()
        server = await serve(Api(daemon), place)
        client = Client(place)
        try:
            for verb, arguments in (
                ("history", {"path": "/d/a"}),
                ("deleted", {"path": "/d", "whole": True}),
                ("restore", {"path": "/d/a", "version": None, "at_ms": 5, "to": "/d/b"}),
                ("revert", {"path": "/d"}),
            ):
                await asyncio.to_thread(client.call, verb, **arguments)
            for verb, arguments in (
                ("history", {"path": "a"}),
                ("history", {"path": "/a", "whole": True}),
                ("deleted", {"path": "/a", "whole": 1}),
                ("restore", {"path": "/a", "at_ms": -1}),
                ("restore", {"path": "/a", "at_ms": LAST_MS + 1}),
                ("restore", {"path": "/a", "to": "b"}),
                ("revert", {}),
            ):
                with pytest.raises(UserError) as caught:
                    await asyncio.to_thread(client.call, verb, **arguments)
                assert caught.value.code == EXIT_USAGE
        finally:
            await server.close()
        assert daemon.calls == [
            ("history", "/d/a"),
            ("deleted", "/d", True),
            ("restore", "/d/a", None, 5, "/d/b"),
            ("revert", "/d", False),
        ]

    with tempfile.TemporaryDirectory(prefix="sw", dir="/tmp") as directory:
        asyncio.run(run(Path(directory) / "api.sock"))
