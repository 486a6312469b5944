"""Says where in a folder something changed: by inotify on Linux, by a clock where that cannot be.

The watcher is a hint, the scan is the truth. So it may say too much (everything, on overflow), and where events cannot
be had (no inotify, its limits reached, a network file system that others change too) it asks for a whole scan every
`interval` seconds and says in `why` what would help.

One thread a folder. After the first event it waits `coalesce` seconds without looking, so that a burst is read in few
pieces: being woken for each event costs more than handling it.
"""

from __future__ import annotations

import os
import queue
import select
import sys
import threading
from typing import TYPE_CHECKING, Literal

from swarm.disk.mounted import network_kind
from swarm.errors import Bug, Unavailable
from swarm.sync.dirty import Dirty

if sys.platform == "linux":
    from swarm.disk.inotify import Inotify, RootGone, WatchLimit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

INTERVAL = 30.0  # seconds between two whole scans where there are no events
# What distributions set for desktops. Each directory needs one watch, which takes a kilobyte of the kernel's memory.
ENOUGH = {"fs.inotify.max_user_watches": 524_288, "fs.inotify.max_user_instances": 1_024}
EVERYTHING = Dirty(frozenset({""}), frozenset(), True)


class Watcher:
    """Calls `on_dirty` from its own thread; that must not raise, and must not call back into the watcher. The methods
    are for one thread, the owner's.

    `coalesce` and `interval` are seconds. `mode` and `why` (a sentence, "" while all is well) may be read at any time.
    """

    def __init__(
        self, root: str | Path, on_dirty: Callable[[Dirty], None], coalesce: float = 0.02, interval: float = INTERVAL
    ) -> None:
        self.mode: Literal["inotify", "polling"] = "polling"
        self.why = "not started"
        self._root = os.fspath(root)
        self._on_dirty = on_dirty
        self._coalesce = coalesce
        self._interval = interval
        self._inotify: Inotify | None = None
        self._retry = False
        self._thread: threading.Thread | None = None
        self._wake_read, self._wake_write = -1, -1
        self._flushes: queue.SimpleQueue[threading.Event] = queue.SimpleQueue()
        self._stopping = False

    def start(self) -> None:
        """When it returns, every later change is told."""
        if self._thread is not None:
            raise Bug("a watcher is started once")
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._attach()
        self._thread = threading.Thread(target=self._run, name=f"watch {self._root}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """No call of `on_dirty` after it returns."""
        if self._thread is None or self._stopping:
            return
        self._stopping = True
        self._wake()
        self._thread.join()
        if self._inotify is not None:
            self._inotify.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def flush(self, timeout: float) -> None:
        """Returns once everything that happened before the call has been told. Raises Unavailable after `timeout`
        seconds."""
        if self._thread is None or self._stopping:
            raise Bug("the watcher is not running")
        done = threading.Event()
        self._flushes.put(done)
        self._wake()
        if not done.wait(timeout):
            raise Unavailable(f"the watcher of {self._root} did not answer within {timeout} seconds")

    def _wake(self) -> None:
        try:
            os.write(self._wake_write, b"!")
        except BlockingIOError:
            return  # thousands of wakes are waiting already

    # In the thread, but for the first _attach.

    def _attach(self) -> None:
        self.mode, self.why, self._retry = "polling", "", False
        if sys.platform != "linux":
            self.why = "this system has no inotify; the folder is scanned at intervals"
            return
        if kind := network_kind(self._root):
            self.why = f"{kind} does not tell of changes that others make; the folder is scanned at intervals"
            return
        try:
            self._inotify = Inotify(self._root)
        except WatchLimit as limit:
            self.why = _limit_reached(str(limit))
        except OSError as error:
            self._retry = True
            self.why = f"the folder cannot be watched: {error.strerror}"
        else:
            self.mode = "inotify"

    def _run(self) -> None:
        while not self._stopping:
            if self._inotify is None:
                self._poll_once()
            else:
                self._watch_once(self._inotify)

    def _poll_once(self) -> None:
        flushes = self._wait(None, self._interval)
        if self._stopping:
            return
        if self._retry:
            self._attach()
        self._tell(EVERYTHING, flushes)

    def _watch_once(self, inotify: Inotify) -> None:
        flushes = self._wait(inotify.descriptor, None)
        if not flushes and not self._stopping:
            flushes = self._wait(None, self._coalesce)
        if self._stopping:
            return
        try:
            dirty = inotify.read()
        except RootGone:
            self._detach("the folder's directory is gone, or another one is in its place")
            self._retry = True
            dirty = EVERYTHING
        except OSError as error:
            self._detach(f"the folder cannot be watched: {error.strerror}")
            self._retry = True
            dirty = EVERYTHING
        except WatchLimit as limit:
            self._detach(_limit_reached(str(limit)))
            dirty = EVERYTHING
        self._tell(dirty, flushes)

    def _detach(self, why: str) -> None:
        """Gives all watches back: other programs of the user need some too."""
        if self._inotify is not None:
            self._inotify.close()
        self._inotify, self.mode, self.why = None, "polling", why

    def _wait(self, descriptor: int | None, timeout: float | None) -> list[threading.Event]:
        """Until there are events, or a flush, or `timeout`. Flushes are those asked for by now."""
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        if descriptor is not None:
            poll.register(descriptor, select.POLLIN)
        poll.poll(None if timeout is None else timeout * 1000)
        try:
            os.read(self._wake_read, 4096)
        except BlockingIOError:
            return []
        flushes = []
        while not self._flushes.empty():
            flushes.append(self._flushes.get())
        return flushes

    def _tell(self, dirty: Dirty | None, flushes: list[threading.Event]) -> None:
        if dirty is not None:
            self._on_dirty(dirty)
        for done in flushes:
            done.set()


def _limit_reached(setting: str) -> str:
    """What to say, with the very words to type. `setting`: the name of a sysctl."""
    try:
        with open(f"/proc/sys/{setting.replace('.', '/')}", encoding="ascii") as file:
            now = int(file.read())
    except (OSError, ValueError):
        now = 0
    enough = max(ENOUGH[setting], 2 * now)
    return (
        f"changes are noticed late, every {INTERVAL:.0f} seconds: the limit of inotify is reached; "
        f"sysctl {setting}={enough} as root, then restart swarm"
    )
