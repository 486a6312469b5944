"""Numbers and times as people read them."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Final

_UNITS: Final = ("bytes", "kB", "MB", "GB", "TB", "PB")
_AGO: Final = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


def plural(count: int, noun: str) -> str:
    """`1,204 files`, `1 file`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def amount(size: float) -> str:
    """Bytes in powers of 1000, as disks and `ls --si` count: `3.1 GB`."""
    unit = 0
    while size >= 999.5 and unit < len(_UNITS) - 1:  # 999.5 would be printed as 1000
        size /= 1000
        unit += 1
    if unit == 0:
        return f"{size:.0f} byte{'' if size == 1 else 's'}"
    return f"{size:.1f} {_UNITS[unit]}" if size < 9.95 else f"{size:.0f} {_UNITS[unit]}"


def moment(text: str, now: datetime) -> str:
    """A time of the status as `Tue 18:02, 3 days ago`, in now's time zone; the text itself when it is none.

    Within a day the weekday is left out, beyond a week it is the date.
    """
    try:
        then = datetime.fromisoformat(text)
    except ValueError:
        return text
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    then = then.astimezone(now.tzinfo)
    seconds = max(0, int((now - then).total_seconds()))
    form = "%H:%M" if seconds < 86400 else "%a %H:%M" if seconds < 7 * 86400 else "%Y-%m-%d"
    noun, length = next(((noun, length) for noun, length in _AGO if seconds >= length), _AGO[-1])
    ago = f"{plural(seconds // length, noun)} ago" if seconds else "just now"
    return f"{then.strftime(form)}, {ago}"


def below_home(path: str) -> str:
    """`~/Docs` for what is below the user's own directory."""
    home = os.path.expanduser("~").rstrip("/")
    return "~" + path[len(home) :] if home and (path == home or path.startswith(home + "/")) else path
