"""A relay as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from swarm.keys.relay import RelayPass

ROOT = Path(__file__).parent.parent.parent


class RelayProcess:
    """`python -m relay` on loopback, unless told otherwise."""

    def __init__(self, state: Path, *options: str, listen: str = "127.0.0.1:0") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "relay", "--listen", listen, "--state", str(state), *options],
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()
        if not self.line:
            raise AssertionError(self.process.communicate()[1])
        place, _, key = self.line.removeprefix("relay ").strip().partition("~")
        host, _, port = place.rpartition(":")
        self.address = (host.strip("[]"), int(port))
        self.key = RelayPass.parse(key).key

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """The exit code, and what it said on stderr."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=5)
        return self.process.returncode, said

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
