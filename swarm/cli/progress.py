"""Shows on a terminal how a join goes, until the folder is identical with somebody. Ctrl-C detaches."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Final

from swarm.cli import terminal
from swarm.cli.format import amount, plural

if TYPE_CHECKING:
    from swarm.control.client import Client

POLL: Final = 0.25  # seconds between two looks at the status
PATIENCE: Final = 15.0  # seconds for the first member to turn up; a DHT look-up takes a few
IN_BACKGROUND: Final = "it goes on in the background; swarm status shows how far it is"


def follow(daemon: Client, folder: str) -> None:
    """Returns when `folder` (its id, hex) is identical, needs a decision, is alone, or the user has seen enough."""
    alone_since = time.monotonic()
    try:
        while True:
            state = next((one for one in daemon.ask("status")["folders"] if one["id"] == folder), None)
            if state is None:
                return
            if any(peer["connected"] for peer in state["peers"]):
                alone_since = time.monotonic()
            verdict = last_word(state, time.monotonic() - alone_since)
            if verdict is not None:
                _overwrite("")
                terminal.note(verdict)
                return
            _overwrite(_line(state))
            time.sleep(POLL)
    except KeyboardInterrupt:
        _overwrite("")
        terminal.note(IN_BACKGROUND)


def last_word(state: dict[str, Any], alone: float) -> str | None:
    """What to say when there is nothing more to wait for, else None. alone: seconds without a connected member."""
    connected = [peer for peer in state["peers"] if peer["connected"]]
    if state["state"] == "in-sync" and connected:
        return f"identical with {plural(len(connected), 'device')}"
    if state["state"] in ("held", "error", "paused"):
        return f"{state['state']}: {state['why'] or 'swarm status says more'}"
    if not connected and alone > PATIENCE:
        return f"nobody is online; {IN_BACKGROUND}"
    return None


def _line(state: dict[str, Any]) -> str:
    if state["need_files"] or state["need_bytes"]:
        return f"{plural(state['need_files'], 'file')}, {amount(state['need_bytes'])} to come"
    return str(state["why"] or state["state"])


def _overwrite(text: str) -> None:
    """Replaces the line under the cursor."""
    sys.stderr.write(f"\r\x1b[K{terminal.printable(text)[:79]}")
    sys.stderr.flush()
