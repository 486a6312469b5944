"""Points in time as a user writes them, and as lists show them."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from datetime import datetime, timedelta
from typing import Final

_AGO: Final = re.compile(r"([0-9]{1,9})([smhdw])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

EXAMPLES: Final = "2026-01-31, '2026-01-31 18:02', or 2h and 3d for so long ago"


def parse(text: str, now: datetime) -> int:
    """Milliseconds since 1970. now: with the time zone that dates without one are in. Raises ArgumentTypeError."""
    try:
        if ago := _AGO.fullmatch(text.strip()):
            then = now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        else:
            then = datetime.fromisoformat(text.strip())
            if then.tzinfo is None:
                then = then.replace(tzinfo=now.tzinfo)
        milliseconds = int(then.timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        milliseconds = 0
    if milliseconds <= 0:
        raise ArgumentTypeError(f"{text[:80]!a} is no time; write {EXAMPLES}")
    return milliseconds


def here(text: str) -> str:
    """A time of the daemon's in the user's time zone, to the second; the text itself when it is none."""
    try:
        return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return text
