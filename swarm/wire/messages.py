"""What two members say to each other about one folder, once both have proved that they are members of it.

On the control lane: State, Introduce, Delta, and the questions and answers of a Merkle diff. On a bulk lane: Fetch by
the side that opened it, Data by the other. Session messages (numbers below 16) are in swarm.session.messages.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

from swarm.index.record_codec import MAX_RECORD
from swarm.keys.certificate import INTRODUCTION_BYTES
from swarm.wire.schema import AtMost, Exactly, UpTo, Vocabulary, message

MAX_ORIGINS = 4096  # lives of all devices of a folder, ever; a clock of them is 115 kB
MAX_DELTA_RECORDS = 1024  # of one Delta or Registers: verified and committed as one batch
MAX_QUESTIONS = 256  # trie prefixes in one message: an answer of 256 inner nodes is 133 kB
MAX_FETCH = 1024  # identifiers in one Fetch
MAX_PIECE = 16 << 20  # bytes of one item, and of all of one Data: a chunk of the largest size class
MAX_TRIE_ANSWER = 16 * 1024  # bytes of one description of a prefix

SEQ = UpTo(2**63 - 1)
FOLDER = Exactly(16)
HASH = Exactly(32)

FOLDER_MESSAGES = Vocabulary()


class What(IntEnum):
    """What the identifiers of a Fetch name."""

    FILES = 0  # content ids of files that are one chunk: the answer is the content
    NODES = 1  # manifest nodes
    CHUNKS = 2  # chunks


@message(FOLDER_MESSAGES, 16)
class State:
    """How far the sender is: after each commit that changed it, and now and then."""

    folder: Annotated[bytes, FOLDER]
    clock: Annotated[tuple[tuple[Annotated[bytes, Exactly(16)], Annotated[int, SEQ]], ...], AtMost(MAX_ORIGINS)]
    live_root: Annotated[bytes, HASH]
    tombstone_root: Annotated[bytes, HASH]
    need_files: Annotated[int, SEQ]
    need_bytes: Annotated[int, SEQ]
    settled: bool  # nothing on the sender's disk waits to be looked at
    resend: bool  # forget what you sent me: I have only what my clock says
    # Paths that are otherwise on the sender's disk, by its user, who may not write.
    local_changes: Annotated[int, SEQ] = 0


@message(FOLDER_MESSAGES, 17)
class Introduce:
    """Who the origins are whose records come next."""

    folder: Annotated[bytes, FOLDER]
    introductions: Annotated[tuple[Annotated[bytes, Exactly(INTRODUCTION_BYTES)], ...], AtMost(MAX_ORIGINS)]


@message(FOLDER_MESSAGES, 18)
class Delta:
    """The sender's current records of `origin` with after < seq <= upto: all of them."""

    folder: Annotated[bytes, FOLDER]
    origin: Annotated[bytes, Exactly(16)]
    after: Annotated[int, SEQ]
    upto: Annotated[int, SEQ]
    records: Annotated[tuple[Annotated[bytes, AtMost(MAX_RECORD)], ...], AtMost(MAX_DELTA_RECORDS)]


@message(FOLDER_MESSAGES, 19)
class AskBranches:
    """A Merkle diff: what is below these prefixes of one trie?"""

    folder: Annotated[bytes, FOLDER]
    tombstones: bool  # which trie
    prefixes: Annotated[tuple[Annotated[str, AtMost(40)], ...], AtMost(MAX_QUESTIONS)]


@message(FOLDER_MESSAGES, 20)
class TellBranches:
    folder: Annotated[bytes, FOLDER]
    tombstones: bool
    branches: Annotated[
        tuple[tuple[Annotated[str, AtMost(40)], Annotated[bytes, AtMost(MAX_TRIE_ANSWER)]], ...],
        AtMost(MAX_QUESTIONS),
    ]


@message(FOLDER_MESSAGES, 21)
class AskRegisters:
    """The whole registers of these path keys."""

    folder: Annotated[bytes, FOLDER]
    keys: Annotated[tuple[Annotated[bytes, Exactly(20)], ...], AtMost(MAX_QUESTIONS)]


@message(FOLDER_MESSAGES, 22)
class Registers:
    """Records by path, of any origin; they move no clock."""

    folder: Annotated[bytes, FOLDER]
    records: Annotated[tuple[Annotated[bytes, AtMost(MAX_RECORD)], ...], AtMost(MAX_DELTA_RECORDS)]
    last: bool  # of the answer to one AskRegisters


@message(FOLDER_MESSAGES, 23)
class Fetch:
    """On a bulk lane: send me these."""

    folder: Annotated[bytes, FOLDER]
    request: Annotated[int, UpTo(2**32 - 1)]
    what: Annotated[int, UpTo(2)]
    identifiers: Annotated[tuple[Annotated[bytes, HASH], ...], AtMost(MAX_FETCH)]


@message(FOLDER_MESSAGES, 24)
class Data:
    """On a bulk lane: a part of the answer to a Fetch. The bytes of the items follow the frame, one after the other.

    They are outside of the frame so that a chunk is neither copied by the codec nor bound by the size of a message.
    """

    folder: Annotated[bytes, FOLDER]
    request: Annotated[int, UpTo(2**32 - 1)]
    items: Annotated[tuple[tuple[Annotated[bytes, HASH], Annotated[int, UpTo(MAX_PIECE)]], ...], AtMost(MAX_FETCH)]
    missing: Annotated[tuple[Annotated[bytes, HASH], ...], AtMost(MAX_FETCH)]
    last: bool
