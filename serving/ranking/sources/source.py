"""The contract of a candidate source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from serving.ranking.sessions import Sessions

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Candidates:
    """Best first, each item once; equal scores by index, which is the order of the item ids."""

    ids: NDArray[np.int32]
    scores: NDArray[np.float32]
    #: The session's item that speaks most for each, -1 where none does.
    because: NDArray[np.int32]


class Source(Protocol):
    name: ClassVar[str]

    @classmethod
    def fit(cls, sessions: Sessions) -> Self: ...

    @classmethod
    def read(cls, arrays: Arrays, catalogue: int) -> Self:
        """What `arrays` gave. Raises ValueError, naming the array, when they cannot be a source of this catalogue."""

    def arrays(self) -> Arrays: ...

    def candidates(self, session: Sequence[int], limit: int) -> Candidates:
        """At most `limit` for a session of known items, oldest first; an empty session is allowed."""
