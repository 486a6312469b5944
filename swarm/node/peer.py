"""One peer: drives a session over a link, and carries a folder's messages between the session and its thread."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from swarm.errors import SwarmError, Unavailable
from swarm.ids import FolderId, short
from swarm.net.rate import LimitedLane
from swarm.node.bulk import ANSWER_BYTES, Answerer, Asker
from swarm.node.tcp_lanes import TcpLanes
from swarm.session.events import (
    Authenticated,
    Cause,
    Close,
    Event,
    Incompatible,
    MemberJoined,
    MemberLeft,
    MembersTold,
    MessageReceived,
    PeerReady,
    RoutesTold,
    TcpAsked,
    TcpOffered,
)
from swarm.sync.events import Ask, FetchLost, MemberDown, MemberUp, Received, Send, Serve

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from swarm.ids import DeviceId
    from swarm.keys.role import Role
    from swarm.net.rate import Bucket
    from swarm.net.tcp_lane import TcpLane
    from swarm.net.tcp_listener import TcpListener
    from swarm.node.folder_thread import FolderThread
    from swarm.node.mailbox import Mailbox
    from swarm.session.messages import AskTcp, OfferTcp
    from swarm.session.session import Session
    from swarm.wire.lane import Lane, Link

log = logging.getLogger("swarm.peer")

READ_BYTES = 256 << 10
ASKING_LANES = 2  # so that small files need not queue behind a large one
SLOW_ANSWER_SECONDS = 2  # of our limited rate in one Data: the peer gives up after a minute without one
HANDSHAKE_TIMEOUT = 5.0  # seconds
UNHEARD_BYTES = 4 << 20  # said on the control lane between two looks at whether folders keep pace with it
UNHEARD_EVENTS = (
    1024  # in a folder's inbox: two steps' worth. Beyond it nobody speaks on, or the inbox fills the memory
)
UNHEARD_PAUSE = 0.02  # seconds
UNSENT_LIMIT = 64 << 20  # bytes for the control lane that the peer does not take: it is stuck, and is dropped


class Peer:
    """One link with one peer, from its handshake to its end."""

    def __init__(
        self,
        link: Link,
        session: Session,
        *,
        find: Callable[[FolderId], FolderThread | None],
        inbox: Callable[[FolderId], Mailbox | None],
        readers: Executor,
        listener: TcpListener | None,
        up: Bucket | None,
        down: Bucket | None,
        on_ready: Callable[[Peer], bool],
        on_joined: Callable[[Peer, FolderId, Role], None],
        on_left: Callable[[Peer, FolderId], None],
        on_told: Callable[[Peer, MembersTold], None],
        on_routes: Callable[[Peer, RoutesTold], None],
        on_rerouted: Callable[[Peer], None],
        on_end: Callable[[Peer], None],
    ) -> None:
        self.link = link
        self.session = session
        self.ready: PeerReady | None = None
        self.device: DeviceId | None = None
        self.failure = ""  # why it ended, for people; "" while it runs or when the other side just left
        self.since = time.time()
        self.skew: float | None = None  # seconds that its clock was ahead of ours, to a second or so
        self._find = find  # for content, which a preview has nothing of
        self._inbox = inbox
        self._readers = readers
        self._up, self._down = up, down
        self._on_ready = on_ready
        self._on_joined = on_joined
        self._on_left = on_left
        self._on_told = on_told
        self._on_routes = on_routes
        self._on_rerouted = on_rerouted
        self._on_end = on_end
        self.settled = asyncio.Event()  # we know who it is, or that it is nobody of ours
        self.is_self = False
        self._announced: set[FolderId] = set()
        self._control: Lane | None = None
        self._outgoing = asyncio.Event()
        self._unsent: list[bytes] = []
        self._unsent_bytes = 0
        self._askers: list[Asker] = []  # over QUIC
        self._tcp_askers: list[Asker] = []
        self._answerers: dict[int, Answerer] = {}
        self._lanes_accepted = 0
        self._group: asyncio.TaskGroup | None = None
        self._tcp = TcpLanes(link, listener, say=self._arrange, fetch=self._fetch_over, answer=self._answer_over)
        self._asks: asyncio.Queue[tuple[FolderId, Ask]] = asyncio.Queue()

    # -- from the node

    async def run(self) -> None:
        """Until the link ends, by whatever. Never raises but for cancellation."""
        try:
            async with asyncio.TaskGroup() as self._group:
                self._group.create_task(self._converse(self._group))
        except* SwarmError as errors:
            self.failure = _first(errors).message
            log.info("%s: %s", self.title, self.failure)
        except* _Ended:
            pass
        except* Exception as errors:
            log.exception("%s: the session failed", self.title, exc_info=errors)
            self.failure = "an internal error"
        finally:
            self._tcp.close()
            self.link.close(self.failure if self.device is not None else "")  # a stranger is told nothing
            self.settled.set()
            self.retire()
            self._on_end(self)

    def close(self, reason: str) -> None:
        self.failure = self.failure or reason
        self.link.close(reason)

    def deliver(self, thread: Mailbox, effect: Send | Ask | Serve) -> None:
        """An effect of a folder's engine for this peer."""
        folder = thread.identity.keys.folder_id
        match effect:
            case Send(_, message):
                if self.session.send(message):
                    self.flush()
            case Ask():
                if folder in self._announced:
                    self._asks.put_nowait((folder, effect))
                else:
                    thread.post(FetchLost(effect.peer, effect.request))
            case Serve(lane=lane):
                if lane in self._answerers and (serving := self._find(folder)):
                    self._answerers[lane].serve(serving, effect)

    def flush(self) -> None:
        """Lets go what the session wants to send."""
        data = self.session.data_to_send()
        if data:
            self._unsent.append(data)
            self._unsent_bytes += len(data)
            self._outgoing.set()
            if self._unsent_bytes > UNSENT_LIMIT:
                self.close("it does not take what it is sent")

    def withdraw(self, folder: FolderId) -> None:
        """The folder is halted here: what is under way for it ends, and no answer to it reaches its next thread."""
        self.session.withdraw(folder)
        self.flush()
        self._left(folder)
        waiting = [self._asks.get_nowait() for _ in range(self._asks.qsize())]
        for other, ask in waiting:
            if other != folder:
                self._asks.put_nowait((other, ask))

    @property
    def title(self) -> str:
        """For the log."""
        if self.device is None:
            return f"somebody at {self.link.address[0]}"
        name = self.ready.name if self.ready is not None else "?"
        return f"{name} ({short(self.device)})"

    # -- the control lane

    async def _converse(self, group: asyncio.TaskGroup) -> None:
        async with asyncio.timeout(HANDSHAKE_TIMEOUT) as limit:
            lane = await (self.link.open_lane() if self.link.dialled else self.link.accept_lane())
            self._control = lane
            group.create_task(self._send(lane))
            start = self.session.start()
            if start:
                await lane.write(start)
            said = 0
            try:
                while data := await lane.read(READ_BYTES):
                    said += len(data)
                    for event in self.session.receive(data):
                        self._handle(event, group)
                        if isinstance(event, Authenticated):
                            limit.reschedule(None)
                    self.flush()
                    if said > UNHEARD_BYTES:
                        said = 0
                        await self._until_heard()
            except TimeoutError:
                raise Unavailable("it did not introduce itself in time") from None
        raise _Ended

    async def _until_heard(self) -> None:
        """Until its folders have kept pace. What is not read meanwhile, the link lets nobody send."""
        while self._is_unheard():  # noqa: ASYNC110 - the inbox is another thread's, which signals nothing
            await asyncio.sleep(UNHEARD_PAUSE)

    def _is_unheard(self) -> bool:
        inboxes = (self._inbox(folder) for folder in self._announced)
        return any(inbox is not None and inbox.backlog > UNHEARD_EVENTS for inbox in inboxes)

    async def _send(self, lane: Lane) -> None:
        while True:
            await self._outgoing.wait()
            self._outgoing.clear()
            data = b"".join(self._unsent)
            self._unsent.clear()
            self._unsent_bytes = 0
            for start in range(0, len(data), READ_BYTES):
                await lane.write(data[start : start + READ_BYTES])

    def _handle(self, event: Event, group: asyncio.TaskGroup) -> None:
        match event:
            case Authenticated(device):
                self.device = device
                self.link.trust()
                self.link.on_route = self._rerouted
                group.create_task(self._accept_lanes(group))
                group.create_task(self._ask())
            case PeerReady():
                self.ready = event
                self.skew = event.clock / 1000 - time.time() if event.clock else None
                kept = self._on_ready(self)
                self.settled.set()
                if not kept:
                    raise _Ended
                group.create_task(self._tcp.run())
            case MemberJoined(folder, role):
                self._joined(folder, role)
            case MemberLeft(folder):
                if folder in self._announced:
                    self._left(folder)
                    self._on_left(self, folder)
            case MembersTold():
                self._on_told(self, event)
            case RoutesTold():
                self._on_routes(self, event)
            case MessageReceived(message):
                folder = FolderId(message.folder)  # type: ignore[attr-defined]
                if self.device is not None and folder in self._announced and (inbox := self._inbox(folder)):
                    inbox.post(Received(self.device, message))
            case TcpAsked(lanes):
                self._tcp.asked(lanes)
            case TcpOffered():
                self._tcp.offered(event)
            case Incompatible():
                self.failure = f"{event.name} speaks another protocol: update swarm " + (
                    "here" if event.update_ours else "there"
                )
            case Close(cause, reason):
                self.is_self = cause is Cause.SELF
                self.failure = self.failure or reason
                raise _Ended

    def _rerouted(self) -> None:
        """The link takes another route."""
        if self.ready is not None:
            self._tcp.rerouted()
            self._on_rerouted(self)

    def _joined(self, folder: FolderId, role: Role) -> None:
        inbox = self._inbox(folder)
        if inbox is None or self.device is None or self.ready is None:
            return
        self._announced.add(folder)
        inbox.post(MemberUp(self.device, self.ready.name, role))
        self._on_joined(self, folder, role)

    def _left(self, folder: FolderId) -> None:
        if folder in self._announced and self.device is not None:
            self._announced.discard(folder)
            for askers in (self._askers, self._tcp_askers):
                askers[:] = [asker for asker in askers if not asker.abandon(folder)]
            if inbox := self._inbox(folder):
                inbox.post(MemberDown(self.device))

    @property
    def bulk(self) -> str:
        """What carries content: "tcp" or "quic"."""
        return self._tcp.carrier

    @property
    def folders(self) -> set[FolderId]:
        """Folders that both take part in."""
        return self._announced

    def retire(self) -> None:
        """Its folders are told that it is gone, now: another session of the same device may follow at once."""
        for asker in (*self._askers, *self._tcp_askers):
            asker.lose()
        while not self._asks.empty():
            folder, ask = self._asks.get_nowait()
            if thread := self._find(folder):
                thread.post(FetchLost(ask.peer, ask.request))
        for folder in list(self._announced):
            self._left(folder)

    # -- bulk lanes

    async def _accept_lanes(self, group: asyncio.TaskGroup) -> None:
        while True:
            lane = await self.link.accept_lane()
            group.create_task(self._run_answerer(lane))

    async def _run_answerer(self, lane: Lane) -> None:
        assert self.device is not None
        self._lanes_accepted += 1
        number = self._lanes_accepted
        limited = LimitedLane(lane, up=self._up)
        most = ANSWER_BYTES if self._up is None else min(ANSWER_BYTES, SLOW_ANSWER_SECONDS * self._up.rate)
        answerer = Answerer(self.device, number, limited, self._find_joined, self._readers, most)
        self._answerers[number] = answerer
        try:
            await answerer.run()
            lane.close()  # and not where it was cut short: an end says that all was said
        except* Unavailable:
            pass
        finally:
            del self._answerers[number]

    async def _ask(self) -> None:
        async with asyncio.TaskGroup() as lanes:
            while True:
                folder, ask = await self._asks.get()
                asker = _least_loaded(self._tcp_askers) or _least_loaded(self._askers)
                if asker is None or (asker in self._askers and asker.load and len(self._askers) < ASKING_LANES):
                    assert self.device is not None
                    limited = LimitedLane(await self.link.open_lane(), down=self._down)
                    asker = Asker(self.device, limited, self._find)
                    self._askers.append(asker)
                    lanes.create_task(self._take_answers(asker, self._askers))
                if folder in self._announced:  # else it was withdrawn while the lane was opened
                    await asker.ask(folder, ask)

    async def _take_answers(self, asker: Asker, among: list[Asker]) -> None:
        """Until its lane ends: from then on it is asked for nothing."""
        try:
            await asker.take_answers()
        finally:
            if asker in among:  # else it was abandoned
                among.remove(asker)

    # -- bulk lanes over TCP

    def _arrange(self, message: AskTcp | OfferTcp) -> None:
        self.session.arrange_tcp(message)
        self.flush()

    def _fetch_over(self, lane: TcpLane) -> None:
        assert self._group is not None
        self._group.create_task(self._fetch_until_lost(lane))

    def _answer_over(self, lane: TcpLane) -> None:
        assert self._group is not None
        self._group.create_task(self._answer_until_lost(lane))

    async def _fetch_until_lost(self, lane: TcpLane) -> None:
        assert self.device is not None
        asker = Asker(self.device, LimitedLane(lane, down=self._down), self._find)
        self._tcp_askers.append(asker)
        log.info("%s: content comes over TCP", self.title)
        try:
            await self._take_answers(asker, self._tcp_askers)
        finally:
            self._tcp.gone(lane, fetching=True)

    async def _answer_until_lost(self, lane: TcpLane) -> None:
        try:
            await self._run_answerer(lane)
        finally:
            self._tcp.gone(lane, fetching=False)

    def _find_joined(self, folder: FolderId) -> FolderThread | None:
        return self._find(folder) if folder in self._announced else None


class _Ended(Exception):
    """The session is over and nobody is to blame."""


def _least_loaded(askers: list[Asker]) -> Asker | None:
    return min(askers, key=lambda asker: asker.load, default=None)


def _first(group: BaseExceptionGroup[SwarmError]) -> SwarmError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, SwarmError)
    return error
