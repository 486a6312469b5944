"""A wire between machines: network namespaces on a bridge, which a test can pull and plug."""

from __future__ import annotations

import contextlib
import os
import subprocess
from dataclasses import dataclass
from itertools import count

_serial = count()


@dataclass(frozen=True)
class Machine:
    """One end: a namespace with the interface eth0, and its other end on the bridge."""

    namespace: str
    port: str
    bridge: str

    @property
    def inside(self) -> tuple[str, ...]:
        """What a command has to begin with to run there."""
        return ("ip", "netns", "exec", self.namespace)

    def unplug(self) -> None:
        """Frames go nowhere; the machine itself sees nothing of it."""
        ip("link", "set", self.port, "nomaster")

    def plug(self) -> None:
        ip("link", "set", self.port, "master", self.bridge)

    def move(self, old: str, new: str) -> None:
        """Another address, in CIDR notation."""
        ip("-n", self.namespace, "addr", "del", old, "dev", "eth0")
        ip("-n", self.namespace, "addr", "add", new, "dev", "eth0")

    def route(self, via: str) -> None:
        """What is not on the wire goes to that address."""
        ip("-n", self.namespace, "route", "replace", "default", "via", via)


class Wire:
    """A bridge and the machines on it. Made by root on Linux only."""

    def __init__(self) -> None:
        self._prefix = f"sw{os.getpid() % 100_000}x{next(_serial)}"  # interface names have 15 characters at most
        self._machines: list[Machine] = []
        ip("link", "add", self._prefix, "type", "bridge")
        ip("link", "set", self._prefix, "up")

    def machine(self, address: str) -> Machine:
        """A new one, with this address in CIDR notation; none of the host's, which answers ARP on the bridge too."""
        number = len(self._machines)
        machine = Machine(f"{self._prefix}n{number}", f"{self._prefix}p{number}", self._prefix)
        ip("netns", "add", machine.namespace)
        self._machines.append(machine)
        ip("link", "add", machine.port, "type", "veth", "peer", "name", "eth0", "netns", machine.namespace)
        ip("link", "set", machine.port, "master", self._prefix)
        ip("link", "set", machine.port, "up")
        ip("-n", machine.namespace, "addr", "add", address, "dev", "eth0")
        for interface in ("lo", "eth0"):
            ip("-n", machine.namespace, "link", "set", interface, "up")
        return machine

    def lan(self, router: Machine, inner: str) -> None:
        """Makes `router` the way out of a network of its own (of 24 bits), where it has the address `inner`."""
        ip("-n", router.namespace, "link", "add", "lan", "type", "bridge")
        ip("-n", router.namespace, "addr", "add", f"{inner}/24", "dev", "lan")
        ip("-n", router.namespace, "link", "set", "lan", "up")
        set_in(router, "net.ipv4.ip_forward=1")
        with contextlib.suppress(subprocess.SubprocessError):  # else what neighbours say to each other is filtered too
            set_in(router, "net.bridge.bridge-nf-call-iptables=0")

    def behind(self, router: Machine, inner: str, address: str) -> Machine:
        """A machine on that network, whose only way out is `router`."""
        number = len(self._machines)
        machine = Machine(f"{self._prefix}n{number}", f"lan{number}", "lan")
        ip("netns", "add", machine.namespace)
        self._machines.append(machine)
        ends = ("eth0", "netns", machine.namespace)
        ip("link", "add", machine.port, "netns", router.namespace, "type", "veth", "peer", "name", *ends)
        ip("-n", router.namespace, "link", "set", machine.port, "master", "lan")
        ip("-n", router.namespace, "link", "set", machine.port, "up")
        ip("-n", machine.namespace, "addr", "add", f"{address}/24", "dev", "eth0")
        for interface in ("lo", "eth0"):
            ip("-n", machine.namespace, "link", "set", interface, "up")
        ip("-n", machine.namespace, "route", "add", "default", "via", inner)
        return machine

    def remove(self) -> None:
        for machine in self._machines:
            ip("netns", "del", machine.namespace)
        ip("link", "del", self._prefix)


def set_in(machine: Machine, setting: str) -> None:
    subprocess.run([*machine.inside, "sysctl", "-qw", setting], check=True, capture_output=True, timeout=20)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=20)


def available() -> bool:
    """May this process make namespaces and interfaces?"""
    if os.name != "posix" or os.geteuid() != 0:
        return False
    try:
        wire = Wire()
    except (OSError, subprocess.SubprocessError):
        return False
    try:
        wire.machine("198.18.77.1/24")
    except (OSError, subprocess.SubprocessError):
        return False
    finally:
        wire.remove()
    return True
