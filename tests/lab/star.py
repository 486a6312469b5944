"""Two machines that cannot see each other, and one in the middle that both see: where a relay would be."""

from __future__ import annotations

import subprocess

from tests.lab.wire import Machine, Wire, ip


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
