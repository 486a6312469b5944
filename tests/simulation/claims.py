"""What devices say: that a record is theirs, that they have what the index says, that bytes are what was asked for.

- No honest device signs two records with one dot, in any of its lives. Excused is only a life whose database was copied
  or brought back without a trace, and only that one.
- Who says that nothing is needed any more has it all: durable, and of the content that the index names.
- What is served is what its name says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from swarm.content.chunk import chunk_id
from swarm.content.manifest import node_id
from swarm.ids import Kind, short
from swarm.index import record_codec
from swarm.keys.certificate import parse_introduction
from swarm.keys.device import origin_of
from swarm.sync.events import DataArrived
from swarm.wire.messages import Delta, Introduce, Registers, State
from tests.simulation.witness import durable_node, node_at

if TYPE_CHECKING:
    from swarm.ids import DeviceId, Origin
    from swarm.index.record import Record
    from swarm.sync.memory_store import MemoryStore
    from tests.simulation.device import Device
    from tests.simulation.oracle import Oracle


@dataclass
class Claims:
    """Of all devices in one world."""

    oracle: Oracle
    dots: dict[tuple[Origin, int], bytes] = field(default_factory=dict)  # signed or sent: dot -> the record
    owners: dict[Origin, DeviceId] = field(default_factory=dict)
    doubled: set[Origin] = field(default_factory=set)  # lives that two databases lead, and none can know

    def may_double(self, store: MemoryStore, device: Device) -> None:
        """From now on two databases lead the life that this one is in."""
        incarnation = store.get("incarnation")
        if incarnation is not None:
            self.doubled.add(origin_of(device.id, int.from_bytes(incarnation, "big")))

    def is_doubled(self, device: Device) -> bool:
        """Whether it leads a life that another database leads too: a context that covers its dot covers the other's as
        well, which nobody can tell apart. What is signed so may end in history."""
        folder = device.folder
        return folder is not None and folder.ledger.origin in self.doubled

    def signed(self, device: Device, record: Record) -> None:
        """It was committed."""
        self._check_dot(device, record.raw, "signed")

    def sent(self, device: Device, message: object) -> None:
        """A message left that device."""
        match message:
            case Introduce():
                for raw in message.introductions:
                    introduction = parse_introduction(raw, self.oracle.world.keys)
                    self.owners[introduction.origin] = introduction.device
            case Delta() | Registers():
                for raw in message.records:
                    self._check_dot(device, raw, "sent")
            case State(need_files=0, settled=True):
                self._check_held(device)

    def _check_dot(self, device: Device, raw: bytes, what: str) -> None:
        head = record_codec.peek(raw)
        honest = {device.id for device in self.oracle.world.devices}
        if head.origin in self.doubled or (self.oracle.lies and self.owners.get(head.origin, device.id) not in honest):
            return
        if self.dots.setdefault((head.origin, head.seq), raw) != raw:
            self.oracle.convict(f"{device.name} {what} a second record with dot {short(head.origin)}:{head.seq}")

    def served(self, device: Device, event: object) -> None:
        """Content left that device."""
        assert isinstance(event, DataArrived)
        key = self.oracle.world.keys.chunk_key()
        for name, data in event.items:
            if name not in (chunk_id(key, data), node_id(data)) and name != self.oracle.name_of(data):
                self.oracle.convict(f"{device.name} served other bytes than it was asked for")

    def _check_held(self, device: Device) -> None:
        """Of all that a user has not touched since, and that the disk still shows as the index has it."""
        watched = self.oracle.watched(device)
        tree = self.oracle.tree(device)
        for path, local in device.store.locals_below(""):
            data = tree.get(path, (None, None))[1]
            if local.kind is not Kind.FILE or not isinstance(data, bytes):
                continue
            node = node_at(device.files, path) if device.files._away is None else None
            if node is None or node.inode != local.inode or node.inode in watched.users:
                continue
            if self.oracle.name_of(data) != local.content:
                self.oracle.convict(f"{device.name} says that it has {path}, and has other bytes there")
            durable = durable_node(device.files, path)
            if durable is not node or durable.image.data != data:
                self.oracle.convict(f"{device.name} says that it has {path}, which a power cut would take")
