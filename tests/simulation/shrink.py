"""Shrinking: takes out of a failing schedule whatever it fails without, and tells what is left as a story."""

from __future__ import annotations

import time
import traceback
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.simulation.oracle import Conviction
from tests.simulation.play import Play
from tests.simulation.schedule import describe
from tests.simulation.world import Spinning, Unsettled

if TYPE_CHECKING:
    from tests.simulation.schedule import Schedule, Step

KNOWN = (Conviction, Unsettled, Spinning)


def verdict(schedule: Schedule) -> str:
    """ "" for a run in which all promises were kept, else what went wrong, its kind first."""
    return _judgement(schedule)[0]


def _judgement(schedule: Schedule) -> tuple[str, str]:
    """What went wrong, and the line of code that found it: one promise broken is not another, though both convict."""
    try:
        Play(schedule).run()
    except Exception as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.name != "convict"]
        return f"{type(error).__name__}: {error}", f"{frames[-1].name}:{frames[-1].lineno}"
    return "", ""


def shrink(schedule: Schedule, seconds: float = 60.0) -> Schedule:
    """The smallest schedule found that still fails in the same way."""
    where = _judgement(schedule)[1]
    if not where:
        return schedule
    end = time.monotonic() + seconds

    def fails(steps: tuple[Step, ...]) -> bool:
        return _judgement(replace(schedule, steps=steps))[1] == where

    steps = schedule.steps
    size = max(1, len(steps) // 2)
    while size:
        start = 0
        while start < len(steps) and time.monotonic() < end:
            fewer = steps[:start] + steps[start + size :]
            if fails(fewer):
                steps = fewer
            else:
                start += size
        size //= 2
    for at, step in enumerate(steps):
        for simpler in (replace(step, calls=0), replace(step, size=min(step.size, 20))):
            if simpler != step and time.monotonic() < end:
                tried = (*steps[:at], simpler, *steps[at + 1 :])
                if fails(tried):
                    steps = tried
                    step = simpler
    return replace(schedule, steps=steps)


def story(schedule: Schedule) -> str:
    """Who did what when, and how it ended."""
    play = Play(schedule)
    try:
        play.run()
    except Exception as error:
        end = f"{type(error).__name__}: {error}"
    else:
        end = "and all is well"
    lines = [f"{schedule.devices} devices, seed {schedule.seed}, traits {schedule.traits or 'as usual'}"]
    lines += [f"{when:8.3f} dev{step.device}: {describe(step)}" for when, step in play.done]
    lines += ["what the devices did at the end:", *(f"    {line}" for line in play.world.trace[-20:])]
    return "\n".join([*lines, end[:1500]])
