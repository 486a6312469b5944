"""What a device and a relay say to each other under seal: messages in the codec and schema of all others.

Registration (REGISTER and WELCOME frames): Enrol, answered by Welcome or Denied. After that in SEALED frames, in both
directions. Questions carry a number, are repeated until they are answered, and may be answered twice; Incoming is
repeated until Accept. All of them fit one datagram of 1,200 bytes.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Final

from swarm.wire.relay_frame import COOKIE_BYTES, MAX_CHANNEL, SESSION_BYTES
from swarm.wire.schema import AtMost, Exactly, UpTo, Vocabulary, message

MAX_TOPICS: Final = 32  # of one client: 30 folders, and the neighbour day's topics near midnight in turn
MAX_LOOKUP: Final = 8  # topics in one question
MAX_HANDLES: Final = 16  # under one topic in one answer: a joiner needs one that is there, and gets some to spare
MAX_FOUND: Final = 48  # handles in one answer, so that it fits a datagram

HANDLE = Exactly(16)
TOPIC = Exactly(16)
CHANNEL = UpTo(MAX_CHANNEL)
REQUEST = UpTo(2**32 - 1)
PLACE = AtMost(18)  # an address: 4 or 16 bytes, and a port

REGISTRATION = Vocabulary()
UPWARD = Vocabulary()  # device to relay
DOWNWARD = Vocabulary()  # relay to device


class Mode(IntEnum):
    """What a device wants of a relay."""

    GUEST = 0  # to find and to reach others
    RESERVE = 1  # to be found and reached, too


class Refusal(IntEnum):
    """Why a relay does not do what it was asked. `sentence` is what the user reads of it."""

    NONE = 0
    TOKEN = 1  # it wants a token, and was given none or another one
    NOT_ALLOWED = 2  # it has a list of devices, and this one is not on it
    FULL = 3  # as many clients, guests or channels as it takes
    ADDRESS_FULL = 4  # as many clients as it takes from one address
    DRAINING = 5  # it is about to end
    BUSY = 6  # too many questions within a second
    ABSENT = 7  # nobody of that handle is reserved here
    SILENT = 8  # who was asked for does not answer
    STALE = 9  # a newer registration of this device is known
    CLOSED = 10  # the other end closed the channel, or has left
    IDLE = 11  # nothing was said for too long
    REPLACED = 12  # this device registered anew
    NO_ANSWER = 13  # from here on never on the wire: the relay did not answer at all
    FORGOTTEN = 14  # the relay does not know this session any more: it was started again
    WRONG_KEY = 15  # whoever is there is not the relay of that key

    @property
    def sentence(self) -> str:
        """For `status`: what is wrong with the relay, without a dot."""
        return _SENTENCES.get(self, "it refused")


WANTS_TOKEN: Final = "it wants a token: swarm relay add --token-file FILE"  # of TOKEN, where none was shown

_SENTENCES: Final = {
    Refusal.TOKEN: "it wants another token: swarm relay add --token-file FILE",
    Refusal.NOT_ALLOWED: "this device is not on its list",
    Refusal.FULL: "it is full",
    Refusal.ADDRESS_FULL: "too many of its clients have this address",
    Refusal.DRAINING: "it is shutting down",
    Refusal.BUSY: "it was asked too much",
    Refusal.REPLACED: "another device uses this one's key there",
    Refusal.NO_ANSWER: "no answer",
    Refusal.FORGOTTEN: "it was started again",
    Refusal.WRONG_KEY: "it has another key than the one given",
}


# Registration.


@message(REGISTRATION, 1)
class Enrol:
    """Who the client is, under a seal that only this relay can open."""

    device: Annotated[bytes, Exactly(32)]
    signature: Annotated[bytes, Exactly(64)]  # SIGN(device, "swarm1.relay", relay key ‖ ephemeral ‖ cookie)
    mode: Annotated[int, UpTo(1)]
    token: Annotated[bytes, AtMost(64)]
    topics: Annotated[tuple[Annotated[bytes, TOPIC], ...], AtMost(MAX_TOPICS)]


@message(REGISTRATION, 2)
class Welcome:
    """The client is in."""

    session: Annotated[bytes, Exactly(SESSION_BYTES)]
    observed: Annotated[bytes, PLACE]  # where the client is, as the relay sees it
    mode: Annotated[int, UpTo(1)]  # what it is here: a guest when a reservation was asked for and refused
    refusal: Annotated[int, UpTo(255)]  # why, then; else 0
    alternate_port: Annotated[int, UpTo(65535)]  # UDP, for WHOAMI; 0 is none
    alive_seconds: Annotated[int, UpTo(3600)]  # say something at least this often
    channels: Annotated[int, UpTo(65535)]  # how many this client may have
    bytes_per_second: Annotated[int, UpTo(2**63 - 1)]  # what is passed on for this client; beyond it, loss


@message(REGISTRATION, 3)
class Denied:
    """The client is not in."""

    refusal: Annotated[int, UpTo(255)]


# Device to relay.


@message(UPWARD, 1)
class Alive:
    """Are you there? Answered by Pulse; keeps the registration, and the NAT's mapping."""


