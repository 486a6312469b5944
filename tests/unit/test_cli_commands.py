"""The verbs in-process, over a daemon that is a dictionary of answers."""

from __future__ import annotations

import argparse
import io
import json
import os
import shlex
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from swarm.cli import join, launch, main, terminal
from swarm.errors import EXIT_HELD, UserError
from swarm.ids import FolderId
from swarm.keys.printed import PrintedKey
from swarm.keys.role import Role

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = PrintedKey(Role.WRITE, 0, FolderId(bytes(16)), bytes(32)).encode()
JOINED = {"key": KEY, "folder": "00ff", "name": "Docs", "path": "/home/anna/Docs", "notes": ["nobody is online yet"]}


class Answers:
    """In place of a client: answers by verb; an exception is raised, a list is gone through."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def call(self, verb: str, **arguments: Any) -> Any:
        self.calls.append((verb, arguments))
        answer = self.answers[verb]
        if isinstance(answer, list):
            answer = answer.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def ask(self, question: str) -> Any:
        return self.call(question)


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answers]:
    def install(**answers: Any) -> Answers:
        fake = Answers(**answers)
        monkeypatch.setattr(launch, "daemon", lambda: fake)
        monkeypatch.setattr(launch, "running_daemon", lambda: fake)
        return fake

    return install


def type_in(monkeypatch: pytest.MonkeyPatch, text: str, *, terminal_there: bool = False) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    monkeypatch.setattr(terminal, "interactive", lambda: terminal_there)


def test_share_prints_the_key_and_nothing_else_on_stdout(
    daemon: Callable[..., Answers], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = daemon(share={"key": KEY, "notes": ["Anyone with this key can read and change Docs.", "LAN only"]})
    monkeypatch.chdir(tmp_path)
    assert main.main(["share", "new", "--name", "Docs"]) == 0
    captured = capsys.readouterr()
    assert captured.out == KEY + "\n"
    assert captured.err == "Anyone with this key can read and change Docs.\nLAN only\n"
    assert fake.calls == [("share", {"path": str(tmp_path / "new"), "name": "Docs"})]
    assert not (tmp_path / "new").exists()


def test_paths_are_made_absolute_before_they_are_sent(
    daemon: Callable[..., Answers], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real" / "below").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real/below")
    fake = daemon(share={"key": KEY, "notes": []})
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path / "real")
    for typed in ("~/x", "./../x", str(tmp_path) + "//x/", "../link/../x"):
        assert main.main(["share", typed]) == 0
    root = os.path.realpath(tmp_path)
    assert [arguments["path"] for _, arguments in fake.calls] == [
        f"{tmp_path}/x",
        f"{root}/x",
        f"{tmp_path}/x",
        f"{root}/real/x",
    ]


def test_a_key_comes_from_the_command_line_or_stdin(
    daemon: Callable[..., Answers], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = daemon(join=JOINED)
    for arguments in (["join", KEY], ["join"], ["join", "-"]):
        type_in(monkeypatch, f"\n {KEY} \nmore\n")
        assert main.main(arguments) == 0
    assert fake.calls == [("join", {"key": KEY, "path": None, "merge": False})] * 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Docs is in /home/anna/Docs\nnobody is online yet\n" in captured.err
    assert KEY not in captured.err


HELD = UserError("/home/anna/Docs has files already", "--yes", EXIT_HELD)
FOUND = {
    "member": "nas",
    "whole": True,
    "only_here": 12,
    "only_here_bytes": 3_100_000,
    "only_there": 1204,
    "only_there_bytes": 3_100_000_000,
    "same": 4,
    "differ": 1,
}
TABLE = """\
By size and time, against what nas has:
  only here      12 files  3.1 MB
  only there  1,204 files  3.1 GB
  same            4 files
  differ          1 file
