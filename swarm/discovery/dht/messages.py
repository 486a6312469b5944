"""What DHT nodes ask each other and answer: a datagram each, framed as `rpcudp` does, in a stricter msgpack. Pure.

    question  00 ‖ id 20 ‖ message        answer  01 ‖ the same id ‖ message

An answer is never more than three times as large as its question, and the question is padded where the answer is wanted
large: so nobody is worth being flooded through us by questions in his name.
"""

from __future__ import annotations

from typing import Annotated, Final

from swarm.discovery.dht.contact import ID_BYTES, MAX_ADDRESS_BYTES, MAX_CONTACT_BYTES
from swarm.discovery.dht.provider import RECORD_BYTES, SLOT_BYTES, TOPIC_BYTES
from swarm.discovery.dht.store import Outcome
from swarm.keys.signature import PUBLIC_KEY_BYTES
from swarm.wire.codec import encode
from swarm.wire.schema import AtMost, Between, Exactly, Unknown, Vocabulary, message

QUESTION, ANSWER = 0x00, 0x01
MESSAGE_ID_BYTES: Final = 20
HEAD_BYTES: Final = 1 + MESSAGE_ID_BYTES
MAX_DATAGRAM: Final = 1_232  # bytes: what IPv6 carries everywhere, 1,280 with its headers
MAX_AMPLIFICATION: Final = 3  # times the question, at most, is the answer: QUIC's figure (RFC 9000, section 8.1)
MAX_CONTACTS: Final = 20  # of one answer; Kademlia's k
MAX_RECORDS: Final = 4  # of one answer: more do not fit
TOKEN_BYTES: Final = 8
FIND_BYTES: Final = 230  # a Find is padded to this: 20 contacts are 600 bytes
GET_BYTES: Final = 410  # a Get is padded to this, so that the answer may fill a datagram

QUESTIONS: Final = Vocabulary()
ANSWERS: Final = Vocabulary()


@message(QUESTIONS, 1)
class Ping:
    """Are you there?"""

    sender: Annotated[bytes, Exactly(ID_BYTES)]
    server: bool


@message(QUESTIONS, 2)
class Find:
    """Which nodes do you know that are close to this?"""

    sender: Annotated[bytes, Exactly(ID_BYTES)]
    server: bool
    target: Annotated[bytes, Exactly(ID_BYTES)]
    padding: Annotated[bytes, AtMost(MAX_DATAGRAM)] = b""


@message(QUESTIONS, 3)
class Get:
    """The same, and which records do you have of this topic, after this slot?"""

    sender: Annotated[bytes, Exactly(ID_BYTES)]
    server: bool
    topic: Annotated[bytes, Exactly(TOPIC_BYTES)]
    after: Annotated[bytes, AtMost(SLOT_BYTES)]
    padding: Annotated[bytes, AtMost(MAX_DATAGRAM)] = b""


@message(QUESTIONS, 4)
class Put:
    """Keep this. The token is from your last answer, so that you know that I am where I say."""

    sender: Annotated[bytes, Exactly(ID_BYTES)]
    server: bool
    token: Annotated[bytes, Exactly(TOKEN_BYTES)]
    public_key: Annotated[bytes, Exactly(PUBLIC_KEY_BYTES)]
    record: Annotated[bytes, Exactly(RECORD_BYTES)]


@message(QUESTIONS, 5)
class Check:
    """Have somebody ping me that I may not have spoken to."""

    sender: Annotated[bytes, Exactly(ID_BYTES)]
    server: bool
    token: Annotated[bytes, Exactly(TOKEN_BYTES)]


@message(QUESTIONS, 6)
class Reach:
    """Ping this address: I was asked to, and it is the asker's."""

    sender: Annotated[bytes, Exactly(ID_BYTES)]
    server: bool
    address: Annotated[bytes, AtMost(MAX_ADDRESS_BYTES)]


