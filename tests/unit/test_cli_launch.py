"""Starting and ending daemons: real processes, with a node that has no folders."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import tests.unit.fake_daemon as fake_daemon
from swarm.cli import launch
from swarm.errors import UserError
from swarm.node.log import MAX_LOG
from tests.unit.fake_daemon import SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = [sys.executable, "-P", fake_daemon.__file__]


class Sandbox:
    """A home, and the command line in its environment."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.home = directory / "home"
        self.environment = {**os.environ, "SWARM_HOME": str(self.home), "HOME": str(directory)}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*PROGRAM, *arguments],
            env=self.environment,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def swarm(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, stdout, stderr. Returns only when nobody holds the streams any more."""
        process = self.start(*arguments)
        stdout, stderr = process.communicate(timeout=30)
        return process.returncode, stdout, stderr

    def pid(self) -> int:
        return int((self.home / "lock").read_text())


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with tempfile.TemporaryDirectory(prefix="sw", dir="/tmp") as name:
        sandbox = Sandbox(Path(name))
        yield sandbox
        sandbox.swarm("stop")


def alive(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def test_share_starts_a_daemon_that_outlives_it_and_keeps_no_stream(sandbox: Sandbox) -> None:
    code, stdout, stderr = sandbox.swarm("share", "docs", "--name", "Docs")
    assert (code, stdout) == (0, SECRET + "\n")
    assert "Anyone with this key" in stderr
    pid = sandbox.pid()
    assert alive(pid)
    assert os.getsid(pid) == pid
    assert os.readlink(f"/proc/{pid}/cwd") == "/" if sys.platform == "linux" else True
    assert (sandbox.home / "daemon.log").stat().st_mode & 0o777 == 0o600
    assert "swarmw1" not in (sandbox.home / "daemon.log").read_text()
    assert sandbox.swarm("share", "docs")[0] == 0
    assert sandbox.pid() == pid


def test_many_starters_at_once_start_one_daemon(sandbox: Sandbox) -> None:
    starters = [sandbox.start("share", f"d{number}") for number in range(4)]
    outputs = [starter.communicate(timeout=30) for starter in starters]
    assert [starter.returncode for starter in starters] == [0] * 4, outputs
    assert {stdout for stdout, _ in outputs} == {SECRET + "\n"}
    log = (sandbox.home / "daemon.log").read_text()
    assert log.count("ready") == 1


def test_stop_returns_when_the_daemon_is_gone(sandbox: Sandbox) -> None:
    sandbox.swarm("share", "docs")
    assert sandbox.swarm("stop") == (0, "", "")
    with (sandbox.home / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert not (sandbox.home / "api.sock").exists()
    code, _, stderr = sandbox.swarm("stop")
    assert code == 1
    assert stderr.startswith("swarm: error: not running\nswarm: hint: ")


def test_run_says_ready_and_ends_on_sigterm(sandbox: Sandbox) -> None:
    process = sandbox.start("run", "--listen", "127.0.0.1:0", "--no-dht", "--no-lan", "--log-level", "debug")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    assert sandbox.swarm("status", "--json")[0] == 0
    code, _, stderr = sandbox.swarm("run")
    assert code == 1
    assert "already running" in stderr
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=10) == ("", "")
    assert process.returncode == 0


def test_run_goes_on_when_nobody_reads_what_it_says(sandbox: Sandbox) -> None:
    process = sandbox.start("run")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    deadline = time.monotonic() + 10
    while sandbox.swarm("status")[0] != 0 and time.monotonic() < deadline:
        assert process.poll() is None
    assert sandbox.swarm("stop")[0] == 0
    process.wait(timeout=10)
    process.stderr.close()


def test_a_killed_daemon_is_replaced(sandbox: Sandbox) -> None:
    sandbox.swarm("share", "docs")
    pid = sandbox.pid()
    os.kill(pid, signal.SIGKILL)
    assert (sandbox.home / "api.sock").exists()
    assert sandbox.swarm("share", "docs")[0] == 0
    assert sandbox.pid() != pid


def test_a_home_that_is_not_one_is_refused_and_left_alone(sandbox: Sandbox) -> None:
    sandbox.home.mkdir(0o755)
    (sandbox.home / "thesis.txt").write_text("years of work")
    code, stdout, stderr = sandbox.swarm("share", "docs")
    assert (code, stdout) == (1, "")
    assert stderr.startswith("swarm: error: the daemon did not start: ")
    assert "not a Swarm home" in stderr
    assert sorted(os.listdir(sandbox.home)) == ["thesis.txt"]


def test_a_daemon_that_dies_without_a_word_is_reported(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARM_HOME", str(sandbox.home))
    for program, expected in (
        ("raise SystemExit(9)", "exit code 9"),
        ("import sys; sys.exit('Segmentation fault')", "Segmentation fault"),
        ("import sys; sys.stderr.write('swarm: error: no\\nswarm: hint: do\\n'); sys.exit(5)", "did not start: no"),
    ):
        monkeypatch.setattr(launch, "command", lambda program=program: [sys.executable, "-c", program])
        with pytest.raises(UserError, match=expected):
            launch.running_daemon()


def test_a_starter_outwaits_a_daemon_that_is_on_its_way_out(sandbox: Sandbox) -> None:
    sandbox.home.mkdir(0o700)
    with (sandbox.home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        starter = sandbox.start("share", "docs")
        with pytest.raises(subprocess.TimeoutExpired):
            starter.communicate(timeout=0.5)
        assert sandbox.swarm("status")[0] == 1
    assert starter.communicate(timeout=30)[0] == SECRET + "\n"


def test_a_log_that_grew_too_large_is_put_aside(sandbox: Sandbox) -> None:
    sandbox.swarm("share", "docs")
    sandbox.swarm("stop")
    log = sandbox.home / "daemon.log"
    log.write_bytes(b"x" * (MAX_LOG + 1))
    sandbox.swarm("share", "docs")
    assert log.read_text() == "ready\n"
    assert (sandbox.home / "daemon.log.1").stat().st_size == MAX_LOG + 1


def test_no_module_of_the_current_directory_is_imported() -> None:
    """Others may write into the folder that a user stands in."""
    assert "-P" in launch.command()


def test_a_watch_ends_with_whoever_reads_it(sandbox: Sandbox) -> None:
    sandbox.swarm("share", "docs")
    watch = sandbox.start("status", "--watch", "--json")
    assert watch.stdout is not None
    assert watch.stderr is not None
    try:
        assert watch.stdout.readline().startswith('{"device"')
        watch.stdout.close()  # and nothing happens that could be written
        assert watch.wait(20) == 1
        assert watch.stderr.read() == ""
    finally:
        watch.kill()
        watch.stderr.close()
