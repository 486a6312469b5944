"""One DHT node of one address family: what it answers, whom it asks. On kademlia's protocol class, over any sender.

Of `kademlia` and `rpcudp` the framing, the buckets and the ids are used, and nothing that trusts: their handlers of
datagrams are replaced, since they decode without bounds, dial whatever a stranger names, and keep one value a key for
whoever wrote last. *Their `__getattr__` makes a call over the network of every name that does not exist*, so that a
typo would be sent to a stranger instead of raised; it is closed here.

Everything is answered at once and nothing waits: an answer is in proportion to its question, questions are counted by
network and in all, and a stranger enters the table only after he has answered a question of ours at his address.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Never

from kademlia.node import Node
from kademlia.protocol import KademliaProtocol

from swarm.discovery.dht import messages
from swarm.discovery.dht.allowance import Allowance
from swarm.discovery.dht.contact import (
    Contact,
    is_bound,
    make_id,
    may_tell,
    network,
    pack_address,
    pack_contact,
    parse_address,
    scope,
)
from swarm.discovery.dht.lookup import K
from swarm.discovery.dht.messages import (
    MAX_AMPLIFICATION,
    MAX_CONTACTS,
    MAX_DATAGRAM,
    MESSAGE_ID_BYTES,
    Answer,
    Check,
    Done,
    Find,
    Found,
    Get,
    Got,
    Ping,
    Pong,
    Put,
    Question,
    Reach,
)
from swarm.discovery.dht.provider import RECORD_BYTES, check
from swarm.discovery.dht.store import Outcome, is_cursor
from swarm.discovery.dht.table import Table
from swarm.errors import BadPeer
from swarm.keys.derive import kdf

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm.discovery.dht.contact import Address
    from swarm.discovery.dht.standing import Standing
    from swarm.discovery.dht.store import ProviderStore

log = logging.getLogger("swarm.dht")

TIMEOUT: Final = 1.5  # seconds for an answer: longer than around the world and back, three times
MAX_OUTSTANDING: Final = 512  # questions of ours; lookups have 4 each, pings the rest
MAX_VERIFYING: Final = 32  # of those, pings to nodes that are not known
MAX_SPOKEN: Final = 16_384  # hosts that we sent to lately; 3 MB
SPOKEN_SECONDS: Final = 86_400.0  # some NATs let in whom we ever sent to, for as long as their mapping lives
TOKEN_SECONDS: Final = 300.0  # a token is good in its period and in the next
PING_BYTES: Final = 64  # and a little more: a question may bring its asker a ping beside the answer
CONTACTS_WITH_RECORDS: Final = 6  # for which room is kept in an answer that has records
QUESTIONS: Final = {"rate": 50.0, "burst": 200.0, "total_rate": 1_000.0, "total_burst": 2_000.0}
PUTS: Final = {"rate": 5.0, "burst": 60.0, "total_rate": 50.0, "total_burst": 400.0}  # each costs a signature, 50 µs
PROOFS: Final = {"rate": 0.05, "burst": 4.0, "total_rate": 2.0, "total_burst": 20.0}  # each costs others a packet
MEETINGS: Final = {"rate": 1.0, "burst": 20.0, "total_rate": 20.0, "total_burst": 100.0}  # pings to strangers


@dataclass(frozen=True, slots=True)
class _Pending:
    """A question of ours."""

    future: asyncio.Future[Answer | None]
    timer: asyncio.TimerHandle
    address: Address
    expected: bytes | None  # the id that should answer; None where it is not known


class Protocol(KademliaProtocol):  # type: ignore[misc]  # the library has no types
    """Questions and answers of one node."""

    def __init__(
        self,
        send: Callable[[bytes, Address], None],
        store: ProviderStore,
        standing: Standing,
        *,
        random: Callable[[int], bytes],
        wall: Callable[[], float],
        on_moved: Callable[[], None] = lambda: None,
    ) -> None:
        """`send` must not wait. `random`: so many random bytes. `wall`: seconds since 1970.

        `on_moved`: others see us at another address than before.
        """
        host = standing.address[0] if standing.address is not None else None
        super().__init__(Node(make_id(host, random(20))), store, K)
        self.table = Table(self.router)
        self.standing = standing
        self._send = send
        self._store = store
        self._random = random
        self._wall = wall
        self._on_moved = on_moved
        self._loop = asyncio.get_running_loop()
        self._secret = random(32)
        self._pending: dict[bytes, _Pending] = {}
        self._verifying: set[bytes] = set()
        self._spoken: OrderedDict[str, float] = OrderedDict()
        self._questions, self._puts = Allowance(**QUESTIONS), Allowance(**PUTS)
        self._proofs, self._meetings = Allowance(**PROOFS), Allowance(**MEETINGS)

    def __getattr__(self, name: str) -> Never:
        raise AttributeError(name)

    @property
    def id(self) -> bytes:
        own: bytes = self.source_node.id
        return own

    @property
    def is_server(self) -> bool:
        return self.standing.is_server(self._loop.time())

    def close(self) -> None:
        """Nothing is waited for any more."""
        for message_id in list(self._pending):
            self._end(message_id, None)

    # -- asking

    def ask(self, address: Address, question: Question, expected: bytes | None) -> asyncio.Future[Answer | None]:
        """The answer, or None when there was none in time. Never raises.

        `expected`: the id of who is there, as far as is known. The answer may have another one.
        """
        future: asyncio.Future[Answer | None] = self._loop.create_future()
        if len(self._pending) >= MAX_OUTSTANDING:
            future.set_result(None)
            return future
        message_id = self._random(MESSAGE_ID_BYTES)
        timer = self._loop.call_later(TIMEOUT, self._end, message_id, None)
        self._pending[message_id] = _Pending(future, timer, address, expected)
        self._spoken[address[0]] = self._loop.time()
        self._spoken.move_to_end(address[0])
        if len(self._spoken) > MAX_SPOKEN:
            self._spoken.popitem(last=False)
        self._send(messages.pack_question(message_id, question), address)
        return future

    def ping(self, address: Address, expected: bytes | None = None) -> asyncio.Future[Answer | None]:
        return self.ask(address, Ping(self.id, self.is_server), expected)

    def ask_for(self, contact: Contact, target: bytes) -> asyncio.Future[Answer | None]:
        question = messages.find_question(self.id, self.is_server, target)
        return self.ask(contact.address, question, contact.id)

    def ask_records(self, contact: Contact, topic: bytes, after: bytes = b"") -> asyncio.Future[Answer | None]:
        question = messages.get_question(self.id, self.is_server, topic, after)
        return self.ask(contact.address, question, contact.id)

    def bring(self, contact: Contact, token: bytes, public_key: bytes, raw: bytes) -> asyncio.Future[Answer | None]:
        return self.ask(contact.address, Put(self.id, self.is_server, token, public_key, raw), contact.id)

    def ask_proof(self, contact: Contact, token: bytes) -> asyncio.Future[Answer | None]:
        return self.ask(contact.address, Check(self.id, self.is_server, token), contact.id)

    def call_ping(self, node: Any) -> asyncio.Future[Answer | None]:
        """For the library's table: is the oldest of a full bucket still there?"""
        return self.ping((node.ip, node.port), node.id)

    def _end(self, message_id: bytes, answer: Answer | None) -> None:
        pending = self._pending.pop(message_id)
        pending.timer.cancel()
        if not pending.future.done():
            pending.future.set_result(answer)
        if answer is None and pending.expected is not None:
            self.table.failed(Contact(pending.expected, *pending.address))

    # -- what arrives

    def datagram_received(self, data: bytes, address: Address) -> None:
        """One whose first byte is 00 or 01. Never raises, whatever it is."""
        parts = messages.split(data)
        if parts is None or scope(address[0]) == 0:
            return
        try:
            if data[0] == messages.ANSWER:
                self._answered(*parts, address)
            else:
                self._asked(*parts, address, len(data))
        except BadPeer as error:
            log.debug("%s:%s: %s", *address, error.message)

    def _answered(self, message_id: bytes, body: bytes, address: Address) -> None:
        pending = self._pending.get(message_id)
        if pending is None or pending.address != address:
            return
        answer = messages.parse_answer(body)
        if answer is None or answer.sender == self.id:
            self._end(message_id, None)
            return
        if pending.expected not in (None, answer.sender):
            self.table.remove(Contact(pending.expected or b"", *address))
        seen = parse_address(answer.seen)
        if seen is not None and self.standing.seen(seen, address[0]):
            self._move(seen)
        contact = Contact(answer.sender, *address)
        if answer.server and is_bound(contact):
            self.table.add(contact)
        else:
            self.table.remove(contact)  # it has become a client
        self._end(message_id, answer)

    def _move(self, address: Address) -> None:
        """We are somewhere else; our id is bound to our network."""
        self._on_moved()
        if is_bound(Contact(self.id, *address)):
            return
        self.source_node = Node(make_id(address[0], self._random(20)))
        self.table.begin_anew(self.id)

    def _asked(self, message_id: bytes, body: bytes, address: Address, size: int) -> None:
        now = self._loop.time()
        if not self._questions.take(network(address[0]), now):
            return
        question = messages.parse_question(body)
        if question is None or question.sender == self.id:
            return
        if now - self._spoken.get(address[0], -SPOKEN_SECONDS) >= SPOKEN_SECONDS:
            self.standing.reached(address[0], now)
        self._meet(question, address, now)
        room = min(MAX_DATAGRAM, MAX_AMPLIFICATION * size - PING_BYTES) - messages.HEAD_BYTES
        answer = self._answer(question, address, room, now)
        if answer is not None:
            self._send(messages.pack_answer(message_id, answer), address)

    def _answer(self, question: Question, address: Address, room: int, now: float) -> Answer | None:
        server, seen = self.is_server, pack_address(address)
        match question:
            case Ping():
                return Pong(self.id, server, seen, self._token(address, now))
            case Find():
                return self._with_contacts(Found(self.id, server, seen, ()), question.target, address, room)
            case Get():
                return self._page(question, address, room, now)
            case Put():
                return Done(self.id, server, seen, self._put(question, address, now))
            case Check():
                return Done(self.id, server, seen, self._have_reached(question, address, now))
            case Reach():
                return Done(self.id, server, seen, self._reach(question, address, now))

    def _page(self, question: Get, address: Address, room: int, now: float) -> Answer | None:
        if not is_cursor(question.after):
            raise BadPeer("a page that begins nowhere")
        answer = Got(self.id, self.is_server, pack_address(address), (), self._token(address, now), b"", (), False)
        kept = CONTACTS_WITH_RECORDS * 28 if not question.after else 0  # who asks for more knows who is near
        most = min(messages.MAX_RECORDS, (room - _size(answer) - 34 - kept) // (RECORD_BYTES + 3))
        page = self._store.page(question.topic, question.after, most, self._wall()) if most > 0 else None
        if page is not None:
            answer = replace(answer, public_key=page.public_key, records=page.records, more=page.more)
        if question.after:
            return answer
        return self._with_contacts(answer, question.topic, address, room)

    def _with_contacts(self, answer: Found | Got, target: bytes, address: Address, room: int) -> Answer | None:
        """As many contacts as there is room for; None where the question was too short even for none."""
        left = room - _size(answer) - 2  # an array of more than 15 takes two bytes more
        if left < 0:
            return None
        contacts: list[bytes] = []
        for contact in self.table.closest(target, MAX_CONTACTS):
            packed = pack_contact(contact)
            left -= len(packed) + 2
            if left < 0:
                break
            if contact.address != address and may_tell(address[0], contact.host):
                contacts.append(packed)
        return replace(answer, contacts=tuple(contacts))

    def _put(self, question: Put, address: Address, now: float) -> int:
        if not self._is_token(question.token, address, now):
            return Outcome.BAD_TOKEN
        if not self._puts.take(network(address[0]), now):
            return Outcome.FULL
        try:
            record = check(question.public_key, question.record, self._wall())
        except BadPeer:
            return Outcome.BAD_RECORD
        return self._store.put(question.public_key, record, network(address[0]), self._wall())

    # -- who may enter the table

    def _meet(self, question: Question, address: Address, now: float) -> None:
        """Somebody asks who says that he is a server: a ping finds out."""
        contact = Contact(question.sender, *address)
        if not question.server or not is_bound(contact) or contact.id in self._verifying:
            return
        if len(self._verifying) >= MAX_VERIFYING or not self.table.accepts(contact):
            return
        if self._meetings.take(network(address[0]), now):
            self._verifying.add(contact.id)
            self.ping(address, contact.id).add_done_callback(lambda _: self._verifying.discard(contact.id))

    def _have_reached(self, question: Check, address: Address, now: float) -> int:
        """Asks somebody else to ping the asker, whose address the token proves."""
        if not self._is_token(question.token, address, now):
            return Outcome.BAD_TOKEN
        others = [c for c in self.table if c.host != address[0] and may_tell(c.host, address[0])]
        if not others or not self._proofs.take(network(address[0]), now):
            return messages.REFUSED
        other = others[int.from_bytes(self._random(4), "big") % len(others)]
        self.ask(other.address, Reach(self.id, self.is_server, pack_address(address)), other.id)
        return messages.ACCEPTED

    def _reach(self, question: Reach, address: Address, now: float) -> int:
        """For a node of our table only; others would have us ping whom they like."""
        wanted = parse_address(question.address)
        known = self.table.get(question.sender)
        if wanted is None or known != Contact(question.sender, *address) or not may_tell(address[0], wanted[0]):
            return messages.REFUSED
        if not self._proofs.take(network(address[0]), now):
            return messages.REFUSED
        self.ping(wanted)
        return messages.ACCEPTED

    # -- tokens

    def _token(self, address: Address, now: float, ago: int = 0) -> bytes:
        period = int(now // TOKEN_SECONDS) - ago
        info = pack_address(address) + period.to_bytes(8, "big", signed=True)
        return kdf(self._secret, b"swarm1.token", info, messages.TOKEN_BYTES)

    def _is_token(self, token: bytes, address: Address, now: float) -> bool:
        return any(hmac.compare_digest(token, self._token(address, now, ago)) for ago in (0, 1))


def _size(answer: Answer) -> int:
    return len(messages.ANSWERS.pack(answer))
