"""Two sessions joined without a socket: what one sends the other receives, in pieces of any size."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from swarm.keys.certificate import Certificate
from swarm.keys.chain import FolderKeys
from swarm.keys.device import DeviceKey
from swarm.keys.role import Role
from swarm.session.greeting import VERSIONS, Versions
from swarm.session.session import Session
from swarm.wire.messages import Introduce

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swarm.ids import FolderId
    from swarm.session.events import Address, Event

BINDING = bytes(range(32))
OTHER_BINDING = bytes(range(1, 33))
ALICE = DeviceKey.create(b"a" * 32)
BOB = DeviceKey.create(b"b" * 32)
EVE = DeviceKey.create(b"e" * 32)


def folder(number: int, role: Role = Role.WRITE) -> FolderKeys:
    """The keys of a role in one of many folders."""
    owner = FolderKeys.create(number.to_bytes(32, "big"))
    return FolderKeys.from_printed(owner.printed(role))


def certificate(keys: FolderKeys, device: DeviceKey) -> bytes:
    """The write certificate that a device of that role has; b"" for one that may not write."""
    return Certificate.issue(keys, device.id, Role.WRITE).raw if keys.role.holds(Role.WRITE) else b""


def news(keys: FolderKeys) -> Introduce:
    """Any message of a folder."""
    return Introduce(keys.folder_id, ())


class Side(Session):
    """A session that remembers its events, and says what it has left to say."""

    def __init__(
        self,
        device: DeviceKey,
        folders: Iterable[FolderKeys],
        *,
        dialled: bool,
        binding: bytes = BINDING,
        name: str = "",
        seed: int = 0,
        versions: Versions = VERSIONS,
        addresses: Iterable[Address] = (),
        certificates: dict[FolderId, bytes] | None = None,
    ) -> None:
        held = {keys.folder_id: keys for keys in folders}
        self.events: list[Event] = []
        super().__init__(
            device=device,
            name=name or repr(device),
            nonce=device.id[:8],
            folders=held,
            certificates={f: certificate(k, device) for f, k in held.items()} | (certificates or {}),
            binding=binding,
            dialled=dialled,
            random=Random(f"{device.id.hex()} {seed}").randbytes,
            addresses=addresses,
            versions=versions,
        )

    def take(self, data: bytes) -> None:
        self.events += self.receive(data)

    def of(self, *kinds: type[Event]) -> list[Event]:
        """The events of these kinds, in order."""
        return [event for event in self.events if isinstance(event, kinds)]


def pair(ours: Iterable[FolderKeys], theirs: Iterable[FolderKeys]) -> tuple[Side, Side]:
    """Alice, who dials, and Bob, before either has said a word."""
    return Side(ALICE, ours, dialled=True), Side(BOB, theirs, dialled=False)


def talk(dialler: Side, listener: Side, first: bytes = b"", piece: int = 1 << 20) -> None:
    """Carries bytes both ways until neither side has anything left to say."""
    up, down = first + dialler.data_to_send(), listener.data_to_send()
    while up or down:
        for to, data in ((listener, up), (dialler, down)):
            for at in range(0, len(data), piece):
                to.take(data[at : at + piece])
        up, down = dialler.data_to_send(), listener.data_to_send()


def meet(ours: Iterable[FolderKeys], theirs: Iterable[FolderKeys]) -> tuple[Side, Side]:
    """Alice and Bob after all that follows from Alice's dialling."""
    dialler, listener = pair(ours, theirs)
    talk(dialler, listener, dialler.start())
    return dialler, listener
