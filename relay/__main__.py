"""`relay`, and `python -m relay`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from swarm import interrupt

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> int:
    """Runs a relay, with the process's arguments. Returns the exit code."""
    return interrupt.run(_load)


def _load() -> Callable[[], int]:
    from relay.main import main as command

    return command


if __name__ == "__main__":
    sys.exit(main())
