"""Who may have a reservation: by token, by a list of devices, by both, or everybody. Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

from swarm.errors import UserError
from swarm.ids import DEVICE_ID_BYTES
from swarm.keys.relay import is_token
from swarm.wire.relay_message import Refusal

_DEVICE = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class Gate:
    """What the relay's owner has said. None: no such rule."""

    tokens: frozenset[bytes] | None = field(default=None, repr=False)  # digests, so that time tells nothing
    devices: frozenset[bytes] | None = None

    def refusal(self, device: bytes, token: bytes) -> Refusal:
        """Why this device may not have a reservation; NONE if it may. Either rule is enough to be let in."""
        if self.tokens is None and self.devices is None:
            return Refusal.NONE
        if self.devices is not None and device in self.devices:
            return Refusal.NONE
        if self.tokens is None:
            return Refusal.NOT_ALLOWED
        return Refusal.NONE if _digest(token) in self.tokens else Refusal.TOKEN


def parse_tokens(text: str) -> frozenset[bytes]:
    """A token on each line; blank lines and those with # in front are passed over. Raises UserError."""
    tokens = list(_lines(text))
    for number, token in tokens:
        if not is_token(token):
            raise UserError(
                f"line {number} is no token", "a token is 1 to 64 letters, digits, - and _: openssl rand -hex 16"
            )
    if not tokens:
        raise UserError("there is no token in it", "write one on a line: openssl rand -hex 16")
    return frozenset(_digest(token.encode("ascii")) for _, token in tokens)


def parse_devices(text: str) -> frozenset[bytes]:
    """A device's id on each line, as `swarm status --json` shows it; what follows it is a remark. Raises UserError."""
    devices = set()
    for number, line in _lines(text):
        written = line.split()[0]
        if not _DEVICE.fullmatch(written):
            raise UserError(
                f"line {number} is no device",
                f"a device's id has {2 * DEVICE_ID_BYTES} hex digits: swarm status --json",
            )
        devices.add(bytes.fromhex(written))
    if not devices:
        raise UserError("there is no device in it", "write one on a line, as swarm status --json shows it")
    return frozenset(devices)


def _lines(text: str) -> list[tuple[int, str]]:
    stripped = ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1))
    return [(number, line) for number, line in stripped if line and not line.startswith("#")]


def _digest(token: bytes) -> bytes:
    return hashlib.blake2b(token, digest_size=32).digest()
