"""What a source is fitted on: the sessions of a log, the table of their items, and these items' vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serving.ranking.sessions import Sessions
from serving.ranking.table import Table


@dataclass(frozen=True, slots=True)
class Past:
    sessions: Sessions
    table: Table
    #: (items, d) of length 1, once there is a model that has learned them.
    vectors: NDArray[np.float16] | None = None
