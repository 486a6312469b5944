"""Sessions as a user types them, in text files, run against the real command line.

    # a comment
    $ swarm status
    what stands on stdout
    ! what stands on stderr
    ? 1

`?` is the exit code, 0 where it is left out. `…` within a line is anything; a line that is only `…` (or `! …`) is any
number of lines. Each command is run by sh, in the same directory and with the same home.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ANYTHING = "…"
COMMAND_TIMEOUT = 60.0  # seconds


@dataclass(slots=True)
class Step:
    """One command and what it must do."""

    line: int
    command: str
    stdout: list[str] = field(default_factory=list)
    stderr: list[str] = field(default_factory=list)
    code: int = 0


def parse(text: str) -> list[Step]:
    steps: list[Step] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#") or not line:
            continue
        if line.startswith("$ "):
            steps.append(Step(number, line[2:]))
        elif not steps:
            raise ValueError(f"line {number} stands before the first command")
        elif line.startswith("! "):
            steps[-1].stderr.append(line[2:])
        elif line.startswith("? "):
            steps[-1].code = int(line[2:])
        else:
            steps[-1].stdout.append(line)
    return steps


def matches(pattern: list[str], text: str) -> bool:
    """Whether the lines of `text` are what the pattern's lines say."""
    expression = "".join(
        "(?:.*\n)*" if line == ANYTHING else ".*".join(map(re.escape, line.split(ANYTHING))) + "\n" for line in pattern
    )
    whole = text if not text or text.endswith("\n") else text + "\n"
    return re.fullmatch(expression, whole) is not None


def play(step: Step, directory: Path, environment: Mapping[str, str]) -> str:
    """Runs one command. Returns what was wrong, "" for nothing."""
    result = subprocess.run(
        ["sh", "-c", step.command],
        cwd=directory,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT,
    )
    right = (
        result.returncode == step.code and matches(step.stdout, result.stdout) and matches(step.stderr, result.stderr)
    )
    if right:
        return ""
    return (
        f"line {step.line}: $ {step.command}\n"
        f"exit code {result.returncode}, expected {step.code}\n"
        f"--- stdout\n{result.stdout}--- stderr\n{result.stderr}--- expected stdout {step.stdout}, stderr {step.stderr}"
    )
