"""What people read: errors, notes, questions, colour.

Names of devices and folders come from other machines: whatever is shown passes `printable`, so that nobody can move our
cursor, recolour an error, or turn the direction of a line. Answers go to stdout; everything else to stderr.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Final, TextIO

if TYPE_CHECKING:
    from swarm.errors import SwarmError

_COLOURS: Final = {"green": "32", "yellow": "33", "red": "31", "bold": "1", "dim": "2", "screen": "97;40"}


def printable(text: str) -> str:
    """`text` on one line with control and direction characters replaced."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def note(text: str) -> None:
    """A sentence for people, on stderr."""
    print(printable(text), file=sys.stderr, flush=True)


def notes(answer: dict[str, Any]) -> None:
    """The sentences of a daemon's answer."""
    for sentence in answer["notes"]:
        note(sentence)


def report(error: SwarmError) -> None:
    """An error as the command line says it; one line each."""
    print(f"swarm: error: {printable(error.message)}", file=sys.stderr)
    if error.hint:
        print(f"swarm: hint: {printable(error.hint)}", file=sys.stderr)
    sys.stderr.flush()


def interactive() -> bool:
    """Whether somebody is there to answer a question."""
    return _is_terminal(sys.stdin) and _is_terminal(sys.stderr)


def watched() -> bool:
    """Whether somebody sees the progress on stderr, and the answer was not taken by a script."""
    return _is_terminal(sys.stdout) and _is_terminal(sys.stderr)


def agree(question: str) -> bool:
    """Asks on the terminal; anything but yes is no, and so is the end of input."""
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    if not answer:
        print(file=sys.stderr)
    return answer.strip().lower() in ("y", "yes")


def colour(text: str, name: str, stream: TextIO) -> str:
    """`text` in a colour, where `stream` is a terminal and nobody said NO_COLOR (https://no-color.org)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not _is_terminal(stream):
        return text
    return f"\x1b[{_COLOURS[name]}m{text}\x1b[0m"


def _is_terminal(stream: TextIO | None) -> bool:
    """A stream that was closed before we started is None."""
    return stream is not None and not stream.closed and stream.isatty()
