"""Printed keys: `swarmw1…` and its kin, what people copy, paste, and read out.

    swarmo1 owner · swarmw1 write · swarmr1 read-only · swarmb1 blind · swarmi1 invite (reserved)

The payload is version (1 byte), epoch (4), folder id (16), secret (32), and for read and blind the write verify key
(32), which they cannot derive. All lower or all upper case; blanks and hyphens are ignored; exact length per kind.

A mistake is named as exactly as can be, and never mended: a tool that corrects secrets turns a checksum into a
guessing aid, and a wrong correction into somebody else's folder. No message contains any part of a key.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import Final, NoReturn

from swarm.errors import BadKey, Bug
from swarm.ids import FOLDER_ID_BYTES, FolderId, short
from swarm.keys import bech32m
from swarm.keys.derive import EPOCH_BYTES, KEY_BYTES, epoch_bytes, folder_id_of
from swarm.keys.role import Role
from swarm.keys.signature import PUBLIC_KEY_BYTES, key_pair

VERSION: Final = 1

PREFIXES: Final = {Role.OWNER: "swarmo", Role.WRITE: "swarmw", Role.READ: "swarmr", Role.BLIND: "swarmb"}
_INVITE = "swarmi"
_KINDS = {prefix: role for role, prefix in PREFIXES.items()}
_PREFIX_LENGTH = len(_INVITE)

_HEAD_BYTES = 1 + EPOCH_BYTES + FOLDER_ID_BYTES
_PAYLOAD_BYTES = {
    Role.OWNER: _HEAD_BYTES + KEY_BYTES,
    Role.WRITE: _HEAD_BYTES + KEY_BYTES,
    Role.READ: _HEAD_BYTES + KEY_BYTES + PUBLIC_KEY_BYTES,
    Role.BLIND: _HEAD_BYTES + KEY_BYTES + PUBLIC_KEY_BYTES,
}

_COPY_AGAIN = "copy the whole key again; it is one long word that starts with swarm"
_KINDS_HINT = "keys start with swarmw1 (write), swarmr1 (read-only), swarmb1 (blind) or swarmo1 (owner)"
_POSITIONS = "characters are counted from the start, without blanks and hyphens; compare with the original there"
_UPDATE = "update swarm"
_WITH_ARTICLE = {Role.OWNER: "an owner", Role.WRITE: "a write", Role.READ: "a read-only", Role.BLIND: "a blind"}


@dataclass(frozen=True, slots=True, repr=False)
class PrintedKey:
    """What a printed key says. `verify_key` is b"" for owner and write, which derive it."""

    role: Role
    epoch: int
    folder_id: FolderId
    secret: bytes = field(repr=False)  # O, W_e, R_e or B_e, 32 bytes
    verify_key: bytes = b""  # vk_e, 32 bytes, of a read or blind key

    def __post_init__(self) -> None:
        expected = _PAYLOAD_BYTES[self.role] - _HEAD_BYTES
        if len(self.secret) != KEY_BYTES or len(self.secret) + len(self.verify_key) != expected:
            raise Bug(f"a {self.role.word} key of the wrong size")
        if len(self.folder_id) != FOLDER_ID_BYTES:
            raise Bug("a folder id of the wrong size")

    def encode(self) -> str:
        """One word in lower case. This is the secret itself: it goes to the user and nowhere else."""
        head = bytes([VERSION]) + epoch_bytes(self.epoch) + self.folder_id
        return bech32m.encode(PREFIXES[self.role], head + self.secret + self.verify_key)

    @classmethod
    def parse(cls, text: str) -> PrintedKey:
        """The key alone, without hints. Raises BadKey with what is wrong, and where."""
        role, values = _read(_one_case(_without_blanks(text)))
        return cls._from_payload(role, values)

    @classmethod
    def _from_payload(cls, role: Role, values: list[int]) -> PrintedKey:
        payload = bech32m.to_bytes(values)
        if payload is None or not payload:
            raise BadKey("the key is damaged", _COPY_AGAIN)
        if payload[0] != VERSION:
            raise BadKey("the key was made by a newer version of swarm", _UPDATE)
        if len(payload) != _PAYLOAD_BYTES[role]:
            raise BadKey(f"this is not {_WITH_ARTICLE[role]} key of the right length", _COPY_AGAIN)
        epoch = int.from_bytes(payload[1 : 1 + EPOCH_BYTES], "big")
        if epoch:
            raise BadKey("the folder's keys were renewed, which this version of swarm cannot follow", _UPDATE)
        folder_id = FolderId(payload[1 + EPOCH_BYTES : _HEAD_BYTES])
        secret = payload[_HEAD_BYTES : _HEAD_BYTES + KEY_BYTES]
        if role is Role.OWNER and folder_id != folder_id_of(key_pair(secret)[0]):
            raise BadKey("the owner key does not belong to the folder that it names", "ask for the key again")
        return cls(role, epoch, folder_id, secret, payload[_HEAD_BYTES + KEY_BYTES :])

    def __repr__(self) -> str:
        return f"PrintedKey({self.role.word}, epoch {self.epoch}, folder {short(self.folder_id)})"


def _without_blanks(text: str) -> str:
    """What is left without blanks, hyphens, and the invisible characters that chats and PDFs add."""
    return "".join(c for c in text if not c.isspace() and unicodedata.category(c) not in ("Pd", "Cf"))


def _one_case(text: str) -> str:
    if not text:
        raise BadKey("no key was given", _KINDS_HINT)
    if len(text) > bech32m.MAX_LENGTH:
        raise BadKey("this is far too long to be a key", _COPY_AGAIN)
    if not text.isascii():  # before any change of case: the Kelvin sign turns into an ordinary k
        position = next(i for i, character in enumerate(text) if not character.isascii())
        raise BadKey(f"character {position + 1} is not one that keys are made of", _COPY_AGAIN)
    lower = text.lower()
    if lower.startswith("swarm") and text not in (lower, text.upper()):
        raise BadKey("the key mixes capital and small letters", "write it all in small letters, or all in capitals")
    return lower  # in mixed case only where it is refused as no key at all


def _read(text: str) -> tuple[Role, list[int]]:
    """The kind and the checked values of a key in lower case."""
    prefix = text[:_PREFIX_LENGTH]
    separated = text[_PREFIX_LENGTH : _PREFIX_LENGTH + 1] == "1"
    start = _PREFIX_LENGTH + 1
    if prefix == _INVITE and separated:
        raise BadKey("this is an invite, which this version of swarm cannot use", "ask for a write or read-only key")
    maybe = bech32m.to_values(text[start:])
    values = [value for value in maybe if value is not None]
    whole = len(values) == len(maybe)
    if prefix not in _KINDS or not separated:
        if whole:
            _refuse_other_kind(text, values)
        _refuse_prefix(text, separated)
    if not whole:
        raise BadKey(
            f"character {start + maybe.index(None) + 1} is not one that keys are made of",
            "after the kind, keys never contain 1, b, i or o. " + _POSITIONS,
        )
    trace = bech32m.residue(prefix, values)
    if trace:
        _refuse_other_kind(text, values)
        _refuse_length(text, _KINDS[prefix])
        _refuse_typo(bech32m.locate_typo(trace, values), start)
    return _KINDS[prefix], values


def _refuse_prefix(text: str, separated: bool) -> NoReturn:
    if any(f"{prefix}1".startswith(text) for prefix in _KINDS):
        raise BadKey("the key is cut off", _COPY_AGAIN)
    if text.startswith("swarm") and separated:
        raise BadKey("there is no such kind of key", _KINDS_HINT)
    raise BadKey("this is not a swarm key", _KINDS_HINT)


def _refuse_other_kind(text: str, values: list[int]) -> None:
    """The checksum covers the prefix: it tells when only the prefix is wrong."""
    for role, prefix in PREFIXES.items():
        if len(text) == _length(role) and bech32m.residue(prefix, values) == 0:
            raise BadKey(
                f"the first {_PREFIX_LENGTH + 1} characters have a typo: the rest belongs to {_WITH_ARTICLE[role]} key",
                f"{_WITH_ARTICLE[role]} key starts with {prefix}1",
            )


def _refuse_length(text: str, role: Role) -> None:
    expected = _length(role)
    if len(text) < expected:
        raise BadKey(f"the key is cut off, or lacks a character: {len(text)} of {expected} characters", _COPY_AGAIN)
    if len(text) > expected:
        raise BadKey(f"the key is too long: {len(text)} characters instead of {expected}", _COPY_AGAIN)


def _refuse_typo(positions: tuple[int, ...], start: int) -> NoReturn:
    match positions:
        case (one,):
            raise BadKey(f"the key has a typo, most likely at character {start + one + 1}", _POSITIONS)
        case (one, other):
            raise BadKey(
                f"the key has a typo: characters {start + one + 1} and {start + other + 1} most likely changed places",
                _POSITIONS,
            )
    raise BadKey("the key has more than one typo", _COPY_AGAIN)


def _length(role: Role) -> int:
    return bech32m.encoded_length(PREFIXES[role], _PAYLOAD_BYTES[role])
