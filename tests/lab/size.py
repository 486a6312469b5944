"""How much the lab tries: every day a few of everything, and with $SWARM_LAB_SIZE, as `scripts/lab` sets it, all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")

WHOLE = os.environ.get("SWARM_LAB_SIZE", "small") != "small"


whole = pytest.mark.skipif(not WHOLE, reason="scripts/lab full tests/lab does this")


def some(everything: Iterable[T], few: Iterable[T]) -> list[T]:
    """Every day `few` of them."""
    return list(everything if WHOLE else few)
