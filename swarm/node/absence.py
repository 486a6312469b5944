"""Were we away? A machine that slept, or a process that was stopped, finds its clocks apart from each other. Pure.

While a machine sleeps its monotonic clock stands still (Linux) and the wall clock goes on; while only the process is
stopped both go on, and a turn that should come twice a second comes late. Setting the clock looks like sleep, and costs
a scan that finds nothing and a link that is made anew.
"""

from __future__ import annotations

SLEPT = 3.0  # seconds; a busy machine is late by less


class Absence:
    """Watches two clocks."""

    def __init__(self, monotonic: float, wall: float) -> None:
        self._monotonic = monotonic
        self._wall = wall

    def turn(self, monotonic: float, wall: float, expected: float) -> float:
        """Seconds that we were away since the last turn, 0.0 for none. `expected`: seconds that a turn takes."""
        ran, passed = monotonic - self._monotonic, wall - self._wall
        self._monotonic, self._wall = monotonic, wall
        away = max(ran - expected, abs(passed - ran))
        return away if away >= SLEPT else 0.0
