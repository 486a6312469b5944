"""The hunt: each mutant of the program in a process of its own, until a schedule or a named test convicts it."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from tests.simulation.mutants import MUTANTS, Mutant

AT_ONCE = 2  # processes; the machine may be small
TIMEOUT = 240.0  # seconds for one run of its schedules
KEPT, BROKE, UNABLE = 0, 3, 1  # exit statuses: all promises kept, one broken, Python's own for an exception


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
    seed = 0
    while seed < schedules:
        status, told = _ask("changed", mutant, seed, schedules)
        if status == UNABLE:
            return f"BROKEN: {told}", time.monotonic() - begun
        if status == KEPT:
            break
        seed = int(told.partition(" ")[0])
        if _ask("as it is", mutant, seed, seed + 1)[0] == KEPT:
            return f"seed {told}"[:140], time.monotonic() - begun
        seed += 1  # the program itself fails there: that proves nothing
    return "", time.monotonic() - begun


def _ask(program: str, mutant: Mutant, first: int, end: int) -> tuple[int, str]:
    """Runs schedules over the changed program, or the real one. Status, and the last line of what it said."""
    command = [sys.executable, "-m", "tests.simulation.hunt", program, mutant.name, str(first), str(end)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return BROKE, f"{first} or a later one never comes to an end"
    told = done.stderr if done.returncode not in (KEPT, BROKE) else done.stdout
    return done.returncode if done.returncode in (KEPT, BROKE) else UNABLE, told.strip().rpartition("\n")[2]


def _try(program: str, name: str, first: int, end: int) -> int:
    """In a process of its own: mutates the program first, imports it then."""
    [mutant] = [mutant for mutant in MUTANTS if mutant.name == name]
    if program == "changed":
        mutant.apply()
    from tests.simulation.schedule import draw
    from tests.simulation.shrink import verdict

    for seed in range(first, end):
        if why := verdict(draw(seed, mutant.kinds[seed % len(mutant.kinds)] if mutant.kinds else "")):
            print(f"{seed} {why.partition(chr(10))[0]}")
            return BROKE
    return KEPT


if __name__ == "__main__":
    sys.exit(_try(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
