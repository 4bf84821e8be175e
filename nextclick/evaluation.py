"""An evaluation as people read it: the table, what the fusion is ahead by, the pool, and under which protocol."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from rich.table import Table

from nextclick.terminal import console, plain

if TYPE_CHECKING:
    from training.evaluate import Evaluation
    from training.figures import Figures, Reach

_METRICS: Final = ("hit_rate@10", "hit_rate@20", "hit_rate@30", "mrr@20", "ndcg@20")
#: With these the difference between two rows is told: where there is more, it is in --json.
_TOLD: Final = ("hit_rate@20", "mrr@20", "ndcg@20")


def draw(evaluation: Evaluation, seconds: float, peak_bytes: int) -> None:
    screen = console()
    screen.print(_rows(evaluation))
    if evaluation.differences:
        screen.print(_differences(evaluation))
    if evaluation.pool is not None:
        screen.print(_pool(evaluation.pool))
    for line in _protocol(evaluation):
        screen.print(plain(line), markup=False)
    screen.print(f"{seconds:.1f} s, at most {peak_bytes / 2**20:,.0f} MiB of memory")


def _rows(evaluation: Evaluation) -> Table:
    drawn = _table("row", *_METRICS)
    for row, figures in evaluation.rows.items():
        drawn.add_row(row, *(f"{figures.values[metric]:.4f} {_half(figures, metric)}" for metric in _METRICS))
    return drawn


def _half(figures: Figures, metric: str) -> str:
    low, high = figures.intervals[metric]
    return f"[dim]±{(high - low) / 2:.4f}[/]"


def _differences(evaluation: Evaluation) -> Table:
    """In points of a hundred; bold where the interval does not hold 0."""
    drawn = _table(f"{evaluation.differences[0].row} minus", *_TOLD)
    for lead in evaluation.differences:
        drawn.add_row(lead.minus, *(_points(lead.figures, metric) for metric in _TOLD))
    return drawn


def _points(figures: Figures, metric: str) -> str:
    (low, high), value = figures.intervals[metric], figures.values[metric]
    told = f"{value * 100:+.2f}"
    return f"{f'[bold]{told}[/]' if low > 0 or high < 0 else told} [dim]{low * 100:+.2f} to {high * 100:+.2f}[/]"


def _pool(pool: Reach) -> Table:
    drawn = _table(f"pool: recall@200 {pool.recall:.4f}, {pool.mean_size:.0f} items", "brought", "first", "alone")
    for source, share in pool.sources.items():
        drawn.add_row(source, f"{share.brought:.4f}", f"{share.first:.4f}", f"{share.alone:.4f}")
    return drawn


def _table(*heads: str) -> Table:
    drawn = Table(*heads[:1], box=None, pad_edge=False)
    for head in heads[1:]:
        drawn.add_column(head, justify="right")
    return drawn


def _protocol(evaluation: Evaluation) -> Iterator[str]:
    from training.protocol import sentences

    yield "Rows are shares of 1, ± half a 95 % interval: hit_rate@20 is how often the next item is in the first 20."
    if evaluation.differences:
        yield "Differences are in points of a hundred, and bold where chance alone does not explain them."
    unknown = f"{evaluation.unseen:.2%} of the targets and {evaluation.unknown_last:.2%} of the last items"
    yield f"{evaluation.predictions:,} predictions; the bundle does not know {unknown}."
    yield from sentences(evaluation.protocol)
