"""What a session tells the shell that drives it, in the order in which it happened."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from swarm.ids import DeviceId, FolderId
    from swarm.keys.role import Role

Address: TypeAlias = tuple[str, int]  # an IP address as text, and a port


class Cause(StrEnum):
    """Why a session ends without anybody having broken the protocol."""

    STRANGER = "stranger"  # no folder in common
    SELF = "self"  # we reached ourselves, or a copy of our own identity
    INVITE = "invite"  # the peer brought an invite, which this version cannot honour
    INCOMPATIBLE = "incompatible"  # no protocol version in common


@dataclass(frozen=True, slots=True)
class Authenticated:
    """The peer proved its device and a folder in common: the link may lift its limits on strangers."""

    device: DeviceId


@dataclass(frozen=True, slots=True)
class PeerReady:
    """The peer introduced itself. Name and software are printable text of its choosing; trust them for display only."""

    device: DeviceId
    name: str  # at most 64 characters
    nonce: bytes  # 8 bytes, drawn when the peer's process started
    version: int  # of the protocol: the highest that both sides speak
    software: str
    addresses: tuple[Address, ...]  # where the peer says it listens; unproved
    clock: int = 0  # milliseconds since 1970 by its clock when the session began; 0: not told


@dataclass(frozen=True, slots=True)
class MemberJoined:
    """The peer is a member of a folder that we have; messages of that folder may now be sent.

    `role` is what it proved, never merely what it claims. May come again, with another role.
    """

    folder: FolderId
    role: Role
    certificate: bytes  # verified, as received; b"" where the role needs none


@dataclass(frozen=True, slots=True)
class MemberLeft:
    """The peer withdrew the folder: no more messages of it, either way, until it joins again."""

    folder: FolderId


@dataclass(frozen=True, slots=True)
class MembersTold:
    """The peer says where members of a folder that both have joined can be dialled. Unproved."""

    folder: FolderId
    members: tuple[tuple[DeviceId, tuple[Address, ...]], ...]


@dataclass(frozen=True, slots=True)
class RoutesTold:
    """The peer says how it may be reached. Unproved; the link pings before it uses any of it."""

    own: tuple[Address, ...]  # where it listens
    seen: tuple[Address, ...]  # where its packets come from
    relays: tuple[tuple[Address, bytes], ...]  # with their public keys, 32 bytes


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A message of a folder that both have joined in this session."""

    message: object


@dataclass(frozen=True, slots=True)
class TcpAsked:
    """The peer would like to open so many bulk lanes over TCP."""

    lanes: int


@dataclass(frozen=True, slots=True)
class TcpOffered:
    """The peer listens on TCP. Without tokens it does not, or not now."""

    port: int
    fingerprint: bytes  # 32 bytes
    tokens: tuple[bytes, ...]  # one for each lane, 32 bytes each
    fetches: bool  # True: unasked; the peer is the one that fetches over them


@dataclass(frozen=True, slots=True)
class Incompatible:
    """No protocol version in common. A Close follows."""

    device: DeviceId
    name: str
    software: str
    update_ours: bool  # True: this device is the one to update; False: the peer is


@dataclass(frozen=True, slots=True)
class Close:
    """The last event. Send what `data_to_send` still holds, then close the link and tell the peer `reason`.

    `reason` is "" for a stranger, as it must be whenever a link is closed before Authenticated: say nothing of why.
    """

    cause: Cause
    reason: str


Event: TypeAlias = (
    Authenticated
    | PeerReady
    | MemberJoined
    | MemberLeft
    | MembersTold
    | RoutesTold
    | MessageReceived
    | TcpAsked
    | TcpOffered
    | Incompatible
    | Close
)
