"""`scripts/simulate dht`: how far, how fast, how surely and how dearly members are found."""

from __future__ import annotations

import time
from statistics import fmean
from typing import TYPE_CHECKING

from tests.simulation_dht.virtual_time import run
from tests.simulation_dht.world import Plan, Tally, measure

if TYPE_CHECKING:
    import argparse


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lookups", type=int, default=100)
    parser.add_argument("--churn", type=float, default=0.0, help="of the nodes go without a word")
    parser.add_argument("--loss", type=float, default=0.0, help="of the datagrams are lost")
    parser.add_argument("--hostile", type=float, nargs="?", const=0.2, default=0.0, help="of the servers lie (0.2)")
    parser.add_argument("--aimed", type=int, default=0, help="liars more, in networks chosen to be near one topic")
    parser.add_argument("--tries", type=int, default=16, help="networks out of which each of these is chosen")


def simulate(options: argparse.Namespace) -> int:
    """Prints what came of it; 1 when more than one of a hundred searches found nobody."""
    plan = Plan(
        nodes=options.nodes,
        seed=options.seed,
        churn=options.churn,
        loss=options.loss,
        hostile=options.hostile,
        aimed=options.aimed,
        tries=options.tries,
        lookups=options.lookups,
        folders=1 if options.aimed else Plan().folders,
    )
    begun = time.monotonic()
    tally: Tally = run(measure(plan))
    for line in lines(plan, tally):
        print(line)
    print(f"{tally.datagrams} datagrams in {time.monotonic() - begun:.1f} s")
    return 1 if success(tally) < 0.99 or tally.answered_too_much or tally.in_tables else 0


def success(tally: Tally) -> float:
    """The share of searches that found somebody."""
    return sum(share > 0 for share in tally.found) / len(tally.found)


def lines(plan: Plan, tally: Tally) -> list[str]:
    return [
        f"{plan.nodes} nodes, {plan.clients:.0%} behind NATs, seed {plan.seed}, loss {plan.loss:.0%}, "
        f"churn {plan.churn:.0%}, hostile {plan.hostile:.0%}, aimed {plan.aimed}",
        f"success        {success(tally):.1%} find somebody; {fmean(tally.found):.1%} of all are found",
        f"first record   {_times(tally.first)}",
        f"whole search   {_times(tally.whole)}",
        f"hops           {fmean(tally.hops):.1f} on average, {max(tally.hops)} at most",
        f"questions      {fmean(tally.asked):.1f} a search",
        f"bytes          {fmean(tally.bytes) / 1000:.1f} kB a search, both ways",
        f"replicas       {fmean(tally.taken):.1f} honest nodes have a record; {tally.table:.0f} nodes in a table",
        f"refused        {tally.refuted} forged or stale records; {tally.in_tables} clients in tables; "
        f"{tally.answered_too_much} answers larger than three times their question",
    ]


def _times(seconds: list[float]) -> str:
    if not seconds:
        return "never"
    ordered = sorted(seconds)
    parts = (("median", 0.5), ("90 %", 0.9), ("worst", 1.0))
    return ", ".join(
        f"{name} {ordered[min(len(ordered) - 1, int(at * len(ordered)))] * 1000:.0f} ms" for name, at in parts
    )
