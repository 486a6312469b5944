"""The hunt: each mutant of the program in a process of its own, until something that is aimed, stored or drawn convicts
it.

Nothing convicts that the real program fails as well. A mutant that cannot be applied counts as escaped: it proves
nothing.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from tests.simulation.mutants import MUTANTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.simulation.mutant import Mutant

AT_ONCE = 2  # processes; the machine may be small
CPU_SECONDS = 20.0  # for one scenario or schedule; the longest takes 2
TIMEOUT = 1200.0  # seconds for one run of many
KEPT, BROKE, UNABLE = 0, 3, 1  # exit statuses: all promises kept, one broken, Python's own for an exception
STORED = sorted((Path(__file__).parent / "seeds").glob("*.json"))
AIMED = sorted(path.stem for path in Path(__file__).parent.glob("test_aimed_*.py"))


class NoEnd(AssertionError):
    """It took longer than anything may."""


def hunt(only: str, schedules: int, drawn: bool = False) -> int:
    """Prints a table; returns 1 when a mutant got away. `drawn`: by drawn schedules alone."""
    begun = time.monotonic()
    chosen = [mutant for mutant in MUTANTS if only in ("", mutant.name)]
    if not chosen:
        print(f"There is no mutant called {only!r}.")
        return 1
    status, told = (KEPT, "") if drawn else _ask("as it is", chosen[0], -1, 0)
    if status != KEPT:
        print(f"The program as it is fails what is aimed or stored: {told}")
        return 1
    with ThreadPoolExecutor(AT_ONCE) as pool:
        escaped = 0
        for mutant, (how, seconds) in zip(chosen, pool.map(lambda m: _chase(m, schedules, drawn), chosen), strict=True):
            escaped += not how
            print(f"{mutant.name:40} {seconds:4.0f} s  {how or 'ESCAPED: ' + mutant.what}", flush=True)
    print(f"{len(chosen)} mutants, {escaped} escaped, {time.monotonic() - begun:.0f} s")
    return 1 if escaped else 0


def _chase(mutant: Mutant, schedules: int, drawn: bool) -> tuple[str, float]:
    """How it was convicted, or ""; and seconds."""
    begun = time.monotonic()
    seed = 0 if drawn else -1  # which stands for the aimed scenarios
    while seed < schedules:
        status, told = _ask("changed", mutant, seed, schedules)
        if status == UNABLE:
            print(f"{mutant.name} cannot be tried: {told}", flush=True)
            break
        if status == KEPT:
            break
        at, _, why = told.partition(" ")
        if at in ("aimed", "stored"):
            return f"{at}: {why}"[:150], time.monotonic() - begun
        seed = int(at)
        if _ask("as it is", mutant, seed, seed + 1)[0] == KEPT:
            return f"schedule {seed} of {mutant.kinds or 'all'}: {why}"[:150], time.monotonic() - begun
        seed += 1  # the program itself fails there: that proves nothing
    return "", time.monotonic() - begun


def _ask(program: str, mutant: Mutant, first: int, end: int) -> tuple[int, str]:
    """Runs schedules over the changed program, or the real one; from -1 on the aimed scenarios and what is stored too.
    Status, and the last line of what it said."""
    command = [sys.executable, "-m", "tests.simulation.hunt", program, mutant.name, str(first), str(end)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return UNABLE, f"{TIMEOUT:.0f} s were not enough"
    told = done.stderr if done.returncode not in (KEPT, BROKE) else done.stdout
    return done.returncode if done.returncode in (KEPT, BROKE) else UNABLE, told.strip().rpartition("\n")[2]


def _try(program: str, name: str, first: int, end: int) -> int:
    """In a process of its own: mutates the program first, imports it then."""
    [mutant] = [mutant for mutant in MUTANTS if mutant.name == name]
    if program == "changed":
        mutant.apply()
    from tests.simulation.play import Play
    from tests.simulation.schedule import Schedule, draw

    signal.signal(signal.SIGVTALRM, _too_long)
    if first < 0:
        for scenario in _aimed():
            if why := _fault(scenario):
                print(f"aimed {scenario.__name__}: {why}")
                return BROKE
        for path in STORED:
            if why := _fault(Play(Schedule.from_json(json.loads(path.read_text()))).run):
                print(f"stored {path.stem}: {why}")
                return BROKE
    for seed in range(max(first, 0), end):
        play = Play(draw(seed, mutant.kinds[seed % len(mutant.kinds)] if mutant.kinds else ""))
        if why := _fault(play.run):
            print(f"{seed} {why}")
            return BROKE
    return KEPT


def _aimed() -> Iterator[Callable[[], None]]:
    """The scenarios that the real program passes."""
    scenarios = [item for name in AIMED for item in vars(import_module(f"tests.simulation.{name}")).items()]
    for name, scenario in scenarios:
        if name.startswith("test_") and not any(mark.name == "xfail" for mark in getattr(scenario, "pytestmark", ())):
            yield scenario


def _fault(run: Callable[[], None]) -> str:
    """In one line; "" where all promises were kept."""
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS)
    try:
        run()
    except Exception as error:
        if type(error).__name__ == "Missed":
            return ""  # the moment never came, so that nothing was tried
        why = str(error).strip().partition("\n")[0] or traceback.extract_tb(error.__traceback__)[-1].line
        return f"{type(error).__name__}: {why}"
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return ""


def _too_long(number: int, frame: object) -> None:
    raise NoEnd(f"not done after {CPU_SECONDS:.0f} s of computing")


if __name__ == "__main__":
    sys.exit(_try(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
