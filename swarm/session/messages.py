"""What two devices say to each other about themselves and about which folders they have in common. Numbers 1 to 15.

SessionHello is the first message of both sides, and is for ever as it is here, but for fields added at its end: two
versions that have nothing else in common must still be able to read it and say which of them is too old.
"""

from __future__ import annotations

from typing import Annotated, Final

from swarm.ids import DEVICE_ID_BYTES, FOLDER_ID_BYTES, HASH_BYTES
from swarm.keys.certificate import CERTIFICATE_BYTES
from swarm.keys.role import Role
from swarm.session.tags import MAX_TAGS
from swarm.wire.schema import AtMost, Between, Exactly, UpTo, Vocabulary, message

NONCE_BYTES: Final = 8
MAX_NAME: Final = 64  # characters of a device's name, 4 bytes each at most: a line in a terminal
MAX_ADDRESSES: Final = 16  # interfaces of one machine, both families; more is a list of victims to knock on
MAX_HOST: Final = 45  # bytes: the longest spelling of an IPv6 address
MAX_VERSION: Final = 2**16 - 1
MAX_TOLD: Final = 32  # members in one Whereabouts
MAX_PLACES: Final = 8  # addresses of one of them: as many as are kept of one

MAX_RELAYS: Final = 4  # at which one device is registered: one in use, and some in reserve
RELAY_KEY_BYTES: Final = 32

TOKEN_BYTES: Final = 32
MAX_TOKENS: Final = 4  # connections over TCP that one offer invites to

LAST_NUMBER: Final = 15  # messages above are the folders' (swarm.wire.messages)
SESSION_MESSAGES: Final = Vocabulary()


@message(SESSION_MESSAGES, 1)
class SessionHello:
    """Who is speaking, and which protocol versions it speaks."""

    lowest: Annotated[int, Between(1, MAX_VERSION)]
    highest: Annotated[int, Between(1, MAX_VERSION)]
    software: Annotated[str, AtMost(4 * MAX_NAME)]
    name: Annotated[str, AtMost(4 * MAX_NAME)]
    nonce: Annotated[bytes, Exactly(NONCE_BYTES)]
    addresses: Annotated[
        tuple[tuple[Annotated[str, AtMost(MAX_HOST)], Annotated[int, UpTo(65535)]], ...], AtMost(MAX_ADDRESSES)
    ]
    clock: Annotated[int, UpTo(2**63 - 1)] = 0  # milliseconds since 1970 when the session began; 0: not told


@message(SESSION_MESSAGES, 2)
class Member:
    """The sender takes part in a folder, which both sides have proved to hold. An owner says that it may write."""

    folder: Annotated[bytes, Exactly(FOLDER_ID_BYTES)]
    role: Annotated[int, Between(Role.BLIND, Role.WRITE)]
    certificate: Annotated[bytes, AtMost(CERTIFICATE_BYTES)]  # b"" without one


@message(SESSION_MESSAGES, 3)
class Offer:
    """Do you have any of these folders? To whoever does not, the tags are random."""

    nonce: Annotated[bytes, Exactly(NONCE_BYTES)]
    tags: Annotated[tuple[Annotated[bytes, Exactly(HASH_BYTES)], ...], AtMost(MAX_TAGS)]


@message(SESSION_MESSAGES, 4)
class Answer:
    """Yes, the ones to which these tags belong. `nonce` is the offer's."""

    nonce: Annotated[bytes, Exactly(NONCE_BYTES)]
    tags: Annotated[tuple[Annotated[bytes, Exactly(HASH_BYTES)], ...], AtMost(MAX_TAGS)]


@message(SESSION_MESSAGES, 5)
class Withdraw:
    """The sender no longer takes part in a folder that both have proved to hold."""

    folder: Annotated[bytes, Exactly(FOLDER_ID_BYTES)]


@message(SESSION_MESSAGES, 6)
class AskTcp:
    """May I open bulk lanes over TCP? Answered by an OfferTcp."""

    lanes: Annotated[int, Between(1, MAX_TOKENS)]


@message(SESSION_MESSAGES, 7)
class OfferTcp:
    """Come to this TCP port, at the address of this link: one token a connection. No token: there is none to be had."""

    port: Annotated[int, UpTo(65535)]
    fingerprint: Annotated[bytes, Exactly(HASH_BYTES)]  # SHA-256 of the listener's certificate
    tokens: Annotated[tuple[Annotated[bytes, Exactly(TOKEN_BYTES)], ...], AtMost(MAX_TOKENS)]
    fetches: bool  # the sender fetches over these lanes. False: it answers, as it was asked to


@message(SESSION_MESSAGES, 8)
class Whereabouts:
    """Where members of a folder can be dialled, the sender itself perhaps among them. Hearsay: dial and see."""

    folder: Annotated[bytes, Exactly(FOLDER_ID_BYTES)]
    members: Annotated[
        tuple[
            tuple[
                Annotated[bytes, Exactly(DEVICE_ID_BYTES)],
                Annotated[
                    tuple[tuple[Annotated[str, AtMost(MAX_HOST)], Annotated[int, UpTo(65535)]], ...],
                    AtMost(MAX_PLACES),
                ],
            ],
            ...,
        ],
        AtMost(MAX_TOLD),
    ]


_PLACES = Annotated[
    tuple[tuple[Annotated[str, AtMost(MAX_HOST)], Annotated[int, UpTo(65535)]], ...], AtMost(MAX_PLACES)
]


@message(SESSION_MESSAGES, 9)
class Routes:
    """How the sender may be reached, so that this link finds the best way. Said at first, and when it changes."""

    own: _PLACES  # where it listens: its interfaces, and ports that its router maps to it
    seen: _PLACES  # where others see its packets come from
    relays: Annotated[
        tuple[
            tuple[
                Annotated[str, AtMost(MAX_HOST)],
                Annotated[int, UpTo(65535)],
                Annotated[bytes, Exactly(RELAY_KEY_BYTES)],
            ],
            ...,
        ],
        AtMost(MAX_RELAYS),
    ]  # at which it can be reached: their addresses and public keys
