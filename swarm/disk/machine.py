"""Which machine this is, for noticing that our state was copied to another one. Never sent to anybody."""

from __future__ import annotations

import ctypes
import os
import sys

# systemd, older D-Bus systems, FreeBSD
_FILES = ("/etc/machine-id", "/var/lib/dbus/machine-id", "/etc/hostid")


def machine_id(files: tuple[str, ...] = _FILES) -> bytes:
    """An identifier that stays through reboots; the host's name where the system has nothing better.

    A container often has none of its own, or that of its image: its name is different in each.
    """
    for name in files:
        try:
            with open(name, "rb") as file:
                found = file.read(128).strip()
        except OSError:
            continue
        if found and found != b"uninitialized":  # what systemd writes into images that have not booted yet
            return found
    return _macos_id() or os.fsencode(os.uname().nodename)


def _macos_id() -> bytes | None:
    """gethostuuid(2), which asks no other program."""
    if sys.platform == "darwin":
        identifier = ctypes.create_string_buffer(16)
        timeout = (ctypes.c_long * 2)(5, 0)  # a struct timespec: seconds, nanoseconds
        if ctypes.CDLL(None).gethostuuid(identifier, ctypes.byref(timeout)) == 0:
            return identifier.raw
    return None
