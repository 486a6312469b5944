"""`scripts/simulate`: runs schedules, tells the story of one that fails, and hunts the program's mutants."""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.simulation import hunt
from tests.simulation.play import Play
from tests.simulation.schedule import GENERATIONS, KINDS, Schedule, draw
from tests.simulation.shrink import shrink, story, verdict
from tests.simulation_dht import report as dht

if TYPE_CHECKING:
    from collections.abc import Iterator

SEEDS = Path(__file__).parent / "seeds"
CHUNK = 20  # seeds that a process takes at a time


def main() -> int:
    drawn = "; ".join(f"from {first} on: {', '.join(kinds)}" for first, kinds in reversed(GENERATIONS))
    parser = argparse.ArgumentParser("simulate", description="Tries to convict Swarm.")
    what = parser.add_subparsers(dest="what", required=True)
    folder = what.add_parser("folder", help="run schedules over the whole folder engine")
    folder.add_argument("--schedules", type=int, default=300)
    folder.add_argument("--seed", type=int, default=0, help=f"of the first one; {drawn}")
    folder.add_argument("--devices", type=int, default=0, choices=range(2, 9), metavar="2..8")
    folder.add_argument("--kind", choices=KINDS, default="")
    folder.add_argument("--jobs", type=int, default=1, help="processes that run schedules")
    folder.add_argument("--trace", action="store_true", help="print all that happened")
    folder.add_argument("--keep-going", action="store_true", help="after a failure, without shrinking it")
    folder.add_argument("--store", metavar="NAME", help="keep the shrunk schedule as a test")
    stored = what.add_parser("stored", help="tell the story of a stored schedule")
    stored.add_argument("name")
    mutants = what.add_parser("mutants", help="change the program, and see that it is convicted; 1 if it is not")
    mutants.add_argument("--only", default="")
    mutants.add_argument("--schedules", type=int, default=400)
    dht.add_options(what.add_parser("dht", help="nodes of the DHT that look for each other"))
    mutants.add_argument(
        "--drawn", action="store_true", help="by drawn schedules alone, not by what is aimed or stored"
    )
    arguments = parser.parse_args()
    if arguments.what == "dht":
        return dht.simulate(arguments)
    if arguments.what == "mutants":
        return hunt.hunt(arguments.only, arguments.schedules, arguments.drawn)
    if arguments.what == "stored":
        print(story(Schedule.from_json(json.loads((SEEDS / f"{arguments.name}.json").read_text()))))
        return 0
    return _folder(arguments)


def _folder(arguments: argparse.Namespace) -> int:
    begun = time.monotonic()
    failed = 0
    for seed, why in _verdicts(arguments):
        if arguments.trace:
            print("\n".join(_trace(draw(seed, arguments.kind, arguments.devices))))
        if not why:
            continue
        failed += 1
        schedule = draw(seed, arguments.kind, arguments.devices)
        print(f"seed {seed} ({schedule.kind}): {why[:400]}", flush=True)
        if not arguments.keep_going:
            small = shrink(schedule)
            print(f"\nThe story, shrunk from {len(schedule.steps)} steps to {len(small.steps)}:\n{story(small)}")
            if arguments.store:
                SEEDS.mkdir(exist_ok=True)
                small = replace(small, story=why.partition("\n")[0][:300])
                (SEEDS / f"{arguments.store}.json").write_text(json.dumps(small.to_json(), indent=1) + "\n")
            break
    print(f"{arguments.schedules} schedules, {failed} failed, {time.monotonic() - begun:.1f} s")
    return 1 if failed else 0


def _verdicts(arguments: argparse.Namespace) -> Iterator[tuple[int, str]]:
    """Each seed and its verdict, in the order of seeds."""
    seeds = range(arguments.seed, arguments.seed + arguments.schedules)
    judge = partial(_verdict, kind=arguments.kind, devices=arguments.devices)
    if arguments.jobs == 1:
        yield from zip(seeds, map(judge, seeds), strict=True)
        return
    pool = ProcessPoolExecutor(arguments.jobs)
    try:
        yield from zip(seeds, pool.map(judge, seeds, chunksize=CHUNK), strict=True)
    finally:  # also after the first that failed, when nobody asks for the others
        pool.shutdown(cancel_futures=True)


def _verdict(seed: int, kind: str, devices: int) -> str:
    return verdict(draw(seed, kind, devices))


def _trace(schedule: Schedule) -> list[str]:
    play = Play(schedule)
    try:
        play.run()
    except Exception as error:
        play.world.trace.append(f"{type(error).__name__}: {error}")
    return play.world.trace


if __name__ == "__main__":
    sys.exit(main())
