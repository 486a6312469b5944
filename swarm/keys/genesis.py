"""The folder's genesis: what the owner signed when the folder began, and every member checks against the folder id.

    version 1 | owner key 32 | write verify key of epoch 0, 32 | length of sealed name 2 | sealed name | signature 64

The signature, by the owner's key, covers all that is before it. The name is sealed, so that a blind host, which must
check the genesis too, does not learn it. The bytes are kept and passed on as they were received.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from swarm.errors import BadPeer, Bug, Integrity
from swarm.keys.chain import GENESIS_CONTEXT, FolderKeys
from swarm.keys.derive import folder_id_of
from swarm.keys.seal import SEAL_OVERHEAD, open_sealed, seal
from swarm.keys.signature import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, verify

if TYPE_CHECKING:
    from swarm.ids import FolderId

VERSION: Final = 1
MAX_NAME_BYTES = 255  # UTF-8; what a file system takes as one name

_HEAD_BYTES = 1 + 2 * PUBLIC_KEY_BYTES
_LENGTH_BYTES = 2
_MIN_BYTES = _HEAD_BYTES + _LENGTH_BYTES + SEAL_OVERHEAD + SIGNATURE_BYTES
MAX_GENESIS_BYTES = _MIN_BYTES + MAX_NAME_BYTES


@dataclass(frozen=True, slots=True)
class Genesis:
    """`raw` as received; the rest read from it. Worth nothing before `verify`."""

    raw: bytes
    owner_key: bytes
    verify_key: bytes
    sealed_name: bytes

    @classmethod
    def create(cls, keys: FolderKeys, name: str) -> Genesis:
        """By the owner only. `name` is what the folder is called when nobody says otherwise.

        Raises Bug unless it has 1 to 255 bytes in UTF-8, which what `hints.directory_name` returns always has.
        """
        encoded = name.encode("utf-8", "ignore")
        if not 0 < len(encoded) <= MAX_NAME_BYTES or encoded.decode("utf-8") != name:
            raise Bug("a folder's name has 1 to 255 bytes of UTF-8")
        head = bytes([VERSION]) + keys.owner_key() + keys.verify_key
        sealed = seal(keys.seal_key(0), head, encoded)
        body = head + len(sealed).to_bytes(_LENGTH_BYTES, "big") + sealed
        return cls.parse(body + keys.sign_genesis(body))

    @classmethod
    def parse(cls, raw: bytes) -> Genesis:
        """Reads the layout and checks nothing else. Raises BadPeer."""
        if not raw or raw[0] != VERSION:
            raise BadPeer("a genesis of an unknown version", "update swarm")
        if not _MIN_BYTES < len(raw) <= MAX_GENESIS_BYTES:
            raise BadPeer("a genesis of the wrong size")
        sealed = raw[_HEAD_BYTES + _LENGTH_BYTES : -SIGNATURE_BYTES]
        if int.from_bytes(raw[_HEAD_BYTES : _HEAD_BYTES + _LENGTH_BYTES], "big") != len(sealed):
            raise BadPeer("a genesis whose lengths disagree")
        return cls(raw, raw[1 : 1 + PUBLIC_KEY_BYTES], raw[1 + PUBLIC_KEY_BYTES : _HEAD_BYTES], sealed)

    def encode(self) -> bytes:
        """The bytes as they were received."""
        return self.raw

    def verify(self, folder_id: FolderId, verify_key: bytes) -> None:
        """Raises BadPeer unless this is the genesis of our folder, and names the verify key of epoch 0 that we hold."""
        if folder_id_of(self.owner_key) != folder_id:
            raise BadPeer("a genesis of another folder")
        if not verify(self.owner_key, GENESIS_CONTEXT, self.raw[:-SIGNATURE_BYTES], self.raw[-SIGNATURE_BYTES:]):
            raise BadPeer("a genesis that the owner did not sign")
        if self.verify_key != verify_key:
            raise BadPeer("a genesis with another write key than ours")

    def name(self, keys: FolderKeys) -> str:
        """The folder's name as the owner gave it: shown to people, never used as a path as it is.

        For roles that read; a blind key raises Bug. Raises BadPeer when what is sealed is not a name.
        """
        try:
            return open_sealed(keys.seal_key(0), self.raw[:_HEAD_BYTES], self.sealed_name).decode("utf-8")
        except (Integrity, UnicodeDecodeError):
            raise BadPeer("a genesis whose name cannot be read") from None
