"""What a member may do."""

from __future__ import annotations

from enum import IntEnum


class Role(IntEnum):
    """Each role holds the keys of every role below it. Numbers are part of the certificate format."""

    BLIND = 1  # stores ciphertext, reads nothing
    READ = 2  # reads names and content
    WRITE = 3  # makes records
    OWNER = 4  # starts epochs, and so decides who may do the rest

    def holds(self, other: Role) -> bool:
        """True when a key of this role gives everything that a key of `other` gives."""
        return self >= other

    @property
    def word(self) -> str:
        """`owner`, `write`, `read` or `blind`, as people and programs see it."""
        return self.name.lower()
