"""The hunt: each mutant of the program in a process of its own, until a schedule or a named test convicts it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from tests.simulation.mutants import MUTANTS, Mutant

AT_ONCE = 2  # processes; the machine may be small
TIMEOUT = 420.0  # seconds for one mutant


def hunt(only: str, schedules: int) -> int:
    """Prints a table; returns 1 when a mutant got away."""
    chosen = [mutant for mutant in MUTANTS if only in ("", mutant.name)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        escaped = 0
        for mutant, (how, seconds) in zip(chosen, pool.map(lambda m: _chase(m, schedules), chosen), strict=True):
            escaped += not how
            print(f"{mutant.name:36} {seconds:5.0f} s  {how or 'ESCAPED: ' + mutant.what}", flush=True)
    print(f"{len(chosen)} mutants, {escaped} escaped")
    return 1 if escaped else 0


def _chase(mutant: Mutant, schedules: int) -> tuple[str, float]:
    begun = time.monotonic()
    command = [sys.executable, "-m", "tests.simulation.hunt", mutant.name, str(schedules)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, env=dict(os.environ))
        how = done.stdout.strip().rpartition("\n")[2] if done.returncode == 1 else ""
        if done.returncode not in (0, 1):
            how = "BROKEN: " + done.stderr.strip().rpartition("\n")[2]
    except subprocess.TimeoutExpired:
        how = ""
    return how[:140], time.monotonic() - begun


def _try(name: str, schedules: int) -> int:
    """In a process of its own: mutates the program first, imports it then."""
    [mutant] = [mutant for mutant in MUTANTS if mutant.name == name]
    mutant.apply()
    from tests.simulation.schedule import draw
    from tests.simulation.shrink import verdict

    for seed in range(schedules):
        if why := verdict(draw(seed, mutant.kinds[seed % len(mutant.kinds)] if mutant.kinds else "")):
            print(f"seed {seed}: {why.partition(chr(10))[0]}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(_try(sys.argv[1], int(sys.argv[2])))
