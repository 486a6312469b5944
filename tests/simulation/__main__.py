"""`scripts/simulate`: runs schedules, tells the story of one that fails, and hunts the program's mutants."""

from __future__ import annotations

import argparse
import sys
import time
import traceback

from tests.simulation.schedule import KINDS, Play, draw


def main() -> int:
    parser = argparse.ArgumentParser("simulate")
    parser.add_argument("what", choices=("folder",))
    parser.add_argument("--schedules", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--devices", type=int, default=0)
    parser.add_argument("--kind", choices=KINDS, default="")
    parser.add_argument("--trace", action="store_true")
    parser.add_argument("--keep-going", action="store_true")
    arguments = parser.parse_args()
    begun = time.monotonic()
    failed = 0
    for seed in range(arguments.seed, arguments.seed + arguments.schedules):
        play = Play(draw(seed, arguments.kind, arguments.devices))
        try:
            play.run()
        except Exception as error:
            failed += 1
            print(f"seed {seed} ({play.schedule.kind}): {type(error).__name__}: {str(error)[:1500]}")
            if arguments.trace:
                print("\n".join(play.world.trace))
                traceback.print_exc()
            if not arguments.keep_going:
                break
        else:
            if arguments.trace:
                print("\n".join(play.world.trace))
    print(f"{arguments.schedules} schedules, {failed} failed, {time.monotonic() - begun:.1f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
