"""The completion scripts in the shells that they are for. A shell that is not installed is skipped."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

QUIET = 0.3  # seconds without a word before what a shell has drawn is all of it
CASES = (
    ("swarm stat", "status"),
    ("swarm --ver", "--version"),
    ("swarm wait --time", "--timeout"),
    ("swarm service unin", "uninstall"),
    ("swarm run --log-level deb", "debug"),
    ("swarm leave let", "letters/"),
    ("swarm restore rep", "report.txt"),
)


def script(shell: str, directory: Path) -> str:
    """The completion script of a shell, in a directory with something to complete."""
    (directory / "letters").mkdir()
    (directory / "report.txt").touch()
    command = [sys.executable, "-P", "-m", "swarm", "completion", shell]
    place = directory / f"completion.{shell}"
    place.write_text(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return str(place)


def installed(shell: str) -> str:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed")
    return found


def test_bash_completes(tmp_path: Path) -> None:
    place = script("bash", tmp_path)
    for typed, wanted in CASES:
        words = typed.split()
        ask = f'source {place}; COMP_WORDS=({typed}) COMP_CWORD={len(words) - 1}; _swarm; echo "${{COMPREPLY[@]}}"'
        answer = subprocess.run([installed("bash"), "-c", ask], capture_output=True, text=True, cwd=tmp_path)
        assert answer.stderr == ""
        assert answer.stdout.split() == [wanted.rstrip("/")], typed  # the shell itself adds the slash


def test_fish_completes(tmp_path: Path) -> None:
    place = script("fish", tmp_path)
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    for typed, wanted in CASES:
        answer = subprocess.run(
            [installed("fish"), "--no-config", "-c", f"source {place}; complete -C '{typed}'"],
            env=environment,
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )
        assert answer.stderr == ""
        assert [line.split("\t")[0] for line in answer.stdout.splitlines()] == [wanted], typed


def test_zsh_completes(tmp_path: Path) -> None:
    place = script("zsh", tmp_path)
    program = installed("zsh")
    terminal, inside = pty.openpty()
    environment = {"PATH": os.environ["PATH"], "TERM": "dumb", "HOME": str(tmp_path)}
    with subprocess.Popen(
        [program, "-f", "-i"], stdin=inside, stdout=inside, stderr=inside, cwd=tmp_path, env=environment
    ) as shell:
        os.close(inside)
        try:
            complete_in_zsh(terminal, place)
        finally:
            shell.kill()
            os.close(terminal)


def complete_in_zsh(terminal: int, place: str) -> None:
    os.write(terminal, f"autoload -Uz compinit; compinit -u -D; source {place}; echo re''ady\n".encode())
    read_until(terminal, lambda text: "ready" in text)
    for typed, wanted in CASES:
        os.write(terminal, typed.encode() + b"\t")
        completed = " ".join([*typed.split()[:-1], wanted])
        assert completed in read_until(terminal, lambda text, line=completed: line in text)  # type: ignore[misc]
        os.write(terminal, b"\x15")  # Ctrl-U: the line is forgotten
        read_until(terminal, lambda _: True)


def read_until(terminal: int, done: Callable[[str], bool]) -> str:
    """What the shell draws, until it is enough and nothing more comes."""
    drawn = b""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], QUIET)[0]:
            drawn += os.read(terminal, 1 << 16)
        elif done(drawn.decode(errors="replace")):
            break
    return drawn.decode(errors="replace")
