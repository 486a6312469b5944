"""A member that lies: it holds the write key, and says whatever may do harm.

What it signs for itself it may do, as any user may; what the engine owes us is that it believes nothing else, and that
honest devices end up equal whatever was said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm.content.chunk import size_class_for
from swarm.content.chunker import Chunker
from swarm.content.manifest import build, node_id
from swarm.ids import NO_CONTENT, ContentId, DeviceId, Kind, Origin
from swarm.index import record_codec
from swarm.keys.certificate import Certificate, Introduction
from swarm.keys.device import DeviceKey
from swarm.keys.role import Role
from swarm.sync.events import DataArrived, FetchAsked, Received
from swarm.wire.messages import Delta, Introduce, Registers, State

if TYPE_CHECKING:
    import random

    from swarm.index.record import Context
    from swarm.sync.events import Event
    from tests.simulation.device import Device
    from tests.simulation.world import World

INCARNATION = 7
LIES = ("forge", "claim all", "odd clock", "twins", "no such content", "cover the future", "stray records")
FALSEHOODS = (
    "bad manifest",
    "another manifest",
    "odd size",
    "bad chunks",
    "half a file",
    "one dot, one path",
    "replay",
)
LARGE = 150_000  # bytes: more than one chunk for certain, so that a manifest is asked for


class Liar:
    """As much of a device as the network needs, and lies."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.world = world
        self.rng = rng
        self.keys = world.keys
        self.name = "liar"
        self.owner = False
        self.runs = True
        self.key = DeviceKey.create(rng.randbytes(32))
        self.id: DeviceId = self.key.id
        self.links: dict[DeviceId, Device | Liar] = {}
        certificate = Certificate.issue(world.keys, self.id, Role.WRITE)
        self.introduction = Introduction.issue(certificate, self.key, INCARNATION)
        self._seq = 0
        self._held: dict[bytes, bytes] = {}  # what it serves truthfully
        self._heard: list[bytes] = []  # records that it was sent

    def post(self, event: Event) -> None:
        """To whatever is asked it answers with something else, unless its lie is another one."""
        if isinstance(event, Received) and isinstance(event.message, Delta | Registers):
            self._heard += event.message.records
        if isinstance(event, FetchAsked) and (other := self.links.get(event.peer)):
            items = tuple((name, self._held.get(name) or self._other_bytes()) for name in event.identifiers)
            arrived = DataArrived(self.id, event.request, items, (), last=True)
            self.world.network.carry(self, other, lambda: arrived)

    def lie(self, lie: str, target: Device, victim: Device, path: str) -> None:
        """To `target`, about `victim`."""
        if target.id not in self.links:
            self.world.network.connect(self, target)
        folder = self.world.keys.folder_id
        self.say(target, Introduce(folder, (self.introduction.raw,)))
        if victim.folder is None:
            return
        origin, seq = victim.folder.ledger.origin, victim.folder.ledger.seq
        match lie:
            case "forge":
                raw = self._record(path, origin, seq + 1, ((origin, seq),) if seq else (), tombstone=True)
                self.say(target, Delta(folder, origin, seq, seq + 1, (raw,)))
            case "claim all":
                self.say(target, Delta(folder, origin, 0, seq + self.rng.randrange(3), ()))
            case "odd clock":
                clock = tuple(sorted({origin: seq + 1000, Origin(self.rng.randbytes(16)): 5}.items()))
                self.say(target, self._state(clock))
            case "twins":
                self._seq += 1
                for device, name in ((target, path), (victim, path + "-twin")):
                    if device.id not in self.links:
                        self.world.network.connect(self, device)
                    self.say(device, Introduce(folder, (self.introduction.raw,)))
                    raw = self._record(name, self.introduction.origin, self._seq, (), kind=Kind.DIRECTORY)
                    self.say(device, Delta(folder, self.introduction.origin, self._seq - 1, self._seq, (raw,)))
            case "no such content":
                self._seq += 1
                content = ContentId(self.rng.randbytes(32))
                raw = self._record(path, self.introduction.origin, self._seq, (), content=content)
                self.say(target, Delta(folder, self.introduction.origin, self._seq - 1, self._seq, (raw,)))
            case "cover the future":
                self._seq += 1
                future = ((origin, seq + 1000),)
                raw = self._record(path, self.introduction.origin, self._seq, future, kind=Kind.SYMLINK)
                self.say(target, Delta(folder, self.introduction.origin, self._seq - 1, self._seq, (raw,)))
            case "stray records":
                raws = tuple(record.raw for record in victim.store.records_after(origin, 0, 5))
                self.say(target, Registers(folder, raws, last=True))
            case _:
                self.tell_falsehood(lie, target, victim, path)

    def _other_bytes(self) -> bytes:
        return b"lie" + self.rng.randbytes(20)

    def tell_falsehood(self, lie: str, target: Device, victim: Device, path: str) -> None:
        """About what it has, or with what others have said."""
        folder = self.world.keys.folder_id
        match lie:
            case "bad manifest":
                node = b"lie" + self.rng.randbytes(40)
                self._held[node_id(node)] = node
                self._offer(target, path, ContentId(node_id(node)), LARGE)
            case "another manifest":
                name = ContentId(self.rng.randbytes(32))
                told = self._large(chunks=True)
                self._held[name] = self._held[told]
                self._offer(target, path, name, LARGE)
            case "odd size":
                self._offer(target, path, self._large(chunks=True), LARGE + 1)
            case "bad chunks":
                self._offer(target, path, self._large(chunks=False), LARGE)
            case "half a file":
                content = self._large(chunks=True)
                for _ in range(2):
                    self._held.popitem()  # the last chunks; what is asked for them comes as something else
                self._offer(target, path, content, LARGE)
            case "one dot, one path":
                self._seq += 1
                for device in (target, victim):
                    if device.id not in self.links:
                        self.world.network.connect(self, device)
                    self.say(device, Introduce(folder, (self.introduction.raw,)))
                    kind = Kind.DIRECTORY if device is target else Kind.SYMLINK
                    raw = self._record(path, self.introduction.origin, self._seq, (), kind=kind)
                    self.say(device, Delta(folder, self.introduction.origin, self._seq - 1, self._seq, (raw,)))
            case "replay":
                self.say(target, self._state(()))  # whoever hears that sends all that it has
                old = self._heard if len(self._heard) < 20 else self.rng.sample(self._heard, 20)
                self.say(target, Registers(folder, tuple(old), last=True))

    def _large(self, chunks: bool) -> ContentId:
        """A content of LARGE bytes, of which it has the manifest, and the chunks if asked to."""
        data = (b"lie" + self.rng.randbytes(LARGE))[:LARGE]
        key, size_class = self.world.keys.chunk_key(), size_class_for(LARGE)
        cut = tuple(Chunker(size_class).chunks(lambda at, n: data[at : at + n], LARGE, key))
        manifest = build(cut, size_class)
        self._held.update(manifest.nodes)
        if chunks:
            self._held.update({bytes(chunk.id): data[chunk.offset : chunk.offset + chunk.length] for chunk in cut})
        return manifest.root

    def _offer(self, target: Device, path: str, content: ContentId, size: int) -> None:
        self._seq += 1
        origin = self.introduction.origin
        raw = self._record(path, origin, self._seq, (), content=content, size=size)
        self.say(target, Delta(self.world.keys.folder_id, origin, self._seq - 1, self._seq, (raw,)))

    def say(self, target: Device, message: object) -> None:
        self.world.network.carry(self, target, lambda: Received(self.id, message))

    def _state(self, clock: Context) -> State:
        random = self.rng.randbytes
        return State(self.world.keys.folder_id, clock, random(32), random(32), 0, 0, settled=True, resend=True)

    def _record(
        self,
        path: str,
        origin: Origin,
        seq: int,
        context: Context,
        *,
        tombstone: bool = False,
        kind: Kind = Kind.FILE,
        content: ContentId = NO_CONTENT,
        size: int = 23,
    ) -> bytes:
        draft = record_codec.Draft(
            origin=origin,
            seq=seq,
            context=context,
            tombstone=tombstone,
            content=content,
            path=path,
            kind=kind,
            size=size if content else 0,
            mode=0o644,
            mtime_ns=0,
            hlc=self.world.wall_ms() + 200_000,
            device_name="liar",
            target="nowhere" if kind is Kind.SYMLINK else "",
            moved="",
        )
        return record_codec.author(draft, self.world.keys, self.key).raw
