"""A session: one authenticated conversation with one peer, over the control lane. Sans-I/O.

    session = Session(...)
    lane <- session.start()
    for each piece of data:  events = session.receive(data);  lane <- session.data_to_send()

Handshake, then SessionHello by both sides, then Member for each folder in common, then the folders' own messages. Each
payload is framed (swarm.wire.framing). BadPeer from `receive` ends a session: close the link, and say why only if the
peer was authenticated. Silence on the link, the delay before a stranger is turned away, and the five seconds that a
handshake may take are the shell's business.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

import swarm
from swarm.errors import BadPeer
from swarm.ids import DeviceId, FolderId
from swarm.keys.membership import DIALLER, LISTENER
from swarm.session import greeting
from swarm.session.events import (
    Address,
    Authenticated,
    Cause,
    Close,
    Event,
    Incompatible,
    MembersTold,
    MessageReceived,
    PeerReady,
    RoutesTold,
    TcpAsked,
    TcpOffered,
)
from swarm.session.greeting import VERSIONS, Versions
from swarm.session.handshake import Handshake
from swarm.session.membership import Membership, Sides
from swarm.session.messages import (
    LAST_NUMBER,
    SESSION_MESSAGES,
    Answer,
    AskTcp,
    Member,
    Offer,
    OfferTcp,
    Routes,
    SessionHello,
    Whereabouts,
    Withdraw,
)
from swarm.wire.codec import MAX_MESSAGE
from swarm.wire.framing import Deframer, frame
from swarm.wire.messages import FOLDER_MESSAGES
from swarm.wire.schema import Unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from swarm.keys.chain import FolderKeys
    from swarm.keys.device import DeviceKey
    from swarm.keys.role import Role


class State(Enum):
    """What is known of the peer."""

    STRANGER = "nothing that it proved"
    DEVICE = "its device, and folders in common"
    INTRODUCED = "its name and version too"
    CLOSED = "that there is no more to say"


class Session:
    """One side of a session."""

    def __init__(
        self,
        *,
        device: DeviceKey,
        name: str,
        nonce: bytes,
        folders: Mapping[FolderId, FolderKeys],
        certificates: Mapping[FolderId, bytes],
        binding: bytes,
        dialled: bool,
        random: Callable[[int], bytes],
        addresses: Iterable[Address] = (),
        versions: Versions = VERSIONS,
        software: str = swarm.__version__,
        clock: int = 0,
    ) -> None:
        """`nonce`: 8 bytes drawn once a process. `certificates`: needed where our keys give write. `binding`: 32 bytes.

        `random(n)` gives n random bytes. `addresses`: where we listen, which the peer may tell others. `clock`: ms
        since 1970, so that the peer can tell its user when the two disagree.
        """
        self.state = State.STRANGER
        self._hello = greeting.hello(name, software, nonce, addresses, versions, clock)
        self._versions = versions
        sides = Sides(*((DIALLER, LISTENER) if dialled else (LISTENER, DIALLER)), binding)
        self._membership = Membership(folders, certificates, sides, random)
        self._handshake = Handshake(device, folders, binding, dialled, random)
        self._deframer = Deframer(self._handshake.limit)
        self._unsent = bytearray()

    @property
    def peer(self) -> DeviceId | None:
        """The device on the other side, once it has proved who it is."""
        return self._handshake.peer

    @property
    def joined(self) -> Mapping[FolderId, Role]:
        """The folders that both take part in, and what the peer may do there."""
        return self._membership.joined

    def start(self) -> bytes:
        """What to send first; b"" on the side that did not dial."""
        self._send_payload(self._handshake.start())
        return self.data_to_send()

    def data_to_send(self) -> bytes:
        """All that has to be sent by now, once."""
        data = bytes(self._unsent)
        self._unsent.clear()
        return data

    def receive(self, data: bytes) -> list[Event]:
        """Takes what the peer sent, in pieces of any size. Raises BadPeer, and takes and sends no more after that."""
        events: list[Event] = []
        if self._is_closed():
            return events
        self._deframer.push(data)
        try:
            while not self._is_closed() and (payload := self._deframer.pop()) is not None:
                events += self._take(payload)
        except BadPeer:
            self.state = State.CLOSED
            self._unsent.clear()
            raise
        return events

    def send(self, message: object) -> bool:
        """Queues a message. False, and nothing happens, where the peer is not, or no longer, in the message's folder.

        Raises Bug for what is no message of swarm.wire.messages.
        """
        folder = _folder_of(message)
        if self.state is not State.INTRODUCED or (folder is not None and folder not in self.joined):
            return False
        self._send_payload(FOLDER_MESSAGES.pack(message))
        return True

    def tell(self, message: Whereabouts) -> bool:
        """Queues where members of a folder are. False, and nothing happens, where the peer is not in that folder."""
        if self.state is not State.INTRODUCED or message.folder not in self.joined:
            return False
        self._say([message])
        return True

    def tell_routes(self, message: Routes) -> None:
        """Says how we may be reached. Lost before the peer has introduced itself."""
        if self.state is State.INTRODUCED:
            self._say([message])

    def offer(self, keys: FolderKeys, certificate: bytes = b"") -> None:
        """From now on we take part in this folder too, or with other keys. The peer learns of it only if it has it."""
        self._say(self._membership.offer(keys, certificate))

    def withdraw(self, folder: FolderId) -> None:
        """From now on we take no part in this folder: nothing of it is sent, nor passed up."""
        self._say(self._membership.withdraw(folder))

    def arrange_tcp(self, message: AskTcp | OfferTcp) -> None:
        """Says that bulk lanes over TCP are wanted, or may come. Lost before the peer has introduced itself."""
        if self.state is State.INTRODUCED:
            self._say([message])

    def _is_closed(self) -> bool:
        return self.state is State.CLOSED

    def _take(self, payload: bytes) -> list[Event]:
        peer = self.peer
        if peer is None:
            return self._shake(payload)
        if self.state is State.DEVICE:
            return self._greet(peer, payload)
        return self._converse(payload)

    def _shake(self, payload: bytes) -> list[Event]:
        self._send_payload(self._handshake.receive(payload))
        if self._handshake.close:
            return self._end(self._handshake.close)
        peer = self._handshake.peer
        if peer is None:
            self._deframer.limit = self._handshake.limit
            return []
        self.state = State.DEVICE
        self._deframer.limit = MAX_MESSAGE
        self._say([self._hello])
        self._say(self._membership.start(peer, self._handshake.compared, self._handshake.proved))
        return [Authenticated(peer)]

    def _greet(self, peer: DeviceId, payload: bytes) -> list[Event]:
        hello = SESSION_MESSAGES.unpack(payload)
        if not isinstance(hello, SessionHello):
            raise BadPeer("it did not introduce itself")
        if hello.lowest > hello.highest:
            raise BadPeer("a range of versions with nothing in it")
        name, software = greeting.presentable(hello.name), greeting.presentable(hello.software)
        theirs = Versions(hello.lowest, hello.highest)
        version = greeting.agree(self._versions, theirs)
        if version is None:
            ours_is_old = self._versions.highest < theirs.lowest
            close = Close(Cause.INCOMPATIBLE, self._refusal(theirs, ours_is_old))
            return [Incompatible(peer, name, software, ours_is_old), *self._end(close)]
        self.state = State.INTRODUCED
        return [PeerReady(peer, name, hello.nonce, version, software, _addresses(hello.addresses), hello.clock)]

    def _converse(self, payload: bytes) -> list[Event]:
        message = (SESSION_MESSAGES if _number(payload) <= LAST_NUMBER else FOLDER_MESSAGES).unpack(payload)
        match message:
            case Offer() | Answer() | Member() | Withdraw():
                outcome = self._membership.receive(message)
                self._say(outcome.say)
                return list(outcome.events)
            case AskTcp(lanes):
                return [TcpAsked(lanes)]
            case OfferTcp(port, fingerprint, tokens, fetches):
                return [TcpOffered(port, fingerprint, tokens, fetches)]
            case Whereabouts():
                return self._take_whereabouts(message)
            case Routes():
                return [_routes_told(message)]
            case SessionHello():
                raise BadPeer("it introduced itself twice")
            case Unknown():
                return []  # what only newer versions say
        folder = _folder_of(message)
        admitted = folder is None or self._membership.admits(folder)
        return [MessageReceived(message)] if admitted else []

    def _take_whereabouts(self, message: Whereabouts) -> list[Event]:
        folder = FolderId(message.folder)
        if not self._membership.admits(folder):
            return []
        members = tuple((DeviceId(device), _addresses(places)) for device, places in message.members)
        return [MembersTold(folder, members)]

    def _refusal(self, theirs: Versions, ours_is_old: bool) -> str:
        """For the eyes of the peer's user."""
        name = self._hello.name
        where = name if ours_is_old else "this device"
        return f"update swarm on {where}: {name} speaks {_range(self._versions)}, this device {_range(theirs)}"

    def _end(self, close: Close) -> list[Event]:
        self.state = State.CLOSED
        return [close]

    def _say(self, messages: Iterable[object]) -> None:
        for message in messages:
            self._send_payload(SESSION_MESSAGES.pack(message))

    def _send_payload(self, payload: bytes) -> None:
        if payload and self.state is not State.CLOSED:
            self._unsent += frame(payload)


def _routes_told(message: Routes) -> RoutesTold:
    relays = tuple(((host, port), key) for host, port, key in message.relays if greeting.is_address(host, port))
    return RoutesTold(_addresses(message.own), _addresses(message.seen), relays)


def _addresses(places: Iterable[Address]) -> tuple[Address, ...]:
    """Those that are addresses, once each."""
    return tuple(place for place in dict.fromkeys(places) if greeting.is_address(*place))


def _number(payload: bytes) -> int:
    """The number of the message, without decoding it; of malformed bytes anything, since they are decoded next.

    An array of up to 15 items has one byte before its first item, a longer one has three. Every number is one byte.
    """
    at = 1 if payload[0] >> 4 == 0x9 else 3
    return payload[at] if at < len(payload) else 0


def _folder_of(message: object) -> FolderId | None:
    folder = getattr(message, "folder", None)
    return FolderId(folder) if isinstance(folder, bytes) else None


def _range(versions: Versions) -> str:
    low, high = versions
    return f"protocol version {low}" if low == high else f"protocol versions {low} to {high}"
