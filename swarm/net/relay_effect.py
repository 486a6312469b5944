"""What a RelayClient wants done, and what it has to tell: its effects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from swarm.wire.relay_frame import Address
    from swarm.wire.relay_message import Refusal


@dataclass(frozen=True, slots=True)
class Send:
    """Send these frames to the relay: each a datagram, or behind its length in the stream (`in_stream`)."""

    frames: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Call `tick` at that time, unless another WakeAt came later: only the last one counts. None: no need to."""

    when: float | None


@dataclass(frozen=True, slots=True)
class Registered:
    """The relay knows this device. No channel of before is there any more."""

    observed: Address  # this device's public address, as the relay sees it
    reserved: bool  # others can reach this device through it
    refusal: Refusal  # why not, when a reservation was asked for; else NONE
    alternate_port: int  # UDP port of the relay for WHOAMI, 0 for none


@dataclass(frozen=True, slots=True)
class Observed:
    """This device's public address is another one now."""

    address: Address


@dataclass(frozen=True, slots=True)
class Failed:
    """Not registered, and why: `refusal.sentence` is for the user. Tried again at `retry_at` by `tick`."""

    refusal: Refusal
    retry_at: float


@dataclass(frozen=True, slots=True)
class Lost:
    """The registration is over, and with it every channel, without a further word about each. Tried again at once."""

    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Found:
    """In answer to `lookup`: for each topic who is under it, by handle."""

    handles: tuple[tuple[bytes, tuple[bytes, ...]], ...]


@dataclass(frozen=True, slots=True)
class LookupRefused:
    topics: tuple[bytes, ...]
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class ChannelOpened:
    """In answer to `open`: what is sent on the channel goes to that device."""

    channel: int
    handle: bytes


@dataclass(frozen=True, slots=True)
class OpenRefused:
    handle: bytes
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class ChannelIncoming:
    """That device has a channel with this one now; it was accepted. `close` it if it is not wanted."""

    channel: int
    handle: bytes


@dataclass(frozen=True, slots=True)
class ChannelClosed:
    channel: int
    handle: bytes
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Received:
    """The other end of a channel said this."""

    channel: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class RelayDraining:
    """The relay ends within seconds: what is relayed should move now."""


Effect: TypeAlias = (
    Send
    | WakeAt
    | Registered
    | Observed
    | Failed
    | Lost
    | Found
    | LookupRefused
    | ChannelOpened
    | OpenRefused
    | ChannelIncoming
    | ChannelClosed
    | Received
    | RelayDraining
)
