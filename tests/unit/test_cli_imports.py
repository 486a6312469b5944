"""What a command imports before it answers: counted in modules, since those are the same on every machine.

A command has 150 ms, of which Python itself takes a third. What people type by the minute asks the daemon and prints;
libraries that speak to the network, encrypt or draw are loaded by those who need them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from swarm.cli.examples import EXAMPLES
from swarm.cli.main import VERBS

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = {"aioquic", "asyncio", "cryptography", "kademlia", "nacl", "rich", "sqlite3", "starlette", "zeroconf"}
MOST = 200  # modules of all kinds; about half of them are Python's own start
CASES = {
    "status": ["status"],
    "status as it changes": ["status", "--watch"],
    "peers": ["peers"],
    "wait": ["wait", ".", "--timeout", "1"],
    "key": ["key", "."],
    "history": ["history", "x"],
    "deleted": ["deleted", "."],
    "pause": ["pause", "."],
    "scan": ["scan", "."],
    "config": ["config"],
    "logs": ["logs"],
    "help": ["--help"],
}
PROGRAM = """
import sys
from swarm.cli.main import main
code = main(sys.argv[1:])
print(code, *sorted(sys.modules), file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", CASES.values(), ids=CASES)
def test_a_command_imports_little(arguments: list[str], tmp_path: Path) -> None:
    environment = {**os.environ, "SWARM_HOME": str(tmp_path / "home")}
    result = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM, *arguments], env=environment, capture_output=True, text=True, cwd=tmp_path
    )
    code, *modules = result.stderr.splitlines()[-1].split()
    assert code in ("0", "1", "3"), result.stderr  # not running: all that it needs to ask was imported
    assert not HEAVY & {module.partition(".")[0] for module in modules}
    assert len(modules) <= MOST, f"{len(modules)}: {modules}"


def test_every_verb_has_an_example_and_only_verbs_have() -> None:
    assert sorted(EXAMPLES) == sorted(VERBS)
