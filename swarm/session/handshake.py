"""The handshake: two devices find out which folders both have, then who they are. A stranger finds out nothing.

    dialler                                   listener
       TAGS    tags                    ──>      nothing matches: say nothing, close
                                       <──      ANSWER  device key, signature, tags of what matched
       PROOF   device key, signature   ──>

A payload is one byte for its kind and fields of fixed length; nothing else is parsed before a peer is authenticated,
and with 32 folders that is 2,154 bytes with their frames.

Everything is bound to the link by its channel binding, so that what is overheard or extorted on one link is worthless
on another (a man in the middle has two links, and so two bindings), and to the side that made it, so that nothing can
be sent back to its maker. The listener's device key goes only to whoever has proved membership, the dialler's only to
a listener that has proved both. The order is that of SIGMA-I (Krawczyk, 2003): who dials is named last.

Pure: `receive` takes one payload and returns the payload to send. What may come, and when, is in `_TABLE`.
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Final

from swarm.errors import BadPeer, Bug
from swarm.ids import DEVICE_ID_BYTES, DeviceId
from swarm.keys.derive import digest
from swarm.keys.device import verify
from swarm.keys.membership import BINDING_BYTES, DIALLER, LISTENER, TAG_BYTES
from swarm.keys.signature import SIGNATURE_BYTES
from swarm.session import tags
from swarm.session.events import Cause, Close

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from swarm.ids import FolderId
    from swarm.keys.chain import FolderKeys
    from swarm.keys.device import DeviceKey
    from swarm.keys.role import Role

CONTEXT: Final = b"swarm1.handshake"
MAX_INVITE: Final = 1024  # bytes; reserved: a token and what the newcomer says of itself

_TAGS_BYTES: Final = tags.MAX_TAGS * TAG_BYTES
_IDENTITY_BYTES: Final = DEVICE_ID_BYTES + SIGNATURE_BYTES


class Known(Enum):
    """What is known of the peer."""

    NOTHING = "nothing"
    MEMBER = "a member of a folder of ours"
    DEVICE = "a member, and which device"
    REFUSED = "enough to close"


class Kind(IntEnum):
    """The first byte of a payload."""

    TAGS = 1
    INVITE = 2
    ANSWER = 3
    PROOF = 4


class Handshake:
    """One side of one handshake."""

    def __init__(
        self,
        device: DeviceKey,
        folders: Mapping[FolderId, FolderKeys],
        binding: bytes,
        dialled: bool,
        random: Callable[[int], bytes],
    ) -> None:
        if len(binding) != BINDING_BYTES:
            raise Bug(f"a channel binding of {len(binding)} bytes")
        self.known = Known.NOTHING
        self.close: Close | None = None  # set with Known.REFUSED
        self.peer: DeviceId | None = None  # set with Known.DEVICE
        self.proved: dict[FolderId, Role] = {}  # the level that the peer proved of each folder in common
        self._device = device
        self._binding = binding
        self._random = random
        self._own, self._other = (DIALLER, LISTENER) if dialled else (LISTENER, DIALLER)
        # The folders that take part: of any other it stays open whether the peer has it.
        self.compared = _choose(folders, random) if dialled else dict(folders)
        self._hello = b""  # the TAGS payload
        self._answer = b""  # the ANSWER payload

    @property
    def limit(self) -> int:
        """Bytes that the next payload may have."""
        return max((1 + most for most, _ in self._expected().values()), default=1)

    def start(self) -> bytes:
        """The payload with which the dialler begins; b"" for the listener."""
        if self._own is LISTENER:
            return b""
        shown = tags.show(self.compared.values(), DIALLER, self._binding, self._random)
        self._hello = bytes([Kind.TAGS]) + b"".join(shown)
        return self._hello

    def receive(self, payload: bytes) -> bytes:
        """The payload to send in return, or b"". Raises BadPeer; nothing may be sent after that."""
        expected = self._expected()
        if not payload or payload[0] not in expected:
            raise BadPeer("not what the handshake allows here")
        most, take = expected[Kind(payload[0])]
        if len(payload) > 1 + most:
            raise BadPeer(f"a handshake payload of {len(payload)} bytes")
        return take(self, payload)

    def _expected(self) -> dict[Kind, tuple[int, Callable[[Handshake, bytes], bytes]]]:
        return _TABLE.get((self._own, self.known), {})

    def _take_tags(self, payload: bytes) -> bytes:
        self.proved = tags.match(self.compared, tags.split(payload[1:]), DIALLER, self._binding)
        if not self.proved:
            return self._refuse(Cause.STRANGER, "")
        self.known = Known.MEMBER
        self._hello = payload
        shown = b"".join(tags.answer(self.compared, self.proved, LISTENER, self._binding, self._random))
        self._answer = bytes([Kind.ANSWER]) + self._sign(shown) + shown
        return self._answer

    def _take_invite(self, _payload: bytes) -> bytes:
        return self._refuse(Cause.INVITE, "this version of swarm takes no invites")

    def _take_answer(self, payload: bytes) -> bytes:
        identity, shown = payload[1 : 1 + _IDENTITY_BYTES], payload[1 + _IDENTITY_BYTES :]
        self.proved = tags.match(self.compared, tags.split(shown), LISTENER, self._binding)
        if not self.proved:
            return self._refuse(Cause.STRANGER, "")
        self._answer = payload
        if self._recognise(identity, shown):
            return bytes([Kind.PROOF]) + self._sign(self._answer)
        return b""

    def _take_proof(self, payload: bytes) -> bytes:
        self._recognise(payload[1:], self._answer)
        return b""

    def _sign(self, answer: bytes) -> bytes:
        return self._device.id + self._device.sign(CONTEXT, self._transcript(self._own, answer))

    def _recognise(self, identity: bytes, answer: bytes) -> bool:
        """Whether a device key and a signature by it make a peer. Raises BadPeer for any other signature."""
        device, signature = DeviceId(identity[:DEVICE_ID_BYTES]), identity[DEVICE_ID_BYTES:]
        if not verify(device, CONTEXT, self._transcript(self._other, answer), signature):
            raise BadPeer("the signature of the device is wrong")
        if device == self._device.id:
            self._refuse(Cause.SELF, "self")
            return False
        self.known, self.peer = Known.DEVICE, device
        return True

    def _transcript(self, side: bytes, answer: bytes) -> bytes:
        """What `side` signs. The listener signs the tags of its answer, the dialler the whole of it.

        All before `answer` has a fixed length, so that no two transcripts are the same bytes.
        """
        return side + self._binding + digest(b"swarm1.hello", self._hello, 32) + answer

    def _refuse(self, cause: Cause, reason: str) -> bytes:
        self.known, self.close = Known.REFUSED, Close(cause, reason)
        self.proved = {}
        return b""


# What may come next, by the side that we are and what is known: the bytes after the kind, at most, and who takes them.
_TABLE: Final[dict[tuple[bytes, Known], dict[Kind, tuple[int, Callable[[Handshake, bytes], bytes]]]]] = {
    (LISTENER, Known.NOTHING): {
        Kind.TAGS: (_TAGS_BYTES, Handshake._take_tags),
        Kind.INVITE: (MAX_INVITE, Handshake._take_invite),
    },
    (LISTENER, Known.MEMBER): {Kind.PROOF: (_IDENTITY_BYTES, Handshake._take_proof)},
    (DIALLER, Known.NOTHING): {Kind.ANSWER: (_IDENTITY_BYTES + _TAGS_BYTES, Handshake._take_answer)},
}


def _choose(folders: Mapping[FolderId, FolderKeys], random: Callable[[int], bytes]) -> dict[FolderId, FolderKeys]:
    """As many folders as fit. By lot, since the first ones alone would hide the others from some peers for ever."""
    if len(folders) <= tags.MAX_FOLDERS:
        return dict(folders)
    lots = {random(8) + folder: folder for folder in folders}
    return {lots[lot]: folders[lots[lot]] for lot in sorted(lots)[: tags.MAX_FOLDERS]}
