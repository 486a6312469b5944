"""What changes while somebody watches: the daemon's events put together, and lines on a terminal that are drawn anew.

A library that draws would be imported for two functions; these cost nothing.
"""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swarm.control.client import Client

_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def snapshots(daemon: Client) -> Iterator[dict[str, Any]]:
    """The status, as it is now and after each change; at most some four a second. Ends with the daemon."""
    status: dict[str, Any] = {"folders": []}
    for name, data in daemon.events():
        folders = status["folders"]
        match name:
            case "status":
                status = data
            case "gone":
                status = {**status, "folders": [one for one in folders if one["id"] != data["id"]]}
            case "folder":
                known = any(one["id"] == data["id"] for one in folders)
                changed = [data if one["id"] == data["id"] else one for one in folders]
                status = {**status, "folders": changed if known else [*folders, data]}
            case _:
                continue  # of a newer daemon
        yield status


class Screen:
    """A block of lines, drawn over the one before on a terminal, and below it, after a blank line, elsewhere."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._drawn = 0  # lines of the block that is there
        self._any = False

    def show(self, lines: list[str]) -> None:
        if not self._stream.isatty() or os.environ.get("TERM") == "dumb":
            text = ("\n" if self._any else "") + "\n".join(lines) + "\n"
        else:
            size = shutil.get_terminal_size()
            lines = [cut(line, size.columns) for line in lines][: max(1, size.lines - 1)]
            up = f"\x1b[{self._drawn}A" if self._drawn else ""
            text = f"{up}\r\x1b[J" + "\n".join(lines) + "\n"
            self._drawn = len(lines)
        self._any = True
        self._stream.write(text)
        self._stream.flush()

    def clear(self) -> None:
        """Takes the block away, where it can be."""
        if self._drawn:
            self._stream.write(f"\x1b[{self._drawn}A\r\x1b[J")
            self._stream.flush()
            self._drawn = 0


def cut(line: str, width: int) -> str:
    """At most `width` characters, colours not counted: one that wraps is two lines, and drawing over it misses."""
    plain = _ESCAPE.sub("", line)
    return line if len(plain) <= width else plain[: max(0, width - 1)] + "…"
