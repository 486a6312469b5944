"""Runs `swarm` with an event loop that is timed. What held it for longer than LIMIT goes to $SWARM_STALLS.

A beat is asked for every few milliseconds; one that comes late means that something else kept the loop. A thread
takes the loop's stack while the beat is late, so that a test can say what it was.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
import traceback

BEAT = 0.005  # seconds
LIMIT = 0.05  # seconds that nothing may keep the loop for


class TimedLoop(asyncio.SelectorEventLoop):
    """Every daemon has one, so what it writes needs no name of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._began = time.monotonic()
        self._due = self._began + BEAT
        self._thread = threading.get_ident()
        self._stack = ""
        self._file = open(os.environ["SWARM_STALLS"], "a", buffering=1)  # noqa: SIM115 - for as long as the process
        self.call_soon(self._beat)
        threading.Thread(target=self._watch, daemon=True).start()

    def _beat(self) -> None:
        now = time.monotonic()
        late = now - self._due
        if late > LIMIT:
            self._file.write(f"{late:.3f} s, {now - self._began:.1f} s after the start: {self._stack or '?'}\n")
        self._stack = ""
        self._due = now + BEAT
        self.call_later(BEAT, self._beat)

    def _watch(self) -> None:
        while True:
            time.sleep(LIMIT / 4)
            if time.monotonic() - self._due > LIMIT / 2 and not self._stack:
                frame = sys._current_frames().get(self._thread)
                if frame is not None:
                    self._stack = " < ".join(
                        f"{os.path.basename(each.filename)}:{each.lineno} {each.name}"
                        for each in traceback.extract_stack(frame)[:-7:-1]
                    )


class Policy(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return TimedLoop()


if __name__ == "__main__":
    asyncio.set_event_loop_policy(Policy())
    from swarm.cli.main import main

    sys.exit(main())