@message(UPWARD, 2)
class Bind:
    """From the new address: I am here now."""

    cookie: Annotated[bytes, Exactly(COOKIE_BYTES)]


@message(UPWARD, 3)
class SetTopics:
    """All topics under which the client is to be found from now on. Answered by Done."""

    request: Annotated[int, REQUEST]
    topics: Annotated[tuple[Annotated[bytes, TOPIC], ...], AtMost(MAX_TOPICS)]


@message(UPWARD, 4)
class Lookup:
    """Who is under these topics? Answered by Found."""

    request: Annotated[int, REQUEST]
    topics: Annotated[tuple[Annotated[bytes, TOPIC], ...], AtMost(MAX_LOOKUP)]


@message(UPWARD, 5)
class Open:
    """A channel to that device. Answered by Opened; two devices have one channel at most."""

    request: Annotated[int, REQUEST]
    handle: Annotated[bytes, HANDLE]


@message(UPWARD, 6)
class Accept:
    """Yes to Incoming."""

    channel: Annotated[int, CHANNEL]


@message(UPWARD, 7)
class Close:
    """The channel is not needed any more; also no to Incoming."""

    channel: Annotated[int, CHANNEL]


@message(UPWARD, 8)
class Leave:
    """The client goes."""


# Relay to device.


@message(DOWNWARD, 1)
class Pulse:
    """In answer to Alive and Bind."""

    observed: Annotated[bytes, PLACE]


@message(DOWNWARD, 2)
class Rebind:
    """You speak from another address than before: say Bind with this from there, and you are moved."""

    cookie: Annotated[bytes, Exactly(COOKIE_BYTES)]


@message(DOWNWARD, 3)
class Done:
    request: Annotated[int, REQUEST]


@message(DOWNWARD, 4)
class Found:
    """For each topic asked for, in that order, some of those who are under it; without the asker."""

    request: Annotated[int, REQUEST]
    handles: Annotated[
        tuple[
            tuple[Annotated[bytes, TOPIC], Annotated[tuple[Annotated[bytes, HANDLE], ...], AtMost(MAX_HANDLES)]], ...
        ],
        AtMost(MAX_LOOKUP),
    ]


@message(DOWNWARD, 5)
class Opened:
    """The other end has accepted: DATA on this channel goes to it."""

    request: Annotated[int, REQUEST]
    channel: Annotated[int, CHANNEL]


@message(DOWNWARD, 6)
class Refused:
    """No to a question."""

    request: Annotated[int, REQUEST]
    refusal: Annotated[int, UpTo(255)]


@message(DOWNWARD, 7)
class Incoming:
    """That device wants a channel with you. Repeated until Accept, Close, or a few seconds have passed."""

    channel: Annotated[int, CHANNEL]
    handle: Annotated[bytes, HANDLE]


@message(DOWNWARD, 8)
class Closed:
    channel: Annotated[int, CHANNEL]
    refusal: Annotated[int, UpTo(255)]


@message(DOWNWARD, 9)
class Draining:
    """The relay ends within seconds: find another way now."""


@message(DOWNWARD, 10)
class Ended:
    """Your registration is over."""

    refusal: Annotated[int, UpTo(255)]


def refusal_of(number: int) -> Refusal:
    """A reason as the other side sent it; one that we do not know is NOT_ALLOWED."""
    try:
        return Refusal(number)
    except ValueError:
        return Refusal.NOT_ALLOWED