Joining merges: nothing is deleted, and of files that differ both are kept.
"""


def test_a_merge_that_nobody_can_agree_to_is_held(
    daemon: Callable[..., Answers], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = daemon(join=[HELD], preview=FOUND)
    type_in(monkeypatch, "y\n")
    assert main.main(["join", KEY, str(tmp_path)]) == EXIT_HELD
    assert fake.calls[1:] == [("preview", {"deadline": None, "key": KEY, "path": str(tmp_path)})]
    assert capsys.readouterr().err == (
        "swarm: error: /home/anna/Docs has files already: 12 only here, 1,204 only there, 4 same and 1 different, by "
        "size and time against what nas has\nswarm: hint: --yes\n"
    )


def test_yes_merges_and_still_shows_the_preview(
    daemon: Callable[..., Answers], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = daemon(join=[HELD, JOINED], preview=FOUND)
    type_in(monkeypatch, "")
    assert main.main(["join", KEY, str(tmp_path), "--yes"]) == 0
    assert [arguments.get("merge") for _, arguments in fake.calls] == [False, None, True]
    assert TABLE in capsys.readouterr().err


@pytest.mark.parametrize(
    "typed",
    [
        ["wait", "/anna/Docs", "--timeout", "5"],
        ["wait", "--timeout", "5", "/anna/Docs"],
        ["wait", "--timeout", "5", "--", "/anna/Docs"],
    ],
    ids=" ".join,
)
def test_options_stand_before_or_behind_what_they_are_about(daemon: Callable[..., Answers], typed: list[str]) -> None:
    fake = daemon(wait={"missing": []})
    main.main(typed)
    assert fake.calls[0][1]["path"] == "/anna/Docs"


def test_an_option_may_stand_between_the_key_and_the_path(daemon: Callable[..., Answers], tmp_path: Path) -> None:
    (tmp_path / "Docs").mkdir()
    fake = daemon(join=JOINED)
    assert main.main(["join", KEY, "--yes", str(tmp_path / "Docs")]) == 0
    assert fake.calls[-1][1]["path"] == str(tmp_path / "Docs")


def test_where_nobody_is_online_the_question_says_what_is_here(
    daemon: Callable[..., Answers], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon(join=[HELD, JOINED], preview={**FOUND, "member": "", "whole": False})
    type_in(monkeypatch, "")
    assert main.main(["join", KEY, str(tmp_path), "--yes"]) == 0
    said = capsys.readouterr().err
    assert "Nobody of it is online: what is there cannot be counted.\n  here  12 files  3.1 MB\n" in said
    assert "only there" not in said


def test_a_list_that_did_not_come_is_nobodys_absence() -> None:
    found = {**FOUND, "whole": False}
    assert join.preview(found, reads_only=False)[0].startswith("The list of nas did not come in time")
    assert join.in_short(found) == "12 files; the list of nas did not come to compare them with"


def test_a_key_that_only_reads_says_where_files_that_differ_go() -> None:
    assert "yours go to history" in join.preview(FOUND, reads_only=True)[-1]


@pytest.mark.parametrize(
    ("answer", "merged"), [("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False), ("", False)]
)
def test_a_merge_is_agreed_to_on_a_terminal(
    daemon: Callable[..., Answers],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    answer: str,
    merged: bool,
) -> None:
    fake = daemon(join=[HELD, JOINED], preview=FOUND)
    type_in(monkeypatch, answer, terminal_there=True)
    assert main.main(["join", KEY, str(tmp_path)]) == (0 if merged else EXIT_HELD)
    assert len(fake.calls) == (3 if merged else 2)
    assert f"{TABLE}Merge? [y/N] " in capsys.readouterr().err


def test_a_key_on_stdin_is_read_only_so_far(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = io.StringIO("q" * (join.MAX_KEY * 4))
    monkeypatch.setattr("sys.stdin", text)
    assert main.main(["join"]) == 5
    assert text.tell() <= join.MAX_KEY
    assert "far too long" in capsys.readouterr().err


def test_wait_names_what_is_missing_and_exits_4(
    daemon: Callable[..., Answers], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fake = daemon(
        wait=[
            {"done": False, "missing": ["bob lacks 3 files", "nas is away"]},
            {"done": True, "missing": ["nas has 1 local change"]},
        ]
    )
    assert main.main(["wait", "--timeout", "1.5", "--on", "bob", "--peers", "2"]) == 4
    assert "not identical yet: bob lacks 3 files; nas is away" in capsys.readouterr().err
    assert main.main(["wait"]) == 0
    assert capsys.readouterr().err == "nas has 1 local change\n", "it is done, and nas has something else besides"
    limited, unlimited = (arguments for _, arguments in fake.calls)
    assert limited["deadline"] > limited["timeout"] == 1.5
    assert (limited["on"], limited["peers"]) == ("bob", 2)
    assert unlimited["deadline"] is None
    assert unlimited["timeout"] is None
    assert unlimited["path"] == os.path.realpath(tmp_path)


@pytest.mark.parametrize(
    ("option", "kind"), [([], "write"), (["--read-only"], "read"), (["--blind"], "blind"), (["--owner"], "owner")]
)
def test_key_prints_one_line(
    daemon: Callable[..., Answers], capsys: pytest.CaptureFixture[str], option: list[str], kind: str
) -> None:
    fake = daemon(key={"key": "swarmx1"})
    assert main.main(["key", *option]) == 0
    assert capsys.readouterr().out == "swarmx1\n"
    assert fake.calls[0][1]["kind"] == kind


def test_status_as_json_is_what_the_daemon_said(
    daemon: Callable[..., Answers], capsys: pytest.CaptureFixture[str]
) -> None:
    status = {"device": {"name": "änna"}, "folders": []}
    daemon(status=status)
    assert main.main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == status


@pytest.mark.parametrize("verb", main.VERBS)
def test_every_help_ends_in_examples_that_can_be_typed(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main([verb, "--help"]) == 0
    after = capsys.readouterr().out.partition("example")[2].splitlines()[1:]
    assert after, f"swarm {verb} --help has no example"
    for line in after:
        _, _, typed = line.partition("swarm ")
        typed = typed.partition(" <")[0].partition(" |")[0].removesuffix(')"').removesuffix(")")
        words = shlex.split(typed)
        assert words[0] == verb
        parser = argparse.ArgumentParser(exit_on_error=False)
        import_module(f"swarm.cli.{verb}").configure(parser)
        parser.parse_args(words[1:])


def test_a_bug_is_one_line_and_a_traceback_only_on_request(
    daemon: Callable[..., Answers], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon(status=[ZeroDivisionError("x"), ZeroDivisionError("x")])
    monkeypatch.delenv("SWARM_DEBUG", raising=False)
    assert main.main(["status"]) == 1
    quiet = capsys.readouterr().err
    assert "Traceback" not in quiet
    assert quiet.startswith("swarm: error: this is a bug in swarm: ZeroDivisionError: x\nswarm: hint: ")
    monkeypatch.setenv("SWARM_DEBUG", "1")
    assert main.main(["status"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_exits_130_in_silence(daemon: Callable[..., Answers], capsys: pytest.CaptureFixture[str]) -> None:
    daemon(wait=KeyboardInterrupt())
    assert main.main(["wait"]) == 130
    assert capsys.readouterr().err == ""


def test_an_error_from_elsewhere_cannot_paint_on_the_terminal(
    daemon: Callable[..., Answers], capsys: pytest.CaptureFixture[str]
) -> None:
    daemon(status=UserError("a\x1b[2Jb\nc\u202e", "d\r"))
    assert main.main(["status"]) == 1
    assert capsys.readouterr().err == "swarm: error: a\ufffd[2Jb\ufffdc\ufffd\nswarm: hint: d\ufffd\n"
