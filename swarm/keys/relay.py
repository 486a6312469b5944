"""What names a relay, and what stands for devices and folders at it.

A relay is its Ed25519 public key, printed behind its address as `HOST:PORT~KEY`: KEY is the URL-safe base64 of the 32
bytes without padding. A relay that wants a token is given it as `KEY.TOKEN`, in the settings of the owner's own devices
alone; hints and members are told KEY.

A *handle* is what a device is called at one relay: members who know its id compute it, and to everybody else it is
random and another one at each relay. A *topic* stands for a folder at one relay on one day: only who holds the folder's
discovery key makes it. So two relays, or one relay on two days, cannot tell that it is the same folder.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Final, NamedTuple

from swarm.errors import EXIT_USAGE, UserError
from swarm.keys.derive import digest, kdf

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swarm.ids import DeviceId

RELAY_KEY_BYTES: Final = 32
RELAY_KEY_LENGTH: Final = 43  # characters, printed
HANDLE_BYTES: Final = 16
TOPIC_BYTES: Final = 16
MAX_TOKEN: Final = 64  # characters; 48 random bytes in base64, where 16 would do
DAY: Final = 86_400  # seconds
NEAR_MIDNIGHT: Final = 3_600  # seconds by which clocks may differ, and a client may be late to say its new topics

_TOKEN: Final = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_TOKEN}}}")
_PRINTED: Final = re.compile(rf"([A-Za-z0-9_-]{{{RELAY_KEY_LENGTH}}})(?:\.({_TOKEN.pattern}))?")


class RelayPass(NamedTuple):
    """What a device needs to use a relay, beside its address."""

    key: bytes  # the relay's Ed25519 public key, 32 bytes
    token: str = ""  # a secret between its owner and those who may be reached through it; "" is none

    @classmethod
    def parse(cls, text: str) -> RelayPass:
        """From `KEY` or `KEY.TOKEN`. Raises UserError, which says what is wrong and shows no token."""
        found = _PRINTED.fullmatch(text)
        key = urlsafe_b64decode(found[1] + "=") if found else b""
        if not found or printed(key) != found[1]:  # the last character has two bits to spare, which must be 0
            length = len(text.partition(".")[0])
            was = f"has {length} characters" if length != RELAY_KEY_LENGTH else "is not one that a relay prints"
            raise UserError(
                f"the key of a relay has {RELAY_KEY_LENGTH} characters, and perhaps a dot and a token; this {was}",
                "copy it whole from the line that the relay printed: HOST:PORT~KEY",
                EXIT_USAGE,
            )
        return cls(key, found[2] or "")

    @property
    def public(self) -> str:
        """KEY, which anybody may see."""
        return printed(self.key)

    def __repr__(self) -> str:
        return f"RelayPass({self.public}{', with a token' if self.token else ''})"


def printed(key: bytes) -> str:
    """A relay's key, of 32 bytes, as it is printed."""
    return urlsafe_b64encode(key).rstrip(b"=").decode("ascii")


def is_token(text: str) -> bool:
    """May this be a token? 1 to 64 letters, digits, `-` and `_`."""
    return _TOKEN.fullmatch(text) is not None


def handle_of(relay_key: bytes, device: DeviceId | bytes) -> bytes:
    """What a device is called at a relay, 16 bytes."""
    return digest(b"swarm1.handle", relay_key + device, HANDLE_BYTES)


def topic_of(discovery_key: bytes, relay_key: bytes, day: int) -> bytes:
    """What a folder is called at a relay on a day (whole days since 1970, UTC), 16 bytes."""
    return kdf(discovery_key, b"swarm1.relay", day.to_bytes(4, "big") + relay_key, TOPIC_BYTES)


def days_at(wall: float) -> tuple[int, ...]:
    """The days whose topics are to be registered and asked for at `wall`, seconds since 1970: near midnight, two."""
    moments = (wall, wall - NEAR_MIDNIGHT, wall + NEAR_MIDNIGHT)
    return tuple(dict.fromkeys(int(moment // DAY) for moment in moments))


def topics_at(discovery_keys: Iterable[bytes], relay_key: bytes, wall: float) -> tuple[bytes, ...]:
    """What to register, or to ask for, for these folders now."""
    days = days_at(wall)
    return tuple(topic_of(key, relay_key, day) for key in discovery_keys for day in days)
