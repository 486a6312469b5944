"""The container: its recipe names what there is, and its entry point becomes who it is told to be."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "container-swarm"
INSTRUCTIONS = {
    "FROM", "RUN", "COPY", "ENV", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD",
}  # fmt: skip


@pytest.fixture
def base() -> Iterator[Path]:
    """A directory that everybody may enter: whoever the script becomes, too."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


def run(base: Path, *arguments: str, prefix: tuple[str, ...] = (), **names: str) -> subprocess.CompletedProcess[str]:
    """The script, with a program in the place of swarm that says who it is."""
    program = base / "program"
    program.write_text('#!/bin/sh\necho "$(id -u):$(id -g) groups=$(id -G) $*"\n')
    program.chmod(0o755)
    (base / "data").mkdir(exist_ok=True)
    environment = {
        "PATH": os.environ["PATH"],
        "SWARM_PROGRAM": str(program),
        "SWARM_HOME": str(base / "state"),
        "HOME": str(base / "data"),
        **names,
    }
    return subprocess.run([*prefix, "sh", str(SCRIPT), *arguments], env=environment, capture_output=True, text=True)


as_root = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root, and setpriv of util-linux"
)


@as_root
def test_root_becomes_who_it_is_told_to_be(base: Path) -> None:
    result = run(base, "run", "--no-lan", PUID="12345", PGID="23456")
    assert result.stdout == "12345:23456 groups=23456 run --no-lan\n", result.stderr
    for name in ("state", "data"):
        stat = (base / name).stat()
        assert (stat.st_uid, stat.st_gid) == (12345, 23456)


@as_root
def test_a_state_of_somebody_else_is_taken_over_and_data_of_somebody_is_not(base: Path) -> None:
    (base / "state").mkdir()
    (base / "data").mkdir()
    for name in ("state/device.key", "data/photo"):
        (base / name).touch()
    result = run(base, "status", PUID="12345")
    assert result.stdout == "12345:1000 groups=1000 status\n", result.stderr
    assert (base / "state/device.key").stat().st_uid == 12345
    assert (base / "data/photo").stat().st_uid == 0
    assert (base / "data").stat().st_uid == 0


@as_root
@pytest.mark.parametrize("bad", ["anna", "-1", "0x10"])
def test_a_number_that_is_none_is_refused(base: Path, bad: str) -> None:
    result = run(base, PGID=bad)
    assert result.returncode == 2
    assert result.stderr.startswith("swarm: error: PUID and PGID are numbers")
    assert not (base / "state").exists()


@as_root
def test_who_is_not_root_stays_who_it_is(base: Path) -> None:
    shutil.copy(SCRIPT, base / "script")
    prefix = ("setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", "sh", str(base / "script"), "status")
    result = run(base, prefix=prefix, PUID="7")
    assert result.stdout.startswith("12345:12345 groups=12345 status"), result.stderr
    assert not (base / "state").exists()


def test_the_recipe_is_made_of_instructions_and_copies_what_there_is() -> None:
    text = re.sub(r"^#.*\n", "", (ROOT / "Containerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.split() for line in text.splitlines() if line.strip()]
    assert {line[0] for line in lines} <= INSTRUCTIONS
    copies = [
        [word for word in line[1:-1] if not word.startswith("--")]
        for line in lines
        if line[0] == "COPY" and "--from=build" not in line
    ]
    assert copies == [["."], ["scripts/container-swarm"]]
    ignored = (ROOT / ".dockerignore").read_text().split()
    for needed in ("swarm", "scripts", "pyproject.toml", "constraints.txt", "README.md", "LICENSE"):
        assert (ROOT / needed).exists()
        assert needed not in ignored
