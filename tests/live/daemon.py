"""A real daemon in a home of its own, driven the way a user drives it: by `swarm` commands and signals.

Nothing in here looks into the daemon. What a test knows comes from the command line, `status --json` and the files.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from swarm.cli import place
from swarm.control.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SWARM = (sys.executable, "-P", "-m", "swarm")
WATCHED = (sys.executable, "-P", str(Path(__file__).with_name("loop_watch.py")))  # the same, and its loop is timed
READY_TIMEOUT = 30.0  # seconds
COMMAND_TIMEOUT = 60.0  # seconds, unless a test says otherwise
POLL = 0.01  # seconds between two looks at a condition


def until(condition: Callable[[], Any], what: str, timeout: float = 30.0) -> Any:
    """The first true value of `condition`; fails when it stays false for `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:.0f} s: {what}")
        time.sleep(POLL)
    return value


class Daemon:
    """One device: its home, its process, its folder's directory."""

    def __init__(self, base: Path, name: str, *, listen: str = "127.0.0.1", inside: Sequence[str] = ()) -> None:
        """base: where home and folder go. inside: the command that the daemon runs in, as `ip netns exec one`."""
        self.name = name
        self.home = base / f"home-{name}"
        self.folder = base / f"folder-{name}"
        self.log = base / f"log-{name}"
        self.stalls = base / f"stalls-{name}"  # what the loop's watch wrote
        self.options: list[str] = []  # more of them for `swarm run`
        self.lan = False  # announces itself on the local network
        self.dht = False  # asks and serves the DHT
        self.watched = False
        self._inside = list(inside)
        self._listen = listen
        self._port = 0  # any at first; kept over a restart, so that the others find it again
        self._process: subprocess.Popen[str] | None = None
        self._log: IO[str] | None = None
        self.environment = {
            **os.environ,
            "HOME": str(base / f"user-{name}"),
            "SWARM_HOME": str(self.home),
            "SWARM_DEVICE_NAME": name,
            "SWARM_STALLS": str(self.stalls),
            "LC_ALL": "C.UTF-8",
            "NO_COLOR": "1",
        }
        (base / f"user-{name}").mkdir(exist_ok=True)

    # -- the process

    def launch(self) -> subprocess.Popen[str]:
        """Begins the daemon, without waiting for it."""
        assert self._process is None, "it runs already"
        self._log = self.log.open("a")
        listen = ["--listen", f"{self._listen}:{self._port}"]
        listen += [*([] if self.dht else ["--no-dht"]), *([] if self.lan else ["--no-lan"])]
        program = WATCHED if self.watched else SWARM
        self._process = subprocess.Popen(
            [*self._inside, *program, "run", *listen, *self.options],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        return self._process

    def start(self) -> Daemon:
        """Returns once it accepts commands."""
        process = self.launch()
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line == "ready\n", f"{self.name} said {line!r}: {self.log.read_text()[-2000:]}"
        if self._port == 0:
            self._port = int(self.status()["device"]["listen"][0].rpartition(":")[2])
        return self

    def stop(self) -> int:
        """Ends it as a service manager would; its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """The power fails, as far as the process can tell."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int:
        process = self._process
        if process is None:
            return 0
        self._process = None
        process.send_signal(number)
        try:
            return process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"{self.name} did not end") from None
        finally:
            assert process.stdout is not None
            process.stdout.close()
            assert self._log is not None
            self._log.close()

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def address(self) -> str:
        return f"{self._listen}:{self._port}"

    # -- commands

    def run(
        self, *arguments: str, code: int = 0, stdin: str = "", timeout: float = COMMAND_TIMEOUT, there: bool = False
    ) -> str:
        """One command. Its stdout; its stderr where it is expected to fail. A traceback is always a failure.

        there: on the daemon's machine, which matters to who asks the network.
        """
        result = subprocess.run(
            [*(self._inside if there else ()), *SWARM, *arguments],
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        said = f"{self.name}$ swarm {' '.join(arguments)}\n{result.stdout}{result.stderr}"
        assert "Traceback" not in result.stderr, said
        assert result.returncode == code, f"{said}exit code {result.returncode}, expected {code}"
        if code:
            assert result.stderr.startswith("swarm: error: "), said
        return result.stderr if code else result.stdout

    def share(self, folder: Path | None = None) -> str:
        """The printed key."""
        return self.run("share", str(folder or self.folder)).strip()

    def join(self, key: str, folder: Path | None = None, *options: str) -> None:
        self.run("join", "-", str(folder or self.folder), *options, stdin=key + "\n")

    def wait(self, timeout: float = 60.0, peers: int = 1) -> None:
        """Until everybody connected has what is here now."""
        self.run("wait", str(self.folder), f"--timeout={timeout}", f"--peers={peers}", timeout=timeout + 60)

    def status(self) -> dict[str, Any]:
        """What `swarm status --json` prints, asked for as that command does, a hundred times faster."""
        return Client(place.socket_path(self.home)).ask("status")

    def report(self) -> dict[str, Any]:
        """Its folder, as in the status."""
        real = os.path.realpath(self.folder)
        return dict(next(folder for folder in self.status()["folders"] if os.path.realpath(folder["path"]) == real))

    def fetched(self) -> int:
        """Bytes of content that it has asked others for since its start."""
        return int(self.report()["fetched_bytes"])

    def database(self) -> Path:
        """The index of its only folder."""
        (path,) = self.home.glob("folders/*/*.db")
        return path


def differences(one: Path, other: Path) -> str:
    """What `diff` finds, "" for nothing."""
    command = ["diff", "-r", "--no-dereference", "-q", "-x", ".swarm", str(one), str(other)]
    result = subprocess.run(command, capture_output=True, text=True, errors="surrogateescape")
    return result.stdout + result.stderr


def settle(*daemons: Daemon, timeout: float = 60.0) -> None:
    """Waits on every device, each for what was changed there, and holds `wait` to its word: the folders are equal."""
    for daemon in daemons:
        daemon.wait(timeout, peers=len(daemons) - 1)
    for daemon in daemons[1:]:
        assert not (found := differences(daemons[0].folder, daemon.folder)), f"wait returned, and yet: {found[:4000]}"
