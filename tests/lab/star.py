"""Two machines that cannot see each other, and one in the middle that both see: where a relay would be."""

from __future__ import annotations

import subprocess
import sys
from typing import IO, TYPE_CHECKING

from tests.lab.wire import Machine, Wire, ip

if TYPE_CHECKING:
    from pathlib import Path

RELAY = (sys.executable, "-P", "-m", "relay")
PORT = 47470


class Star:
    """`one` and `two` on a wire each, `hub` on both. Made by root on Linux only."""

    def __init__(self) -> None:
        self._wires = (Wire(), Wire())
        self.hub = self._wires[0].machine("198.18.1.1/24")
        self.one = self._wires[0].machine("198.18.1.2/24")
        self.two = self._wires[1].machine("198.18.2.2/24")
        bridge = self.two.bridge
        ip("link", "add", f"{bridge}h", "type", "veth", "peer", "name", "eth1", "netns", self.hub.namespace)
        ip("link", "set", f"{bridge}h", "master", bridge)
        ip("link", "set", f"{bridge}h", "up")
        ip("-n", self.hub.namespace, "addr", "add", "198.18.2.1/24", "dev", "eth1")
        ip("-n", self.hub.namespace, "link", "set", "eth1", "up")
        self.forward(False)
        ip("-n", self.one.namespace, "route", "add", "default", "via", "198.18.1.1")
        ip("-n", self.two.namespace, "route", "add", "default", "via", "198.18.2.1")

    def forward(self, yes: bool) -> None:
        """Whether the machines see each other through the hub."""
        command = ["sysctl", "-q", "-w", f"net.ipv4.ip_forward={int(yes)}"]
        subprocess.run([*self.hub.inside, *command], check=True, capture_output=True, timeout=20)

    def block_udp(self, machine: Machine) -> None:
        """As a strict firewall in front of it."""
        rules = "add table inet lab; add chain inet lab {0} {{ type filter hook {0} priority 0; }}; "
        rules += "add rule inet lab {0} iifname eth0 meta l4proto udp drop"
        command = [*machine.inside, "nft", rules.format("input")]
        subprocess.run(command, check=True, capture_output=True, timeout=20)

    def remove(self) -> None:
        for wire in self._wires:
            wire.remove()


class RelayProcess:
    """A real relay in the hub."""

    def __init__(self, star: Star, base: Path, *options: str) -> None:
        self._command = [*star.hub.inside, *RELAY, "--listen", f"198.18.1.1:{PORT}", "--state", str(base), "--no-dht"]
        self._command += options
        self._process: subprocess.Popen[str] | None = None
        self._log: IO[str] = (base.parent / "relay.log").open("a")
        self.place = ""

    def start(self) -> RelayProcess:
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=self._log, stdin=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline().split()
        assert line[:1] == ["relay"], line
        self.place = line[1]
        return self

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def close(self) -> None:
        self.kill()
        self._log.close()
