"""The events of a log in as few bytes as they need, a part at a time; a session is whole within its part.

A short log stays in memory. A long one lies in temporary files, by the hash of its session, so that what is
done session by session takes no more memory for a hundred million events than for one million.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from schemas.errors import DataError
from training.fields import TYPES

#: One event. Sessions and event ids are 64 bits of hash: among a billion, two alike have a chance of 3 %.
RECORD: Final = np.dtype(
    [
        ("session", np.uint64),
        ("row", np.int64),  # among all events of the log
        ("ts", np.int64),
        ("event", np.uint64),
        ("item", np.uint32),
        ("type", np.uint8),
        ("consent", np.bool_),
    ]
)
#: The item of an impression that showed several.
NO_ITEM: Final = 2**32 - 1

#: Events kept in memory: some 80 MB.
_HELD_MAX: Final = 2_000_000
_PARTS_BITS: Final = 6
_MINUTE_MS: Final = 60_000


class Spool:
    """Filled once, read as often as needed, part by part; its files are gone when it is closed."""

    def __init__(self, frames: Iterable[pl.DataFrame]) -> None:
        self.events = 0
        self.types: Counter[str] = Counter()
        #: Some of the events have ids of their own.
        self.named = False
        self.first_ts = 2**63 - 1
        self.last_ts = 0
        self._minutes = 0
        # Polars forgets the codes when the last column that has them is gone, so one stays.
        self._codes = pl.Series("item", [], dtype=pl.Categorical(pl.Categories.random()))
        self._held: list[NDArray[np.void]] = []
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        try:
            for frame in frames:
                self._add(self._records(frame))
        except OSError as error:
            self.close()
            detail = f"{error}; a log so long needs {RECORD.itemsize} bytes an event in {tempfile.gettempdir()}"
            raise DataError("unwritable", f"{detail}: make room there, or name another place in TMPDIR") from error
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._held = []
        if self._directory is not None:
            self._directory.cleanup()

    @property
    def coarse(self) -> bool:
        """Whether times are told to the minute, or coarser: most of them are whole minutes."""
        return self._minutes * 2 > self.events

    def __iter__(self) -> Iterator[NDArray[np.void]]:
        """The parts; within each, events are in the order of their rows."""
        if self._directory is None:
            yield np.concatenate(self._held) if self._held else np.empty(0, RECORD)
            return
        for path in sorted(Path(self._directory.name).iterdir()):
            yield np.fromfile(path, RECORD)

    def ids(self, items: NDArray[np.uint32]) -> list[str]:
        """What the log calls these items."""
        codes = pl.Series("item", items, dtype=pl.UInt32).to_frame()
        found: list[str] = codes.select(pl.col("item").cat.to(self._codes.dtype).cast(pl.String)).to_series().to_list()
        return found

    def _records(self, frame: pl.DataFrame) -> NDArray[np.void]:
        made = np.empty(len(frame), RECORD)
        made["session"] = frame["session_id"].hash().to_numpy()
        made["row"] = np.arange(self.events, self.events + len(frame))
        made["ts"] = frame["ts"].to_numpy()
        made["item"] = frame["item_id"].cast(self._codes.dtype).to_physical().fill_null(NO_ITEM).to_numpy()
        made["type"] = frame["type"].to_numpy()
        made["consent"] = frame["consent"].to_numpy()
        # An event without an id is like no other.
        made["event"] = pl.Series(made["row"]).hash(seed=1).to_numpy()
        if "event_id" in frame.columns:
            given = frame["event_id"].is_not_null().to_numpy()
            made["event"][given] = frame["event_id"].hash().to_numpy()[given]
            self.named = True
        return made

    def _add(self, records: NDArray[np.void]) -> None:
        self.events += len(records)
        self.first_ts = min(self.first_ts, int(records["ts"].min(initial=self.first_ts)))
        self.last_ts = max(self.last_ts, int(records["ts"].max(initial=self.last_ts)))
        self._minutes += int(np.count_nonzero(records["ts"] % _MINUTE_MS == 0))
        for code, times in enumerate(np.bincount(records["type"]).tolist()):
            self.types[TYPES[code]] += times
        self._held.append(records)
        if self._directory is None and self.events > _HELD_MAX:
            self._directory = tempfile.TemporaryDirectory(prefix="nextclick-")
        if self._directory is not None:
            for held in self._held:
                _write(held, Path(self._directory.name))
            self._held = []


def _write(records: NDArray[np.void], directory: Path) -> None:
    parts = (records["session"] >> np.uint64(64 - _PARTS_BITS)).astype(np.uint8)
    order = np.argsort(parts, kind="stable")
    bounds = np.searchsorted(parts[order], np.arange(2**_PARTS_BITS + 1))
    for part, (begin, end) in enumerate(pairwise(bounds.tolist())):
        with (directory / f"{part:02}").open("ab") as file:
            records[order[begin:end]].tofile(file)
