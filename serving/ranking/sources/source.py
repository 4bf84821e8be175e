"""The contract of a candidate source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from serving.ranking.past import Past
from serving.ranking.query import Query

Arrays = Mapping[str, NDArray[Any]]

#: `because` of a candidate that no item of the session speaks for.
NOBODY: Final = -1


@dataclass(frozen=True, slots=True)
class Candidates:
    """Best first, each item once; equal scores by index, which is the order of the item ids."""

    ids: NDArray[np.int32]
    scores: NDArray[np.float32]
    #: The session's item that speaks most for each, NOBODY where none does.
    because: NDArray[np.int32]


class Brings(Protocol):
    """What a pool asks of a source."""

    name: ClassVar[str]

    def candidates(self, query: Query, limit: int) -> Candidates:
        """At most `limit`, in time that does not depend on the catalogue; an empty session is allowed."""


class Source(Brings, Protocol):
    #: What its ranks weigh where the sources choose the pool, and where they order a list that no model orders.
    quota: ClassVar[int]
    weight: ClassVar[float]
    #: Made anew as clicks come in. What is not is learned with the model and stays until the next one.
    counted: ClassVar[bool]

    @classmethod
    def fit(cls, past: Past) -> Self:
        """What the past teaches. Keyword parameters may follow, each with the value that serves most shops."""

    @classmethod
    def read(cls, arrays: Arrays, catalogue: int) -> Self:
        """What `arrays` gave, kept as they are: views of files that other processes share, never copied.

        Raises ValueError, naming the array, when they cannot be a source of this catalogue; KeyError with the name
        of one that is missing.
        """

    def arrays(self) -> Arrays: ...
