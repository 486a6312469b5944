"""A real relay as a process, on a machine of the lab or on loopback."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

RELAY = (sys.executable, "-P", "-m", "relay")
PORT = 47470
READY_TIMEOUT = 30.0  # seconds
ROOT = Path(__file__).parent.parent.parent


class Relay:
    """One relay: its state, its process, and the line that it prints."""

    def __init__(self, base: Path, host: str, inside: Sequence[str] = (), *options: str, port: int = PORT) -> None:
        """base: where state and log go. host: to listen on. inside: the command that it runs in."""
        self.state = base / f"relay-{host}"
        self.log = base / f"log-relay-{host}"
        self.options = ["--no-dht", *options]
        self.program: Sequence[str] = RELAY
        self.line = ""  # HOST:PORT~KEY
        self._listen = f"{host}:{port}"
        self._inside = list(inside)
        self._process: subprocess.Popen[str] | None = None
        self._log: IO[str] | None = None

    def start(self) -> Relay:
        """Returns once it serves."""
        self._log = self.log.open("a")
        # the clone is not the current directory, which others may write to
        self._process = subprocess.Popen(
            [*self._inside, *self.program, "--listen", self._listen, "--state", str(self.state), *self.options],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        assert self._process.stdout is not None
        assert select.select([self._process.stdout], [], [], READY_TIMEOUT)[0], "the relay does not begin"
        said = self._process.stdout.readline()
        assert said.startswith("relay "), f"the relay said {said!r}: {self.log.read_text()[-2000:]}"
        self.line = said.split()[1]
        return self

    def stop(self) -> int:
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        try:
            return process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError("the relay did not end") from None
        finally:
            assert process.stdout is not None
            process.stdout.close()
            assert self._log is not None
            self._log.close()
