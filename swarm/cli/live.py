"""What changes while somebody watches: the daemon's events put together, and lines on a terminal that are drawn anew.

rich draws. It takes a tenth of a second to import, so that happens with the first block that goes to a terminal.
"""

from __future__ import annotations

import os
import select
import stat
import threading
from typing import TYPE_CHECKING, Any, Final, TextIO

from swarm.errors import EXIT_FAILED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.live import Live

    from swarm.control.client import Client

BAR_WIDTH: Final = 40  # columns


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


def end_with_reader(stream: TextIO) -> None:
    """Ends the process once nobody reads `stream` any more: `swarm status --watch --json | head -1` returns, though
    nothing changes that could be written and fail. A pipe only; a terminal that closes sends SIGHUP."""

    def watch() -> None:
        poll = select.poll()
        poll.register(stream.fileno(), 0)  # asks for nothing, and is told of errors
        while not any(happened & (select.POLLERR | select.POLLHUP) for _, happened in poll.poll()):
            continue
        os._exit(EXIT_FAILED)  # as where a write fails; there is nothing to clean up

    try:
        is_pipe = stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):
        return
    if is_pipe:
        threading.Thread(target=watch, name="reader", daemon=True).start()


class Screen:
    """A block of lines, drawn over the one before on a terminal, and below it, after a blank line, elsewhere."""

    def __init__(self, stream: TextIO, *, keep: bool = False) -> None:
        """keep: the last block stays when this is closed."""
        self._stream = stream
        self._keep = keep
        self._live: Live | None = None
        self._any = False

    def show(self, lines: list[str], bar: tuple[int, int] | None = None) -> None:
        """bar: bytes done and bytes in all, drawn beneath; only in colour, since it is made of nothing else."""
        if not self._stream.isatty() or os.environ.get("TERM") == "dumb":
            self._stream.write(("\n" if self._any else "") + "\n".join(lines) + "\n")
            self._stream.flush()
            self._any = True
            return
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.text import Text

        rows: list[Text | ProgressBar] = [Text.from_ansi(line, no_wrap=True, overflow="ellipsis") for line in lines]
        if bar is not None and not os.environ.get("NO_COLOR"):
            rows.append(ProgressBar(total=max(1, bar[1]), completed=bar[0], width=BAR_WIDTH))
        self._begun().update(Group(*rows), refresh=True)

    def close(self) -> None:
        """Takes the block away, unless it is to be kept; the cursor is seen again."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _begun(self) -> Live:
        if self._live is None:
            from rich.console import Console
            from rich.live import Live

            console = Console(file=self._stream, highlight=False)
            self._live = Live(
                console=console,
                auto_refresh=False,
                transient=not self._keep,
                redirect_stdout=False,
                redirect_stderr=False,
                vertical_overflow="crop",
            )
            self._live.start()
        return self._live
