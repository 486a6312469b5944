"""Ctrl-C before a command has begun, and after it is done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from swarm.errors import EXIT_INTERRUPTED, EXIT_USAGE

INTERRUPT = "import os, signal; os.kill(os.getpid(), signal.SIGINT)\n"
ROOT = Path(__file__).parents[2]


def run(tmp_path: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Modules of tmp_path stand in for those of Python's library."""
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}", "SWARM_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-m", program, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("program", "module"),
    [("swarm", "argparse"), ("swarm", "difflib"), ("relay", "argparse"), ("relay", "asyncio")],
)
def test_an_interrupt_while_modules_are_imported_is_quiet(tmp_path: Path, program: str, module: str) -> None:
    """argparse is imported before there is a command, difflib by one that nobody knows."""
    (tmp_path / f"{module}.py").write_text(INTERRUPT)
    ended = run(tmp_path, program, "statsu")
    assert (ended.returncode, ended.stdout, ended.stderr) == (EXIT_INTERRUPTED, "", "")


def test_an_interrupt_after_the_command_changes_nothing(tmp_path: Path) -> None:
    at_exit = f"import atexit; atexit.register(lambda: exec({INTERRUPT!r}))\n"
    (tmp_path / "difflib.py").write_text(f"{at_exit}def get_close_matches(*_, **__): return []\n")
    assert_complained(run(tmp_path, "swarm", "statsu"))


def test_where_interrupts_are_ignored_they_stay_ignored(tmp_path: Path) -> None:
    """As in a script that runs the command in the background."""
    (tmp_path / "difflib.py").write_text(f"{INTERRUPT}def get_close_matches(*_, **__): return []\n")
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        ended = run(tmp_path, "swarm", "statsu")
    finally:
        signal.signal(signal.SIGINT, before)
    assert_complained(ended)


def assert_complained(ended: subprocess.CompletedProcess[str]) -> None:
    assert ended.returncode == EXIT_USAGE
    assert ended.stderr.startswith("swarm: error: there is no command 'statsu'")
    assert len(ended.stderr.splitlines()) == 2
