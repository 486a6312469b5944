"""Tags: how two members prove to each other that they hold a folder's key, and show a stranger nothing.

A tag is a keyed hash over the connection's channel binding, so that it is worthless on any other connection, and
over the side that made it, so that it cannot be sent back to its maker.
"""

from __future__ import annotations

from typing import Final

from swarm.errors import Bug
from swarm.keys.derive import kdf

DIALLER: Final = b"D"  # the side that opened the connection
LISTENER: Final = b"L"
TAG_BYTES = 32
BINDING_BYTES = 32


def tag(member_key: bytes, role_byte: bytes, binding: bytes) -> bytes:
    """32 bytes that look random to anybody without `member_key` (FolderKeys.membership_key).

    `role_byte` is DIALLER or LISTENER: the part that the *maker* of the tag plays on the connection. `binding` is the
    link's channel binding, 32 bytes. Raises Bug for any other length of either.
    """
    if len(role_byte) != 1 or len(binding) != BINDING_BYTES:
        raise Bug("a membership tag takes one byte for the side and a channel binding of 32 bytes")
    return kdf(member_key, b"swarm1.tag", role_byte + binding, TAG_BYTES)
