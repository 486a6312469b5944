"""The ignore rules of this device alone, in .swarm/ignore of a shared folder."""

from __future__ import annotations

import os

from swarm.sync.files import OURS

NAME = "ignore"  # below .swarm
MAX_RULES = 64 << 10  # bytes of it that are read


def device_rules(root: str) -> str:
    """Their text; "" where there are none, or none that can be read."""
    try:
        with open(os.path.join(root, OURS, NAME), encoding="utf-8", errors="replace") as file:
            return file.read(MAX_RULES)
    except OSError:
        return ""
