"""The arguments of one request: a JSON object whose members are taken out one by one, each with its type.

What is left over when all are taken is an argument that nobody reads: an error, since a misspelt one would otherwise be
ignored in silence. Every mistake is a UserError with exit code 2.
"""

from __future__ import annotations

import json
import os
from typing import Any, Final

from swarm.errors import EXIT_USAGE, UserError

MAX_TEXT: Final = 32 << 10  # characters; a path has at most 4096 bytes, a key with all its hints 4 kB
MAX_SECONDS: Final = 10 * 365 * 86400.0  # ten years: longer is a mistake, and beyond what timers take


class Arguments:
    """The members of a request's object that have not been taken yet."""

    def __init__(self, body: bytes) -> None:
        """body: the JSON text of an object; empty for none. Raises UserError for anything else."""
        try:
            members = json.loads(body) if body else {}
        except (ValueError, RecursionError) as error:
            raise _mistake("the request is not JSON") from error
        if not isinstance(members, dict):
            raise _mistake("the request is not a JSON object")
        self._members: dict[str, Any] = members

    def path(self, name: str) -> str:
        path = self.optional_path(name)
        if path is None:
            raise _mistake(f"{name} is missing")
        return path

    def optional_path(self, name: str) -> str | None:
        """An absolute path without NUL and lone surrogates, None for null or nothing."""
        path = self.optional_text(name)
        if path is not None and (not os.path.isabs(path) or "\0" in path):
            raise _mistake(f"{name} is not an absolute path")
        return path

    def text(self, name: str) -> str:
        text = self.optional_text(name)
        if text is None:
            raise _mistake(f"{name} is missing")
        return text

    def optional_text(self, name: str) -> str | None:
        text = self._members.pop(name, None)
        if text is None:
            return None
        if not isinstance(text, str) or len(text) > MAX_TEXT:
            raise _mistake(f"{name} is not a text of at most {MAX_TEXT} characters")
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise _mistake(f"{name} is not Unicode")
        return text

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        text = self.text(name)
        if text not in choices:
            raise _mistake(f"{name} is none of {', '.join(choices)}")
        return text

    def flag(self, name: str) -> bool:
        """False where it is not given."""
        flag = self._members.pop(name, False)
        if not isinstance(flag, bool):
            raise _mistake(f"{name} is neither true nor false")
        return flag

    def count(self, name: str, default: int, highest: int) -> int:
        count = self._members.pop(name, default)
        if type(count) is not int or not 0 <= count <= highest:
            raise _mistake(f"{name} is not a number from 0 to {highest}")
        return count

    def optional_seconds(self, name: str) -> float | None:
        seconds = self._members.pop(name, None)
        if seconds is None:
            return None
        if type(seconds) not in (int, float) or not 0 <= seconds <= MAX_SECONDS:
            raise _mistake(f"{name} is not a number of seconds")
        return float(seconds)

    def finish(self) -> None:
        """Raises UserError when there is an argument that nobody took."""
        for name in self._members:
            raise _mistake(f"there is no argument {name[:80]!a}")


def _mistake(message: str) -> UserError:
    return UserError(message, code=EXIT_USAGE)
