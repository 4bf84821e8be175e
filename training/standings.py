"""The ranks themselves: every contestant is asked every prediction, on all cores, a few hundred at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from serving.ranking.sessions import Sessions
from training.contest import Contestant, Marks, Pools
from training.predictions import Predictions
from training.rounds import Round

#: Predictions asked at once: enough to fill a batch, few enough that memory stays small and a bar moves.
_PART: Final = 512

#: Who takes part, counted from these sessions.
Field = Callable[[Sessions], Sequence[Contestant]]
#: Told how many more predictions have been asked, and of how many in all.
Show = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Standings:
    """The rank of every target in every row, and of every pool what is told of it if the ranker took part."""

    rows: tuple[str, ...]
    ranks: NDArray[np.int32]  # (rows, n) from 1, or MISS
    pools: Pools | None

    def of(self, row: str) -> NDArray[np.int32]:
        ranks: NDArray[np.int32] = self.ranks[self.rows.index(row)]
        return ranks


def compete(
    predictions: Predictions, rounds: Iterable[Round], field: Field, threads: int, show: Show | None = None
) -> Standings:
    """The ranks of all predictions of all rounds, which together are each prediction once."""
    rows, sheets = tuple[str, ...](), list[_Sheet]()
    with ThreadPoolExecutor(threads) as crew:
        for each in rounds:
            contestants = field(each.counted)
            rows = tuple(row for contestant in contestants for row in contestant.rows)
            parts = [each.numbers[at : at + _PART] for at in range(0, len(each.numbers), _PART)]
            asked = crew.map(lambda part, by=contestants: _ask(predictions, part, by), parts)
            for sheet in asked:
                sheets.append(sheet)
                if show is not None:
                    show(len(sheet.numbers), len(predictions))
    return _ordered(rows, sheets)


@dataclass(frozen=True, slots=True)
class _Sheet:
    """What all contestants made of some predictions."""

    numbers: NDArray[np.int64]
    ranks: NDArray[np.int32]
    pools: Pools | None


def _ask(predictions: Predictions, numbers: NDArray[np.int64], contestants: Sequence[Contestant]) -> _Sheet:
    part = predictions.at(numbers)
    queries = list(part)
    marks: list[Marks] = [contestant.marks(queries, part.targets) for contestant in contestants]
    pools = next((each.pools for each in marks if each.pools is not None), None)
    return _Sheet(numbers, np.concatenate([each.ranks for each in marks]), pools)


def _ordered(rows: tuple[str, ...], sheets: Sequence[_Sheet]) -> Standings:
    """As the predictions stand, whatever rounds they were asked in."""
    order = np.argsort(np.concatenate([sheet.numbers for sheet in sheets]))
    pools = [sheet.pools for sheet in sheets if sheet.pools is not None]
    return Standings(
        rows,
        np.concatenate([sheet.ranks for sheet in sheets], axis=1)[:, order],
        Pools(
            np.concatenate([each.sizes for each in pools])[order],
            np.concatenate([each.brought for each in pools])[order],
            np.concatenate([each.listed for each in pools])[order],
        )
        if pools
        else None,
    )
