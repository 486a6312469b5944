"""Runs every session file of this directory against the real command line, each in a home of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.session import matches, parse, play

if TYPE_CHECKING:
    from collections.abc import Iterator

SESSIONS = sorted(Path(__file__).parent.glob("*.txt"))


@pytest.fixture
def sandbox() -> Iterator[tuple[Path, dict[str, str]]]:
    """A directory with `swarm` on the PATH, and an environment whose home is in it. Ends a daemon that is left."""
    with tempfile.TemporaryDirectory(prefix="swarm-session-") as name:
        directory = Path(name)
        (directory / "bin").mkdir()
        program = directory / "bin" / "swarm"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m swarm "$@"\n')
        program.chmod(0o755)
        (directory / "home").mkdir(mode=0o700)
        (directory / "home" / "config.toml").write_text('listen = "127.0.0.1:0"\ndht = false\nlan = false\n')
        (directory / "work").mkdir()
        environment = {
            "PATH": f"{directory / 'bin'}:{os.environ['PATH']}",
            "HOME": str(directory),
            "SWARM_HOME": str(directory / "home"),
            "LC_ALL": "C.UTF-8",
        }
        yield directory / "work", environment
        subprocess.run([program, "stop"], env=environment, capture_output=True, timeout=30)


@pytest.mark.parametrize("path", SESSIONS, ids=lambda path: str(path.stem))
def test_a_session_goes_as_it_is_written(path: Path, sandbox: tuple[Path, dict[str, str]]) -> None:
    steps = parse(path.read_text(encoding="utf-8"))
    assert steps
    for step in steps:
        assert not (wrong := play(step, *sandbox)), wrong


def test_there_are_sessions_to_run() -> None:
    assert len(SESSIONS) >= 5


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ([], "", True),
        ([], "x\n", False),
        (["x"], "", False),
        (["a…c"], "abc\n", True),
        (["a…c"], "ab\n", False),
        (["a.c"], "abc\n", False),
        (["…"], "", True),
        (["…"], "a\nb\n", True),
        (["a", "…", "c"], "a\nb\nb\nc\n", True),
        (["a", "…"], "b\na\n", False),
        (["a…"], "a\nb\n", False),
        (["a"], "a", True),
    ],
)
def test_the_wildcard_stands_for_anything_and_nothing_else(pattern: list[str], text: str, fits: bool) -> None:
    assert matches(pattern, text) is fits


def test_a_session_is_read_as_it_is_written() -> None:
    steps = parse("# a comment\n\n$ one\nout\n! err\n? 3\n$ two\n")
    assert [(step.command, step.stdout, step.stderr, step.code) for step in steps] == [
        ("one", ["out"], ["err"], 3),
        ("two", [], [], 0),
    ]
    with pytest.raises(ValueError, match="line 1"):
        parse("out\n")
