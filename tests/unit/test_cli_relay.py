"""`swarm relay`: what is typed, what is asked, what is said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from swarm.cli import launch, main
from swarm.control.client import NotRunning
from swarm.node.relay_list import RelayList
from tests.live.tiny_relay import TinyRelay
from tests.unit.test_cli_commands import Answers

if TYPE_CHECKING:
    from pathlib import Path

RELAY = f"r.example.net:47470~{TinyRelay().place.partition('~')[2]}"
AWAY = {
    "relay": RELAY,
    "state": "connecting",
    "via": None,
    "named": True,
    "public_address": None,
    "why": "the relay r.example.net:47470 cannot be used: no answer",
}


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Answers:
    fake = Answers(**{"relay-add": {"notes": ["Registered."]}, "relay-remove": {"notes": ["Gone."]}})
    fake.answers["relays"] = {
        "relays": [AWAY, {**AWAY, "state": "reserved", "via": "udp", "named": False, "why": None}]
    }
    monkeypatch.setattr(launch, "daemon", lambda: fake)
    return fake


def test_a_relay_is_added_with_the_token_in_a_file(
    daemon: Answers, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    assert main.main(["relay", "add", RELAY, "--token-file", str(token)]) == 0
    assert daemon.calls == [("relay-add", {"relay": RELAY, "token": "s3cret"})]
    out, err = capsys.readouterr()
    assert (out, err) == ("", "Registered.\n")


@pytest.mark.parametrize("typed", [["relay", RELAY], [f"relay {RELAY}"], [RELAY]], ids=["words", "quoted", "bare"])
def test_the_line_that_a_relay_prints_can_be_pasted_whole(daemon: Answers, typed: list[str]) -> None:
    assert main.main(["relay", "add", *typed]) == 0
    assert main.main(["relay", "remove", *typed]) == 0
    assert [(name, arguments["relay"]) for name, arguments in daemon.calls] == [
        ("relay-add", RELAY),
        ("relay-remove", RELAY),
    ]


def test_an_option_may_stand_before_the_relay_as_the_readme_has_it(daemon: Answers, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    assert main.main(["relay", "add", "--token-file", str(token), RELAY]) == 0
    assert daemon.calls == [("relay-add", {"relay": RELAY, "token": "s3cret"})]


def test_a_relay_is_removed(daemon: Answers) -> None:
    assert main.main(["relay", "remove", "r.example.net:47470"]) == 0
    assert daemon.calls == [("relay-remove", {"relay": "r.example.net:47470"})]


def test_relays_are_listed_with_what_is_wrong(daemon: Answers, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["relay", "list"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{RELAY}  connecting",
        "  the relay r.example.net:47470 cannot be used: no answer",
        f"{RELAY}  reserved over udp  told by a key or a member",
    ]
    assert main.main(["relay", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["relays"][0] == AWAY


@pytest.mark.parametrize(
    "typed",
    [
        ["relay", "add"],
        ["relay", "remove"],
        ["relay", "list", "x"],
        ["relay", "list", "--frob", "x"],
        ["relay", "remove", "x", "--token-file", "/dev/null"],
        ["relay", "add", "x", "--token-file", "/dev/null"],
        ["relay", "add", "x", "--token-file", "/nowhere/at/all"],
    ],
)
def test_mistakes_are_wrong_usage(daemon: Answers, typed: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(typed) == 2
    assert daemon.calls == []
    assert "swarm: hint: " in capsys.readouterr().err


def test_without_a_daemon_the_home_is_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake: Any = Answers(**{"relay-add": NotRunning(), "relay-remove": NotRunning()})
    monkeypatch.setattr(launch, "daemon", lambda: fake)
    monkeypatch.setenv("SWARM_HOME", str(tmp_path / "home"))
    assert main.main(["relay", "add", RELAY]) == 0
    assert [str(place) for place in RelayList(tmp_path / "home").places] == [RELAY]
    assert main.main(["relay", "remove", RELAY]) == 0
    assert RelayList(tmp_path / "home").places == []
    assert "No daemon runs" in capsys.readouterr().err
