"""The folder's key chain: from one owner seed, every key that a role holds, each step one way.

    O ──> W ──> R ──> B                 owner, write, read, blind seeds; each KDF step loses the one before
    │     │     │     └> discovery, blind membership
    │     │     └> seal, read membership, path, chunk
    │     └> write signing key, whose public half is the verify key vk
    └> owner signing key, whose public half names the folder

Epochs count rotations of W, R and B. Only epoch 0 exists so far; every format carries the epoch, so that later ones
break nothing. Path and chunk keys come from R_0 for ever, since path keys, trie and chunk ids outlive a rotation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from swarm.errors import EXIT_FAILED, Bug, Unavailable, UserError
from swarm.ids import FolderId, short
from swarm.keys.derive import epoch_bytes, folder_id_of, kdf
from swarm.keys.printed import PrintedKey
from swarm.keys.role import Role
from swarm.keys.signature import key_pair, sign

__all__ = ["CERTIFICATE_CONTEXT", "GENESIS_CONTEXT", "FolderKeys", "Role"]

CERTIFICATE_CONTEXT: Final = b"swarm1.certificate"
GENESIS_CONTEXT: Final = b"swarm1.genesis"


@dataclass(frozen=True, slots=True, repr=False)
class FolderKeys:
    """Everything that one printed key of a folder gives. Made by `create` or `from_printed`, never directly.

    Asking for a key that the role does not hold is a mistake of ours, never of the user's or of a peer: it raises Bug.
    """

    folder_id: FolderId
    epoch: int
    role: Role
    verify_key: bytes  # vk, 32 bytes: checks write certificates
    _seeds: dict[Role, bytes] = field(repr=False, hash=False)  # of this role and every role below it, 32 bytes each
    _known: dict[bytes, bytes] = field(repr=False, hash=False, compare=False, default_factory=dict)

    @classmethod
    def create(cls, owner_seed: bytes) -> FolderKeys:
        """A new folder, of which 32 random bytes make the caller the owner."""
        owner_key, _ = key_pair(owner_seed)
        return cls._from_seed(folder_id_of(owner_key), 0, Role.OWNER, owner_seed, b"")

    @classmethod
    def from_printed(cls, key: PrintedKey) -> FolderKeys:
        """What a printed key of any kind gives."""
        if key.epoch:
            raise Bug("a printed key of a later epoch was let in")
        return cls._from_seed(key.folder_id, key.epoch, key.role, key.secret, key.verify_key)

    @classmethod
    def _from_seed(cls, folder_id: FolderId, epoch: int, role: Role, seed: bytes, verify_key: bytes) -> FolderKeys:
        seeds = {role: seed}
        if role is Role.OWNER:
            seeds[Role.WRITE] = kdf(seed, b"swarm1.write", epoch_bytes(epoch))
        if role.holds(Role.WRITE):
            seeds[Role.READ] = kdf(seeds[Role.WRITE], b"swarm1.read")
            verify_key, _ = _write_pair(seeds[Role.WRITE])
        if role.holds(Role.READ):
            seeds[Role.BLIND] = kdf(seeds[Role.READ], b"swarm1.blind")
        return cls(folder_id, epoch, role, verify_key, seeds)

    def printed(self, role: Role) -> PrintedKey:
        """The key to hand to somebody who shall have `role`. Raises UserError when ours does not hold that one."""
        if not self.role.holds(role):
            raise UserError(
                f"this device has only the {self.role.word} key of the folder",
                f"ask a device that has the {role.word} key",
                EXIT_FAILED,
            )
        verify_key = b"" if role.holds(Role.WRITE) else self.verify_key
        return PrintedKey(role, self.epoch, self.folder_id, self._seeds[role], verify_key)

    def seal_key(self, epoch: int) -> bytes:
        """K_seal of that epoch: 32 bytes that seal record bodies. Raises Unavailable for an epoch not known here."""
        seed = self._seed(Role.READ, "seal key")
        if epoch != self.epoch:
            raise Unavailable(f"this version of swarm has no key of epoch {epoch}", "update swarm")
        return self._derived(seed, b"swarm1.seal")

    def path_key(self) -> bytes:
        """K_path, 32 bytes: turns paths into path keys. The same in every epoch."""
        return self._derived(self._seed(Role.READ, "path key"), b"swarm1.path")

    def chunk_key(self) -> bytes:
        """K_chunk, 32 bytes: turns chunks into chunk ids. The same in every epoch."""
        return kdf(self._seed(Role.READ, "chunk key"), b"swarm1.chunk")

    def discovery_key(self) -> bytes:
        """K_disc, 32 bytes: lets members, and nobody else, find one another."""
        return kdf(self._seed(Role.BLIND, "discovery key"), b"swarm1.disc")

    def membership_key(self, level: Role) -> bytes:
        """32 bytes that key the membership tag of `level`, which is Role.BLIND or Role.READ.

        Write is proved by a certificate, not by a tag: asking for its membership key raises Bug.
        """
        if level not in (Role.BLIND, Role.READ):
            raise Bug(f"there is no membership tag for {level.word}")
        return kdf(self._seed(level, f"{level.word} membership key"), b"swarm1.member")

    def sign_certificate(self, body: bytes) -> bytes:
        """64 bytes by the write signing key, over a certificate without its signature."""
        _, secret = _write_pair(self._seed(Role.WRITE, "write signing key"))
        return sign(secret, CERTIFICATE_CONTEXT, body)

    def sign_genesis(self, body: bytes) -> bytes:
        """64 bytes by the owner's key, over a genesis without its signature."""
        _, secret = key_pair(self._seed(Role.OWNER, "owner signing key"))
        return sign(secret, GENESIS_CONTEXT, body)

    def owner_key(self) -> bytes:
        """ok, the owner's public key, 32 bytes. Only the owner can derive it; others read it in the genesis."""
        return key_pair(self._seed(Role.OWNER, "owner public key"))[0]

    def _derived(self, seed: bytes, context: bytes) -> bytes:
        """Derived once: these two are wanted for every record."""
        key = self._known.get(context)
        if key is None:
            key = self._known[context] = kdf(seed, context)
        return key

    def _seed(self, role: Role, what: str) -> bytes:
        if not self.role.holds(role):
            raise Bug(f"a {self.role.word} key does not hold the {what}")
        return self._seeds[role]

    def __repr__(self) -> str:
        return f"FolderKeys({self.role.word}, epoch {self.epoch}, folder {short(self.folder_id)})"


def _write_pair(write_seed: bytes) -> tuple[bytes, bytes]:
    return key_pair(kdf(write_seed, b"swarm1.sign"))
