"""The documents that go with a bundle."""

from __future__ import annotations

import numpy as np

from schemas.bundle import Manifest
from serving.ranking.past import Past
from training.evaluate import Evaluation
from training.learning import Learned
from training.profile import Profile
from training.report.atlas import Atlas
from training.report.card import card
from training.report.facts import Facts
from training.report.page import page


def documents(manifest: Manifest, evaluation: Evaluation | None, learned: Learned, learnt: Past) -> dict[str, bytes]:
    """By the name of the file. `manifest` is all but finished: it has yet to name these."""
    sessions, table = learnt.sessions, learnt.table
    touched = np.bincount(sessions.items, minlength=len(table))
    told = Facts(
        manifest=manifest,
        evaluation=evaluation,
        curves=learned.curves,
        profile=Profile.of(sessions, table),
        atlas=Atlas.of(learned.network.items, touched, table),
    )
    return {"report.html": page(told).encode(), "MODEL_CARD.md": card(told).encode()}
