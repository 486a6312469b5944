"""A relay in a hundred lines, for tests of whoever uses one: no limits, a cookie for all, and faults on order."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nacl.bindings import crypto_sign_seed_keypair

from swarm.keys.relay import handle_of, printed
from swarm.net.tls import listener_context
from swarm.wire.relay_frame import (
    Data,
    Hello,
    Register,
    Sealed,
    WhoAmI,
    address_frame,
    cookie_frame,
    in_stream,
    pack_address,
    parse,
    reset_frame,
    stream_reader,
    welcome_outer,
)
from swarm.wire.relay_message import (
    DOWNWARD,
    REGISTRATION,
    UPWARD,
    Accept,
    Alive,
    Close,
    Closed,
    Denied,
    Done,
    Enrol,
    Found,
    Incoming,
    Leave,
    Lookup,
    Mode,
    Open,
    Opened,
    Pulse,
    Refusal,
    Refused,
    SetTopics,
    Welcome,
)
from swarm.wire.relay_seal import Registration, SealedConversation, fingerprint_of, relay_secret, shared_by_relay

if TYPE_CHECKING:
    from collections.abc import Callable

COOKIE = bytes(22)


@dataclass(eq=False)
class Member:
    """One registration."""

    handle: bytes
    conversation: SealedConversation
    reply: Callable[[bytes], None]
    source: object
    reserved: bool
    topics: set[bytes] = field(default_factory=set)

    def say(self, message: object) -> None:
        self.reply(self.conversation.seal(DOWNWARD.pack(message)))


class TinyRelay(asyncio.DatagramProtocol):
    """Listens on 127.0.0.1, UDP and TCP at one port."""

    def __init__(self, seed: bytes = b"r" * 32) -> None:
        self.key, secret = crypto_sign_seed_keypair(seed)
        self._x25519 = relay_secret(secret)
        self.deaf = False  # to UDP
        self.refusal = Refusal.NONE
        self.carried = 0  # bytes through channels
        self.members: dict[bytes, Member] = {}  # by session
        self.channels: dict[int, tuple[Member, Member]] = {}
        self._opening: dict[int, int] = {}  # channel -> the opener's request
        self._transport: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None
        self._streams: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def start(self, port: int = 0) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", port))
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]
        context, _ = listener_context()
        self._server = await asyncio.start_server(self._stream, "127.0.0.1", self.port, ssl=context)

    async def stop(self) -> None:
        """As if it were killed: nobody is told."""
        assert self._server is not None
        assert self._transport is not None
        self._transport.abort()
        self._server.close()
        for writer in list(self._streams):
            writer.transport.abort()
            await asyncio.sleep(0.01)  # for its task to see that
        self.members.clear()
        self.channels.clear()
        await asyncio.sleep(0)

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}~{printed(self.key)}"

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if not self.deaf and self._transport is not None:
            transport = self._transport
            self._take(data, addr, lambda answer: transport.sendto(answer, addr))

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._streams.add(writer)
        frames = stream_reader()
        address = writer.get_extra_info("peername")
        try:
            while data := await reader.read(1 << 16):
                for frame in frames.feed(data):
                    self._take(frame, address, lambda answer: writer.write(in_stream(answer)))
        except OSError:
            pass
        finally:
            self._streams.discard(writer)

    def _take(self, data: bytes, address: tuple[str, int], reply: Callable[[bytes], None]) -> None:
        match parse(data):
            case WhoAmI(transaction):
                reply(address_frame(transaction, 0, address))
            case Hello(ephemeral):
                reply(cookie_frame(ephemeral, fingerprint_of(self.key), COOKIE))
            case Register() as frame:
                self._enrol(frame, address, reply)
            case Sealed() as frame if frame.session in self.members:
                member = self.members[frame.session]
                if (packed := member.conversation.open(frame)) is not None:
                    member.reply = reply
                    self._hear(member, UPWARD.unpack(packed), address)
            case Sealed() as frame:
                reply(reset_frame(frame.session))
            case Data(number, payload) if number in self.channels:
                one, other = self.channels[number]
                to = other if one.source == address else one
                self.carried += len(payload)
                to.reply(data)

    def _enrol(self, frame: Register, address: tuple[str, int], reply: Callable[[bytes], None]) -> None:
        registration = Registration(shared_by_relay(self._x25519, frame.ephemeral), frame.ephemeral, self.key)
        enrol = REGISTRATION.unpack(registration.open_enrol(frame))
        assert isinstance(enrol, Enrol)
        outer = welcome_outer(frame.ephemeral)
        if self.refusal is Refusal.FULL:
            reply(registration.seal_welcome(outer, REGISTRATION.pack(Denied(self.refusal))))
            return
        handle = handle_of(self.key, enrol.device)
        for session, old in list(self.members.items()):
            if old.handle == handle:
                del self.members[session]
                self._forget(old)
        session = os.urandom(8)
        reserved = enrol.mode == Mode.RESERVE and self.refusal is Refusal.NONE
        conversation = registration.conversation(session, relay=True)
        self.members[session] = Member(handle, conversation, reply, address, reserved, set(enrol.topics))
        mode = Mode.RESERVE if reserved else Mode.GUEST
        welcome = Welcome(session, pack_address(address), mode, self.refusal, 0, 15, 64, 1 << 40)
        reply(registration.seal_welcome(outer, REGISTRATION.pack(welcome)))

    def _hear(self, member: Member, message: object, address: tuple[str, int]) -> None:
        match message:
            case Alive():
                member.say(Pulse(pack_address(address)))
            case SetTopics(request, topics):
                member.topics = set(topics)
                member.say(Done(request))
            case Lookup(request, topics):
                others = [other for other in self.members.values() if other is not member and other.reserved]
                found = [(topic, tuple(o.handle for o in others if topic in o.topics)) for topic in topics]
                member.say(Found(request, tuple(found)))
            case Open(request, handle):
                self._open(member, request, handle)
            case Accept(channel) if channel in self._opening:
                self.channels[channel][0].say(Opened(self._opening.pop(channel), channel))
            case Close(channel):
                self._close(channel, member)
            case Leave():
                self._forget(member)
                self.members = {session: m for session, m in self.members.items() if m is not member}

    def _open(self, member: Member, request: int, handle: bytes) -> None:
        other = next((m for m in self.members.values() if m.handle == handle and m.reserved), None)
        if other is None:
            member.say(Refused(request, Refusal.ABSENT))
            return
        for channel, ends in self.channels.items():
            if set(ends) == {member, other}:
                if channel not in self._opening:
                    member.say(Opened(request, channel))
                return
        channel = int.from_bytes(os.urandom(4), "big")
        self.channels[channel] = member, other
        self._opening[channel] = request
        other.say(Incoming(channel, member.handle))

    def _close(self, channel: int, member: Member) -> None:
        for end in self.channels.pop(channel, ()):
            if end is not member:
                end.say(Closed(channel, Refusal.CLOSED))

    def _forget(self, member: Member) -> None:
        for channel, ends in list(self.channels.items()):
            if member in ends:
                self._close(channel, member)
