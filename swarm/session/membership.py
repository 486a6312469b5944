"""Which folders the two sides of a session have in common, from the handshake on until it ends.

    held by us ──Offer, Answer or the handshake──> proved ──the peer's Member──> joined ──Withdraw──> held, or gone

Ids of folders are named only after the other side has proved a key of that folder in this session. Until then there
are tags, as in the handshake, over a binding that is different for each offer: who lacks the key cannot tell even that
the same folder was offered twice.

Both sides may offer, withdraw and offer again at the same time, so what arrives may belong to a state that is past:
- An Answer counts only for the newest offer of a folder.
- Every Withdraw is answered by one. Who has said it takes nothing of that folder and offers it no more until the other
  side's has come: what is before it is old, and no fault; what is after it is new.
- An offer that nobody answered yet is taken back in silence, since the folder may not be named. An answer and a
  Member may still come, and are ignored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from swarm.errors import BadPeer, Bug
from swarm.ids import FolderId
from swarm.keys.certificate import Certificate
from swarm.keys.derive import digest
from swarm.keys.membership import BINDING_BYTES
from swarm.keys.role import Role
from swarm.session import tags
from swarm.session.events import Event, MemberJoined, MemberLeft
from swarm.session.messages import NONCE_BYTES, Answer, Member, Offer, Withdraw

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from swarm.ids import DeviceId
    from swarm.keys.chain import FolderKeys

Said: TypeAlias = Offer | Answer | Member | Withdraw


class Sides(NamedTuple):
    """What the tags of a session are bound to."""

    own: bytes
    other: bytes
    binding: bytes


class Outcome(NamedTuple):
    """What follows from a message: what to say, and what to tell the shell."""

    say: tuple[Said, ...] = ()
    events: tuple[Event, ...] = ()


NOTHING: Final = Outcome()


class Membership:
    """Folders of one session with one authenticated peer."""

    def __init__(
        self,
        folders: Mapping[FolderId, FolderKeys],
        certificates: Mapping[FolderId, bytes],
        sides: Sides,
        random: Callable[[int], bytes],
    ) -> None:
        self.joined: dict[FolderId, Role] = {}  # what the peer may do where both sides take part
        self._peer: DeviceId | None = None  # once it is authenticated; before that nothing is said
        self._sides = sides
        self._random = random
        self._keys: dict[FolderId, FolderKeys] = {}  # held by us
        self._certificates: dict[FolderId, bytes] = {}
        self._proved: dict[FolderId, Role] = {}  # the level that the peer proved
        self._offered: dict[FolderId, bytes] = {}  # nonce of our newest offer
        self._leaving: set[FolderId] = set()  # we have said Withdraw, and wait for the peer's
        self._revoked: set[FolderId] = set()  # taken back in silence, at any time: the peer may yet answer
        for folder, keys in folders.items():
            self._hold(keys, certificates.get(folder, b""))

    def start(
        self, peer: DeviceId, compared: Mapping[FolderId, FolderKeys], proved: Mapping[FolderId, Role]
    ) -> tuple[Said, ...]:
        """The handshake `compared` folders by these keys, and `peer` has `proved` levels of some of them."""
        self._peer = peer
        unchanged = {folder for folder, keys in compared.items() if self._keys.get(folder) is keys}
        self._proved = {folder: level for folder, level in proved.items() if folder in unchanged}
        members = [self._member(folder) for folder in self._proved]
        rest = [folder for folder in self._keys if folder not in unchanged]
        offers = [self._offer(rest[at : at + tags.MAX_FOLDERS]) for at in range(0, len(rest), tags.MAX_FOLDERS)]
        return (*members, *offers)

    def offer(self, keys: FolderKeys, certificate: bytes) -> tuple[Said, ...]:
        """A folder that is new here, or whose keys or certificate are."""
        withdrawal = self.withdraw(keys.folder_id)
        self._hold(keys, certificate)
        if self._peer is None or keys.folder_id in self._leaving:
            return withdrawal
        return (self._offer([keys.folder_id]),)

    def withdraw(self, folder: FolderId) -> tuple[Said, ...]:
        """We take part no longer. Says nothing of a folder of which the peer has proved nothing."""
        if self._keys.pop(folder, None) is None:
            return ()
        del self._certificates[folder]
        self._offered.pop(folder, None)
        self.joined.pop(folder, None)
        if self._proved.pop(folder, None) is None:
            self._revoked.add(folder)
            return ()
        self._leaving.add(folder)
        return (Withdraw(folder),)

    def receive(self, message: Said) -> Outcome:
        """Raises BadPeer."""
        match message:
            case Offer():
                return self._take_offer(message)
            case Answer():
                return self._take_answer(message)
            case Member():
                return self._take_member(FolderId(message.folder), message)
            case Withdraw():
                return self._take_withdraw(FolderId(message.folder))

    def admits(self, folder: FolderId) -> bool:
        """Whether a message of `folder` may be passed up; False where it was on its way when we withdrew.

        Raises BadPeer when the peer had no reason to send it.
        """
        if folder in self.joined:
            return True
        if folder in self._leaving:
            return False
        raise BadPeer("a message of a folder that it has not joined")

    def _take_offer(self, offer: Offer) -> Outcome:
        tags.check(offer.tags)
        binding = self._binding(offer.nonce)
        open_to_it = {folder: keys for folder, keys in self._keys.items() if folder not in self._leaving}
        proved = tags.match(open_to_it, offer.tags, self._sides.other, binding)
        if not proved:
            return NOTHING
        self._proved |= proved
        shown = tags.answer(self._keys, proved, self._sides.own, binding, self._random)
        return Outcome((Answer(offer.nonce, shown), *(self._member(folder) for folder in proved)))

    def _take_answer(self, answer: Answer) -> Outcome:
        tags.check(answer.tags)
        asked = {folder: self._keys[folder] for folder, nonce in self._offered.items() if nonce == answer.nonce}
        proved = tags.match(asked, answer.tags, self._sides.other, self._binding(answer.nonce))
        news = [folder for folder in proved if folder not in self._proved]
        for folder in proved:
            del self._offered[folder]
        self._proved |= {folder: proved[folder] for folder in news}
        return Outcome(tuple(self._member(folder) for folder in news))

    def _take_member(self, folder: FolderId, member: Member) -> Outcome:
        level = self._proved.get(folder)
        if level is None:
            if folder not in self._leaving and folder not in self._revoked:
                raise BadPeer("a claim to a folder of which it has proved nothing")
            return NOTHING
        role = self._role(self._keys[folder], level, member)
        if self.joined.get(folder) == role:
            return NOTHING
        self.joined[folder] = role
        return Outcome(events=(MemberJoined(folder, role, member.certificate),))

    def _take_withdraw(self, folder: FolderId) -> Outcome:
        if folder in self._leaving:
            self._leaving.remove(folder)
            return Outcome((self._offer([folder]),)) if folder in self._keys else NOTHING
        if self._proved.pop(folder, None) is None and folder not in self._revoked:
            raise BadPeer("it withdraws from a folder of which it has proved nothing")
        left = self.joined.pop(folder, None) is not None
        return Outcome((Withdraw(folder),), (MemberLeft(folder),) if left else ())

    def _role(self, keys: FolderKeys, level: Role, member: Member) -> Role:
        """What the peer may do, of what it claims. Raises BadPeer where it claims what it could prove and did not."""
        claimed = Role(member.role)
        certified = level
        if member.certificate:
            certificate = Certificate.parse(member.certificate)
            certificate.verify(keys.folder_id, keys.verify_key, keys.epoch)
            if certificate.device != self._peer:
                raise BadPeer("the certificate of another device")
            certified = max(level, certificate.role)
        if claimed.holds(Role.WRITE) and not certified.holds(Role.WRITE):
            raise BadPeer("it says that it may write, and has no certificate for it")
        if keys.role.holds(Role.READ) and claimed.holds(Role.READ) and not level.holds(Role.READ):
            raise BadPeer("it says that it may read, and has not proved the key for it")
        # A blind host has no key that could prove a reader's: to it, who cannot write is as blind as itself.
        return min(claimed, certified)

    def _hold(self, keys: FolderKeys, certificate: bytes) -> None:
        if keys.role.holds(Role.WRITE) and not certificate:
            raise Bug("a folder that may be written to, without a certificate that says so")
        self._keys[keys.folder_id] = keys
        self._certificates[keys.folder_id] = certificate

    def _member(self, folder: FolderId) -> Member:
        return Member(folder, min(self._keys[folder].role, Role.WRITE), self._certificates[folder])

    def _offer(self, folders: list[FolderId]) -> Offer:
        nonce = self._random(NONCE_BYTES)
        self._offered |= dict.fromkeys(folders, nonce)
        shown = tags.show(
            [self._keys[folder] for folder in folders], self._sides.own, self._binding(nonce), self._random
        )
        return Offer(nonce, shown)

    def _binding(self, nonce: bytes) -> bytes:
        return digest(b"swarm1.offer", self._sides.binding + nonce, BINDING_BYTES)
