"""Shrinking: takes out of a failing schedule whatever it fails without, and tells what is left as a story."""

from __future__ import annotations

import time
import traceback
from dataclasses import fields, replace
from typing import TYPE_CHECKING

from swarm.sync.files import Traits
from tests.simulation.play import Play
from tests.simulation.schedule import TRAITS

if TYPE_CHECKING:
    from tests.simulation.schedule import Schedule, Step

NOTES = 40  # lines at the end of which a story keeps what devices say


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
    """Who did what when, in order, and how it ended: steps at the margin, what the devices made of them further in."""
    play = Play(schedule)
    try:
        play.run()
    except Exception as error:
        end = f"Then {type(error).__name__}: {error}"[:1500]
    else:
        end = "And all is well."
    return "\n".join([_cast(schedule), *_told(play.world.trace), end])


def _cast(schedule: Schedule) -> str:
    usual = Traits()
    cast = [f"{schedule.devices} devices, seed {schedule.seed} of kind {schedule.kind}."]
    for number, chosen in enumerate(schedule.traits):
        if chosen >= 0:
            odd = [
                f"{field.name} {getattr(TRAITS[chosen], field.name)}"
                for field in fields(Traits)
                if getattr(TRAITS[chosen], field.name) != getattr(usual, field.name)
            ]
            cast.append(f"The disk of dev{number}: {', '.join(odd)}.")
    return " ".join(cast)


def _told(trace: list[str]) -> list[str]:
    """Every step; of what the devices say as much as leads to the end."""
    told: list[str] = []
    left_out = 0
    for number, line in enumerate(trace):
        is_step = ": * " in line
        if not is_step and number < len(trace) - NOTES:
            left_out += 1
            continue
        if left_out:
            told.append(f"{'':14}... {left_out} notes of devices")
            left_out = 0
        told.append(line.replace(": * ", ": ") if is_step else f"{'':14}{line.lstrip()}")
    return told
