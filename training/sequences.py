"""Files that have sessions and no clock: a session a line, or a prediction a line, their items separated by blanks.

Their events get times laid out evenly over 30 days, in the order of the lines, so that what decays with time has
something to go by.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import polars as pl

from training.lines import Hash, Lines, count

_BEGIN_MS: Final = 1_600_000_000_000
_SPAN_MS: Final = 30 * 86_400_000


class Layout(StrEnum):
    """What the lines of a file are."""

    EVENTS = "events"
    SESSIONS = "sessions"
    #: A prefix, a tab, the next item. Consecutive lines whose prefixes shrink by one are one session.
    SAMPLES = "samples"


@dataclass(frozen=True, slots=True)
class Sequences:
    """The events of one file. UsageError at once when there is none."""

    path: Path
    layout: Layout
    faults: Counter[str]
    hashed: Hash | None = None

    def __post_init__(self) -> None:
        Lines(self.path, self.faults)

    def lines(self) -> int:
        """How many there are: the share of the 30 days that the file takes."""
        return sum(map(len, Lines(self.path, Counter())))

    def read(self, before: int, total: int) -> Iterator[pl.DataFrame]:
        """Blocks of events, `within` a row one after another, as `before` lines of `total` stand in earlier files."""
        last = ""
        for lines in Lines(self.path, self.faults, self.hashed):
            numbered = lines.with_columns(pl.int_range(before, before + len(lines)).alias("line"))
            before += len(lines)
            if self.layout is Layout.SAMPLES:
                numbered, last = self._longest(numbered, last)
            listed = numbered.select(
                "row",
                pl.format("line-{}", "line").alias("session_id"),
                (_BEGIN_MS + pl.col("line") * _SPAN_MS // total).alias("ts"),
                pl.col("text").str.extract_all(r"\S+").alias("item_id"),
            )
            within = pl.int_ranges(pl.col("item_id").list.len()).alias("within")
            yield listed.with_columns(within).explode("item_id", "within")

    def _longest(self, lines: pl.DataFrame, last: str) -> tuple[pl.DataFrame, str]:
        """Of each session's predictions the first and longest, which holds the others; and the last prefix."""
        parts = lines["text"].str.split_exact("\t", 2).struct.unnest()
        prefix, following = _spaced(parts["field_0"]), _spaced(parts["field_1"])
        single = parts["field_2"].is_null() & following.str.contains("^[^ ]+$") & (prefix != "")
        good = single.fill_null(value=False)
        count(self.faults, cells=len(lines) - int(good.sum()))
        prefix, whole = prefix.filter(good), (prefix + " " + following).filter(good)
        earlier = pl.concat([pl.Series([last]), prefix]).head(len(prefix))
        longest = lines.filter(good).with_columns(whole.alias("text")).filter(whole != earlier)
        return longest, prefix[-1] if len(prefix) else last


def _spaced(text: pl.Series) -> pl.Series:
    return text.str.strip_chars().str.replace_all(r"\s+", " ")
