"""`swarm stop`: ends the daemon of this home, and returns when it is gone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from swarm.cli import launch, place
from swarm.control.client import NotRunning
from swarm.errors import UserError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

END_TIMEOUT: Final = 10.0  # seconds; a daemon promises to end within 5
LOOK: Final = 0.02  # seconds between two looks at the lock


def configure(parser: ArgumentParser) -> None:
    parser.epilog = "Folders and files stay as they are; the next share, join or run goes on."


def run(_: Namespace) -> int:
    end()
    return 0


def end() -> None:
    """Returns when the daemon of this home is gone. Raises NotRunning where there is none, UserError where it stays."""
    home, daemon = place.home(), launch.daemon()
    deadline = time.monotonic() + END_TIMEOUT
    asked = False
    while time.monotonic() < deadline:
        if not asked:
            try:
                daemon.call("stop", deadline=END_TIMEOUT)
                asked = True
            except NotRunning:
                if not place.locked(home):
                    raise
        elif not place.locked(home):
            return
        time.sleep(LOOK)
    if asked:
        raise UserError(f"the daemon has not ended after {END_TIMEOUT:.0f} seconds", "its log may say why")
    raise UserError("a daemon holds this home but does not answer", "it is starting or ending; try again")
