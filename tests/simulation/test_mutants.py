"""The mutants themselves: that there are enough, that each still has its place, and that a hunt can fail."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.simulation import hunt
from tests.simulation.mutants import MUTANTS

if TYPE_CHECKING:
    from tests.simulation.mutant import Mutant

ENOUGH = 30


def test_there_are_enough_mutants_and_each_has_a_name() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= ENOUGH


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_has_its_place_and_is_a_program(mutant: Mutant) -> None:
    spec = importlib.util.find_spec(mutant.module)
    assert spec is not None
    assert spec.origin is not None
    compile(mutant.change(Path(spec.origin).read_text(encoding="utf-8")), spec.origin, "exec")


def test_a_mutant_that_breaks_a_promise_is_convicted() -> None:
    assert hunt.hunt("removes for good", 0) == 0


def test_a_hunt_says_so_when_a_mutant_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hunt, "_ask", lambda *_: (hunt.KEPT, ""))
    assert hunt.hunt("removes for good", 0) == 1


def test_a_mutant_that_cannot_be_tried_counts_as_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [(hunt.KEPT, ""), (hunt.UNABLE, "its piece is gone")]
    monkeypatch.setattr(hunt, "_ask", lambda *_: answers.pop(0))
    assert hunt.hunt("removes for good", 0) == 1


def test_what_the_real_program_fails_as_well_convicts_no_mutant(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def ask(program: str, mutant: Mutant, first: int, end: int) -> tuple[int, str]:
        asked.append((program, first))
        if program == "as it is" and first < 0:
            return hunt.KEPT, ""
        return hunt.BROKE, f"{max(first, 0)} Conviction: anything"

    monkeypatch.setattr(hunt, "_ask", ask)
    assert hunt.hunt("removes for good", 3) == 1
    assert asked == [
        ("as it is", -1),
        ("changed", -1),
        ("as it is", 0),
        ("changed", 1),
        ("as it is", 1),
        ("changed", 2),
        ("as it is", 2),
    ]
