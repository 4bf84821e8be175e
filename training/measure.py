"""What training can say of its own bundle: measured on sessions of the fusion period that nothing was fitted on."""

from __future__ import annotations

from dataclasses import replace

from training.evaluate import Evaluation, Switches, Trained, evaluate
from training.field import Field
from training.judging import Judging
from training.learning import Learned
from training.listwise import HELD_OUT
from training.predictions import Predictions


def measured(learned: Learned, threads: int) -> Evaluation | None:
    """None where there was no fusion period, or nothing to foretell in what was kept back of it."""
    if learned.base is None:
        return None
    base, period = learned.base, learned.split.period
    test = period.where(period.owners % HELD_OUT == 0)
    if not len(Predictions.of(test)):
        return None
    snapshot = learned.split.base
    trained = Trained(
        "before the fusion period",
        snapshot,
        int(snapshot.times.max(initial=0)),
        tuple(base.sources),
        base.options.drop_last_item,
    )
    field = Field(Judging(base, learned.base_blind), snapshot)
    evaluation = evaluate(test, trained, field, Switches(allow_overlap=True), threads)
    held_out = "the sessions of the fusion period that the correction was not learned from, ranked before the refit"
    # That nothing was fitted on them is how they were chosen, and no switch of anybody's.
    protocol = {name: told for name, told in evaluation.protocol.items() if name != "allow_overlap"}
    return replace(evaluation, protocol={**protocol, "sessions": held_out})
