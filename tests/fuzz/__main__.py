"""`scripts/fuzz TARGET --packets N --seed S`: attacks a real program on loopback, and prints what came of it."""

from __future__ import annotations

import argparse
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from tests.fuzz.attack import Overrun, attack
from tests.fuzz.streams import attack_streams

TARGETS = ("node", "relay", "dht")  # each a module of this directory with running(base), a context with a Target


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--packets", type=int, default=100_000)
    parser.add_argument("--streams", type=int, default=0, help="connections over TCP after that, not for the DHT")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    running = import_module(f"tests.fuzz.{options.target}").running
    with tempfile.TemporaryDirectory(prefix="swfuzz") as base, running(Path(base)) as target:
        try:
            print(f"{options.target}: {attack(target, options.packets, options.seed)}", flush=True)
            if options.streams:
                secure, growth = attack_streams(target, options.streams, options.seed)
                print(f"{options.target}: {secure} of {options.streams} over TLS; memory {growth / 2**20:+.1f} MiB")
        except Overrun as overrun:
            print(f"{options.target}: {overrun}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
