"""All that is told of a bundle."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.bundle import Manifest
from training.evaluate import Evaluation
from training.learning import Curves
from training.profile import Profile
from training.report.atlas import Atlas


@dataclass(frozen=True, slots=True)
class Facts:
    """Values alone: the same facts make the same page."""

    #: But for its documents, which are made from this.
    manifest: Manifest
    #: None where too little was learned from to keep anything back for measuring.
    evaluation: Evaluation | None
    curves: Curves
    profile: Profile
    #: None where there are too few items for a map.
    atlas: Atlas | None

    @property
    def left_out(self) -> int:
        """Sessions that there was no time for."""
        return int(self.manifest.parameters.get("sessions_left_out_by_max_minutes", 0))
