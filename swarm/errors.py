"""Errors say whose fault they are, since that decides what happens next.

    SwarmError
    ├── UserError        the user can mend it: message, hint and an exit code
    │   └── BadKey       a printed key that is none (exit 5)
    ├── BadPeer          the other side broke the protocol: drop it, name it, never trust the data
    ├── Unavailable      not now: try again later, by another route or from another peer
    ├── Integrity        bytes are not what their hash says: never retried from the same place
    └── Bug              ours: a promise between our own rooms was broken

The docstring or message is the sentence that the user reads; `hint` is what to do about it.
"""

from __future__ import annotations

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NOT_FOUND = 3
EXIT_TIMEOUT = 4
EXIT_BAD_KEY = 5
EXIT_HELD = 6
EXIT_INTERRUPTED = 130


class SwarmError(Exception):
    """Base of everything that Swarm raises on purpose."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UserError(SwarmError):
    """Something the user can mend."""

    def __init__(self, message: str, hint: str = "", code: int = EXIT_FAILED) -> None:
        super().__init__(message, hint)
        self.code = code


class BadKey(UserError):
    """The key cannot be read; the message names the likely typo or the kind."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint, EXIT_BAD_KEY)


class BadPeer(SwarmError):
    """The other side broke the protocol."""


class Unavailable(SwarmError):
    """Not reachable now; trying again later may help."""


class Integrity(SwarmError):
    """Bytes are not what their hash or signature says."""


class Bug(SwarmError):
    """A promise between our own rooms was broken."""
