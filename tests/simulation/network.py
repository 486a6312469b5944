"""The network of the simulated world: sessions of ordered, reliable streams, and what goes wrong with them.

Loss and reordering of packets are QUIC's matter; what of them reaches a folder's engine is a session that is cut, an
answer that never comes, a member that is said to be there and hears nothing. Beyond that a message may come twice, and
a State or a Delta be overtaken, since the engine promises to bear it. Messages are packed and unpacked as on the wire.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from swarm.keys.role import Role
from swarm.sync.events import FetchLost, MemberDown, MemberUp, Received
from swarm.wire.messages import FOLDER_MESSAGES, Delta, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm.sync.events import Event
    from tests.simulation.device import Device
    from tests.simulation.liar import Liar
    from tests.simulation.world import World

    Member: TypeAlias = Device | Liar

DIAL_SECONDS = 0.5  # between two attempts to reach whoever is not connected
TWIN_SECONDS = 7.0  # that a session with a device lasts before a copy of that device pushes itself in
NOTICE_SECONDS = 0.4  # at most, until a side notices that its session was cut

Pair = frozenset[str]


class Network:
    """Every link between two devices. `latency`: seconds one way, on average."""

    def __init__(self, world: World, latency: float) -> None:
        self.world = world
        self.latency = latency
        self.duplicates = 0.0  # how likely a message comes twice
        self.overtaking = 0.0  # how likely a State or Delta is overtaken
        self.lost_lanes = 0.0  # how likely a bulk lane breaks before its answer
        self.messages: dict[str, int] = {}  # how many of each kind were sent
        self._sessions: dict[Pair, int] = {}  # how many there were
        self._up: set[Pair] = set()
        self._since: dict[Pair, float] = {}
        self._barred: set[Pair] = set()
        self._stuck: set[tuple[str, str]] = set()  # (from, to): nothing gets through that way
        self._clear_at: dict[tuple[str, str], float] = {}
        self._dialling = False

    # -- sessions

    def is_up(self, one: Member, other: Member) -> bool:
        return frozenset((one.name, other.name)) in self._up

    def connect(self, one: Member, other: Member) -> None:
        """A new session; it replaces one that may be there."""
        pair = frozenset((one.name, other.name))
        for here, there in ((one, other), (other, one)):
            rival = here.links.get(there.id)
            if rival is not None and rival is not there:
                self.cut(here, rival)  # of two sessions with one device the newer is kept
        self._since[pair] = self.world.now
        self._sessions[pair] = self._sessions.get(pair, 0) + 1
        self._up.add(pair)
        for here, there in ((one, other), (other, one)):
            here.links[there.id] = there
            here.post(MemberUp(there.id, there.name, min(there.keys.role, Role.WRITE)))

    def cut(self, one: Member, other: Member, at_once: bool = True) -> None:
        """The session ends. Unless `at_once`, each side notices in its own time."""
        pair = frozenset((one.name, other.name))
        if pair not in self._up:
            return
        self._up.discard(pair)
        session = self._sessions[pair] = self._sessions.get(pair, 0) + 1
        self._stuck -= {(one.name, other.name), (other.name, one.name)}
        for here, there in ((one, other), (other, one)):
            here.links.pop(there.id, None)
            if at_once:
                here.post(MemberDown(there.id))
            else:
                self.world.after(NOTICE_SECONDS * self.world.rng.random(), self._notice(pair, session, here, there))

    def _notice(self, pair: Pair, session: int, here: Member, there: Member) -> Callable[[], None]:
        def notice() -> None:
            if self._sessions[pair] == session and there.id not in here.links:  # else a new one has taken its place
                here.post(MemberDown(there.id))

        return notice

    def cut_all_of(self, device: Member) -> None:
        for other in list(device.links.values()):
            self.cut(device, other)

    # -- what goes wrong

    def bar(self, one: Device, other: Device) -> None:
        """They cannot reach each other until `free`."""
        self._barred.add(frozenset((one.name, other.name)))
        self.cut(one, other, at_once=False)

    def free(self, one: Device, other: Device) -> None:
        self._barred.discard(frozenset((one.name, other.name)))

    def stick(self, source: Device, target: Device) -> None:
        """What `source` sends does not arrive any more, until the session ends for it."""
        if self.is_up(source, target):
            self._stuck.add((source.name, target.name))

    def heal(self) -> None:
        self._barred.clear()
        self.duplicates = self.overtaking = self.lost_lanes = 0.0
        for one in self.world.devices:
            for other in self.world.devices:
                if (one.name, other.name) in self._stuck:
                    self.cut(one, other)

    # -- dialling

    def dial(self) -> None:
        """From now on whoever can connect does."""
        if not self._dialling:
            self._dialling = True
            self._dial_now()

    def _dial_now(self) -> None:
        for one in self.world.devices:
            for other in self.world.devices:
                barred = frozenset((one.name, other.name)) in self._barred or one.id == other.id
                busy = self._has_twin(one, other) or self._has_twin(other, one)
                if one.name < other.name and one.runs and other.runs and not (barred or busy or self.is_up(one, other)):
                    self.connect(one, other)
        self.world.after(DIAL_SECONDS * (0.5 + self.world.rng.random()), self._dial_now)

    def _has_twin(self, here: Device, there: Device) -> bool:
        """Whether `here` is busy with a copy of `there`, and has not been for long."""
        rival = here.links.get(there.id)
        since = self._since.get(frozenset((here.name, rival.name)), 0.0) if rival is not None else 0.0
        return rival is not None and rival is not there and self.world.now < since + TWIN_SECONDS

    # -- messages

    def send(self, source: Device, target: Member, message: object) -> None:
        """On the control lane: in order, unless the session ends first."""
        self.count(type(message).__name__)
        raw = FOLDER_MESSAGES.pack(message)
        if self.world.oracle is not None:
            self.world.oracle.sent(source, message)

        def event() -> Event:
            return Received(source.id, FOLDER_MESSAGES.unpack(raw))

        loose = isinstance(message, State | Delta) and self.world.rng.random() < self.overtaking
        self.carry(source, target, event, loose)
        if self.duplicates and self.world.rng.random() < self.duplicates:
            self.carry(source, target, event)

    def answer(self, source: Device, target: Member, event: Event, request: int) -> None:
        """On a bulk lane, which may break."""
        if self.lost_lanes and self.world.rng.random() < self.lost_lanes:
            self.carry(source, target, lambda: FetchLost(source.id, request))
        else:
            self.carry(source, target, lambda: event)

    def count(self, kind: str) -> None:
        self.messages[kind] = self.messages.get(kind, 0) + 1

    def carry(self, source: Member, target: Member, event: Callable[[], Event], loose: bool = False) -> None:
        pair = frozenset((source.name, target.name))
        way = (source.name, target.name)
        session = self._sessions.get(pair, 0)
        delay = self.latency * (0.5 + self.world.rng.random())
        if loose:
            when = self.world.now + 5 * delay
        else:
            when = self._clear_at[way] = max(self._clear_at.get(way, 0.0), self.world.now + delay)

        def arrive() -> None:
            if self._sessions.get(pair, 0) == session and target.id in source.links and way not in self._stuck:
                target.post(event())

        self.world.at(when, arrive)
