"""How much work a preset puts in. Both make the same architecture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from training.fitting import Lessons

Preset = Literal["fast", "full"]


@dataclass(frozen=True, slots=True)
class Plan:
    #: Of the transformer: on what lies before the fusion period, then once more on everything.
    base: Lessons
    refit: Lessons
    #: Predictions that the correction is learned from, and how many learn before the one that is kept.
    rehearsed: int
    tutors: int
    #: How often the counts are made again within the fusion period.
    refreshes: int


PLANS: Final[dict[Preset, Plan]] = {
    "full": Plan(Lessons(epochs=5, steps=450), Lessons(epochs=2, steps=250), rehearsed=40_000, tutors=3, refreshes=4),
    "fast": Plan(Lessons(epochs=2, steps=390), Lessons(epochs=1, steps=250), rehearsed=15_000, tutors=0, refreshes=1),
}
