"""Live on a terminal: how far a join or the first look at a folder is. Ctrl-C detaches, and nothing stops."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from swarm.cli import terminal
from swarm.cli.format import amount, plural
from swarm.cli.live import Screen, snapshots
from swarm.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from swarm.control.client import Client

    Verdict = Callable[[dict[str, Any], float], str | None]

LOOK: Final = 1.0  # seconds without an event before time alone is a reason to look
PATIENCE: Final = 15.0  # seconds for the first member to turn up; a DHT look-up takes a few
WINDOW: Final = 10.0  # seconds over which the rate is taken
UNREAD: Final = 16  # statuses that wait to be shown; then the daemon waits, and leaves some out
IN_BACKGROUND: Final = "it goes on in the background; swarm status shows how far it is"


class Rate:
    """Bytes a second over the last seconds, and how long the rest takes at that."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()  # when, bytes so far

    def take(self, done: int, now: float) -> None:
        """done: bytes so far; now: seconds of a clock that never jumps."""
        if self._seen and done < self._seen[-1][1]:
            self._seen.clear()  # the daemon was started anew, and counts anew
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[0][0] > WINDOW:
            self._seen.popleft()

    @property
    def per_second(self) -> float:
        if len(self._seen) < 2:
            return 0.0
        (began, first), (now, last) = self._seen[0], self._seen[-1]
        return (last - first) / (now - began) if now - began >= LOOK else 0.0

    def left(self, need: int) -> str:
        """`12 MB/s, 3 min left`; "" while nobody can tell."""
        rate = self.per_second
        if rate < 1:
            return ""
        return f"{amount(rate)}/s, {_duration(need / rate)} left"


class Fetched:
    """How much of what was to come has come."""

    def __init__(self) -> None:
        self._before: int | None = None  # bytes that had come when we began to look
        self._last = 0

    def bar(self, state: dict[str, Any]) -> tuple[int, int] | None:
        """Bytes done and bytes in all; None where nothing is to come."""
        now = state["fetched_bytes"]
        if self._before is None or now < self._last:  # the daemon was started anew, and counts anew
            self._before = now
        self._last = now
        done = now - self._before
        return (done, done + state["need_bytes"]) if state["state"] != "scanning" and state["need_bytes"] else None


def follow(daemon: Client, folder: str, verdict: Verdict) -> None:
    """Returns when `verdict` has a last word on `folder` (its id, hex), or the user has seen enough."""
    screen = Screen(sys.stderr)
    rate = Rate()
    fetched = Fetched()
    alone_since = time.monotonic()
    try:
        for status in _ticking(snapshots(daemon)):
            now = time.monotonic()
            state = next((one for one in status["folders"] if one["id"] == folder), None)
            if state is None:
                return
            if any(peer["connected"] for peer in state["peers"]):
                alone_since = now
            rate.take(state["fetched_bytes"], now)
            word = verdict(state, now - alone_since)
            if word is not None:
                screen.close()
                terminal.note(word)
                return
            screen.show([terminal.printable(line(state, rate))], fetched.bar(state))
    except KeyboardInterrupt:
        screen.close()
        terminal.note(IN_BACKGROUND)
    finally:
        screen.close()


def joined(state: dict[str, Any], alone: float) -> str | None:
    """What to say when there is nothing more to wait for, else None. alone: seconds without a connected member."""
    connected = [peer for peer in state["peers"] if peer["connected"]]
    if state["state"] == "in-sync" and connected:
        return f"identical with {plural(len(connected), 'device')}"
    if state["state"] in ("held", "error", "paused"):
        return f"{state['state']}: {state['why'] or 'swarm status says more'}"
    if not connected and alone > PATIENCE:
        return f"nobody is online; {IN_BACKGROUND}"
    return None


def indexed(state: dict[str, Any], alone: float) -> str | None:
    """The last word on a folder that was shared: how much is in it, once everything was looked at."""
    del alone
    if state["state"] == "scanning":
        return None
    if state["state"] in ("held", "error", "paused"):
        return f"{state['state']}: {state['why'] or 'swarm status says more'}"
    return f"{plural(state['files'], 'file')}, {amount(state['bytes'])}"


def line(state: dict[str, Any], rate: Rate) -> str:
    """How far it is."""
    if state["state"] == "scanning":
        so_far = f"Indexing {state['name']}  {plural(state['files'], 'file')}, {amount(state['bytes'])}"
        return f"{so_far}  {state['at']}" if state.get("at") else so_far
    if state["need_files"] or state["need_bytes"]:
        need = f"{plural(state['need_files'], 'file')}, {amount(state['need_bytes'])} to come"
        left = rate.left(state["need_bytes"])
        return f"{need}  {left}" if left else need
    return str(state["why"] or state["state"])


def _ticking(statuses: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """Each as it comes, and the last one again where nothing happens. Events are read in a thread of their own."""
    inbox: queue.Queue[dict[str, Any] | UserError | None] = queue.Queue(UNREAD)

    def read() -> None:
        try:
            for status in statuses:
                inbox.put(status)
        except UserError as error:
            inbox.put(error)
        else:
            inbox.put(None)

    threading.Thread(target=read, name="events", daemon=True).start()
    last: dict[str, Any] | None = None
    while True:
        try:
            news = inbox.get(timeout=LOOK)
        except queue.Empty:
            news = last
            if news is None:
                continue
        if isinstance(news, UserError):
            raise news
        if news is None:
            raise UserError("the daemon ended", IN_BACKGROUND)
        last = news
        yield news


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
