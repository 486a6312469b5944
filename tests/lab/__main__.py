"""`scripts/lab nat`: every pair of NATs with real daemons, and a table of routes and times."""

from __future__ import annotations

import sys
import tempfile
import time
from itertools import combinations_with_replacement
from pathlib import Path

from tests.lab import internet, wire
from tests.lab.meeting import DIRECT, PUNCHED_WITHIN, Met, meet, pair, sync
from tests.lab.nat import Kind, can_punch


def main() -> int:
    if not wire.available() or not internet.available():
        print("the NAT lab needs root on Linux, and nft of the package nftables", file=sys.stderr)
        return 2
    only = {Kind(name) for name in sys.argv[1:]} or set(Kind)
    pairs = [both for both in combinations_with_replacement(Kind, 2) if only >= set(both)]
    print(f"{'':10}{'':10}  {'should be':9}  {'is':14}  {'connected':>9}  {'best after':>10}  {'in step':>7}")
    failures = 0
    for one, other in pairs:
        expected = "direct" if can_punch(one, other) else "relayed"
        begun = time.monotonic()
        try:
            met, synced = _try(one, other)
        except (AssertionError, OSError) as error:
            failures += 1
            print(f"{one.value:10}{other.value:10}  {expected:9}  failed: {str(error)[:200]}", flush=True)
            continue
        good = met.route in DIRECT and met.best < PUNCHED_WITHIN if expected == "direct" else met.route == "relayed"
        failures += not good
        how = f"{met.route} {met.via}".strip()
        best = f"{met.best:8.2f} s" if met.route in DIRECT else "-"
        times = f"{met.connected:7.2f} s  {best:>10}  {synced:5.2f} s"
        verdict = "" if good else "  NOT AS IT SHOULD BE"
        took = time.monotonic() - begun
        print(f"{one.value:10}{other.value:10}  {expected:9}  {how:14}  {times}{verdict}  ({took:.0f} s)", flush=True)
    print(f"{len(pairs) - failures} of {len(pairs)} pairs as they should be")
    return 1 if failures else 0


def _try(one: Kind, other: Kind) -> tuple[Met, float]:
    made = wire.Wire()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="swlab") as base,
            pair(internet.Internet(made), Path(base), one, other) as two,
        ):
            met = meet(two)
            begun = time.monotonic()
            sync(two)
            return met, time.monotonic() - begun
    finally:
        made.remove()


if __name__ == "__main__":
    sys.exit(main())
