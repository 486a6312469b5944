"""Sockets inside of a network namespace, for a test that itself stays outside.

A thread enters the namespace, makes the socket, and ends. A socket stays for life where it was made, so everybody may
use it afterwards.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

CLONE_NEWNET = 0x40000000
NETLINK_NETFILTER = 12
CONNTRACK_DELETE = 1 << 8 | 2  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE: without attributes it deletes them all
REQUEST_AND_ACKNOWLEDGE = 1 | 4
ALL_PROTOCOLS = 0x0003

T = TypeVar("T")


def inside(namespace: str, make: Callable[[], T]) -> T:
    """What `make` returns when it is called by a thread that is in there."""

    def enter() -> T:
        descriptor = os.open(f"/var/run/netns/{namespace}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
        finally:
            os.close(descriptor)
        return make()

    with ThreadPoolExecutor(1) as alone:
        return alone.submit(enter).result()


def udp(namespace: str, host: str = "0.0.0.0", port: int = 0) -> socket.socket:
    """A bound UDP socket in there."""

    def make() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind((host, port))
        return made

    return inside(namespace, make)


def capture(namespace: str, interface: str = "eth0") -> socket.socket:
    """Receives every frame that comes in or goes out there."""

    def make() -> socket.socket:
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
        made.bind((interface, 0))
        return made

    return inside(namespace, make)


def forget_connections(namespace: str) -> None:
    """Empties the table of a NAT, as a reboot does."""
    generic = struct.pack(">BBH", socket.AF_UNSPEC, 0, 0)
    header = struct.pack("=LHHLL", 16 + len(generic), CONNTRACK_DELETE, REQUEST_AND_ACKNOWLEDGE, 1, 0)
    with inside(namespace, lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)) as netlink:
        netlink.settimeout(5.0)
        netlink.send(header + generic)
        answer = netlink.recv(4096)
    (error,) = struct.unpack_from("=i", answer, 16)
    if error:
        raise OSError(-error, "the table of connections cannot be emptied")