@message(ANSWERS, 1)
class Pong:
    """I am. `seen`: the address that your question came from."""

    sender: Annotated[bytes, Exactly(ID_BYTES)]
    server: bool
    seen: Annotated[bytes, AtMost(MAX_ADDRESS_BYTES)]
    token: Annotated[bytes, AtMost(TOKEN_BYTES)]


@message(ANSWERS, 2)
class Found:
    """To a Find."""

    sender: Annotated[bytes, Exactly(ID_BYTES)]
    server: bool
    seen: Annotated[bytes, AtMost(MAX_ADDRESS_BYTES)]
    contacts: Annotated[tuple[Annotated[bytes, AtMost(MAX_CONTACT_BYTES)], ...], AtMost(MAX_CONTACTS)]


@message(ANSWERS, 3)
class Got:
    """To a Get. `more`: there are records after the last of these."""

    sender: Annotated[bytes, Exactly(ID_BYTES)]
    server: bool
    seen: Annotated[bytes, AtMost(MAX_ADDRESS_BYTES)]
    contacts: Annotated[tuple[Annotated[bytes, AtMost(MAX_CONTACT_BYTES)], ...], AtMost(MAX_CONTACTS)]
    token: Annotated[bytes, Exactly(TOKEN_BYTES)]
    public_key: Annotated[bytes, AtMost(PUBLIC_KEY_BYTES)]
    records: Annotated[tuple[Annotated[bytes, Exactly(RECORD_BYTES)], ...], AtMost(MAX_RECORDS)]
    more: bool


@message(ANSWERS, 4)
class Done:
    """To a Put: what became of the record. To Check and Reach: 0 for yes."""

    sender: Annotated[bytes, Exactly(ID_BYTES)]
    server: bool
    seen: Annotated[bytes, AtMost(MAX_ADDRESS_BYTES)]
    outcome: Annotated[int, Between(0, 127)]


Question = Ping | Find | Get | Put | Check | Reach
Answer = Pong | Found | Got | Done
ACCEPTED: Final = int(Outcome.STORED)
REFUSED: Final = int(Outcome.FULL)


def is_ours(data: bytes) -> bool:
    """By its first byte."""
    return data[:1] in (b"\0", b"\1")


def split(data: bytes) -> tuple[bytes, bytes] | None:
    """(id, message) of a datagram whose first byte was looked at; None for one of an impossible size."""
    if not HEAD_BYTES < len(data) <= MAX_DATAGRAM:
        return None
    return data[1:HEAD_BYTES], data[HEAD_BYTES:]


def pack_question(message_id: bytes, question: Question) -> bytes:
    return bytes([QUESTION]) + message_id + QUESTIONS.pack(question)


def pack_answer(message_id: bytes, answer: Answer) -> bytes:
    return bytes([ANSWER]) + message_id + ANSWERS.pack(answer)


def parse_question(body: bytes) -> Question | None:
    """None for one that only a newer version asks. Raises BadPeer."""
    return _known(QUESTIONS, body)  # type: ignore[return-value]


def parse_answer(body: bytes) -> Answer | None:
    """None for one that only a newer version gives. Raises BadPeer."""
    return _known(ANSWERS, body)  # type: ignore[return-value]


def find_question(sender: bytes, server: bool, target: bytes) -> Find:
    return Find(sender, server, target, _padding(FIND_BYTES - len(encode((2, sender, server, target)))))


def get_question(sender: bytes, server: bool, topic: bytes, after: bytes) -> Get:
    return Get(sender, server, topic, after, _padding(GET_BYTES - len(encode((3, sender, server, topic, after)))))


def _padding(lacking: int) -> bytes:
    """So many bytes less the datagram's head and the length that msgpack writes before them."""
    return bytes(max(0, lacking - HEAD_BYTES - 3))


def _known(vocabulary: Vocabulary, body: bytes) -> object | None:
    found = vocabulary.unpack(body, MAX_DATAGRAM)
    return None if isinstance(found, Unknown) else found
