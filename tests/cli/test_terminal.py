"""What somebody at a terminal sees: questions, a key that is not shown, and Ctrl-C at any of them."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from swarm.ids import FolderId
from swarm.keys.printed import PrintedKey
from swarm.keys.role import Role
from tests.cli.test_shells import read_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Talk = Callable[..., tuple[str, int]]

KEY = PrintedKey(Role.WRITE, 0, FolderId(bytes(16)), bytes(32)).encode()
FAKE = Path(__file__).parents[1] / "unit" / "fake_daemon.py"
CTRL_C = "\x03"


@pytest.fixture
def talk() -> Iterator[Talk]:
    """Runs `swarm` at a terminal, before a daemon that is made up, and answers when it asks: (what is seen, code)."""
    with tempfile.TemporaryDirectory(prefix="sw") as name:
        base = Path(name)
        (base / "home").mkdir(mode=0o700)
        ours = {"SWARM_HOME": str(base / "home"), "HOME": name, "PYTHONPATH": str(FAKE.parents[2])}
        environment = {**os.environ, **ours, "TERM": "xterm", "LC_ALL": "C.UTF-8"}
        environment.pop("NO_COLOR", None)

        def run(*arguments: str, answers: dict[str, str]) -> tuple[str, int]:
            terminal, inside = pty.openpty()
            with subprocess.Popen(
                [sys.executable, str(FAKE), *arguments],
                stdin=inside,
                stdout=inside,
                stderr=inside,
                cwd=base,
                env=environment,
                start_new_session=True,
            ) as process:
                os.close(inside)
                seen = ""
                try:
                    for question, answer in answers.items():
                        seen += read_until(terminal, lambda text, wanted=question: wanted in text)  # type: ignore[misc]
                        assert question in seen, seen
                        if answer == CTRL_C:  # without a session of its own the terminal would send it to nobody
                            process.send_signal(signal.SIGINT)
                        else:
                            os.write(terminal, answer.encode())
                    code = process.wait(30)
                    seen += rest(terminal)
                finally:
                    process.kill()
                    os.close(terminal)
            return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen).replace("\r\n", "\n"), code

        yield run
        subprocess.run([sys.executable, str(FAKE), "stop"], env=environment, capture_output=True, timeout=30)


def rest(terminal: int) -> str:
    """What is left to be read of a terminal that nobody writes to any more."""
    seen = b""
    while select.select([terminal], [], [], 1.0)[0]:
        try:
            seen += os.read(terminal, 1 << 16)
        except OSError:  # EIO: the other end is closed
            break
    return seen.decode(errors="replace")


def test_a_key_is_not_shown_and_a_merge_is_asked_for(talk: Talk) -> None:
    seen, code = talk("join", "-", "full", answers={"key: ": f"{KEY}\n", "Merge? [y/N] ": "n\n"})
    assert KEY not in seen
    assert "only there  2 files  3.1 GB" in seen
    assert "Merge? [y/N] n\nswarm: error: nothing was merged\n" in seen
    assert code == 6


@pytest.mark.parametrize(
    ("arguments", "answers"),
    [
        (["join"], {"key: ": CTRL_C}),
        (["join", "-", "full"], {"key: ": f"{KEY}\n", "Merge? [y/N] ": CTRL_C}),
        (["status", "--watch"], {"nothing is shared yet": CTRL_C}),
    ],
    ids=["key", "merge", "watch"],
)
def test_ctrl_c_is_clean_anywhere(talk: Talk, arguments: list[str], answers: dict[str, str]) -> None:
    talk("share", ".", answers={})  # so that a daemon runs
    seen, code = talk(*arguments, answers=answers)
    assert code == 130
    assert "Traceback" not in seen
    assert "swarm: error" not in seen
