"""Event logs: what shoppers did, from files in the click event's field names, as columns or as the clicks of Kafka.

`event_id` and `type` may be absent: an id is hashed from the file's own name and the row's number, and where these
are not enough from the file's place among those of its name and the event's in its row, so that no two events are
one; the type is `view`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from hashlib import blake2b, sha256
from itertools import chain
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from schemas import wire
from schemas.click import Click
from schemas.errors import DataError, UsageError
from training import clock, fields
from training.choice import Choice, Sittings
from training.clock import Clock
from training.columns import Columns, form
from training.lines import count
from training.sequences import Layout, Sequences
from training.spool import Spool

#: How many rows of a file are looked at to tell how its times are written.
_LOOKED_AT: Final = 100
#: How much of a value is shown, and how many types that are none.
_SHOWN: Final = 40
_TYPES_SHOWN: Final = 5
_REQUIRED: Final = ("session_id", "item_id", "ts")
_FIELDS: Final = ("schema", *Click.__struct_fields__)
#: Fields of many values. A cell of CSV cannot hold them.
_STRUCTURED: Final = frozenset({"items", "attrs"})
#: What only clicks have; sessions do without, and reading it is dear.
_CLICKS_OWN: Final = frozenset({"attrs"})


def read(
    paths: Sequence[Path],
    columns: Mapping[str, str] | None = None,
    fixed: Mapping[str, str] | None = None,
    layout: Layout = Layout.EVENTS,
    choice: Choice | None = None,
) -> EventLog:
    """The events of these files, in this order. UsageError at once for what cannot be a log.

    `columns` names the column a field is read from (`--map item_id=StockCode`), `fixed` gives a field one
    value in every row (`--set type=purchase`).
    """
    return EventLog(paths, columns or {}, fixed or {}, layout, choice or Choice())


class EventLog:
    """Events as a stream; how many, what was wrong and what was found stand here once it has been read."""

    def __init__(
        self,
        paths: Sequence[Path],
        columns: Mapping[str, str],
        fixed: Mapping[str, str],
        layout: Layout,
        choice: Choice,
    ) -> None:
        for name in (*columns, *fixed):
            if name not in _FIELDS:
                raise UsageError(f"a click has no field {name}; it has {', '.join(_FIELDS)}")
        if many := sorted(_STRUCTURED & fixed.keys()):
            raise UsageError(f"{', '.join(many)} cannot be given one value in every row")
        self.choice: Final = choice
        self.clocked: Final = layout is Layout.EVENTS
        timed = {choice.since_ms, choice.until_ms, choice.idle_ms} != {None}
        if not self.clocked and (columns or timed):
            raise UsageError(f"a log of {layout} has neither columns to map nor times to cut at")
        self._columns = {name: columns.get(name, name) for name in _FIELDS if name not in fixed}
        self._fixed = dict(fixed)
        self._wanted = {*(self._columns[name] for name in _REQUIRED if name not in fixed), *columns.values()}
        self._layout = layout
        self._paths = tuple(paths)
        self._start()
        for path in paths:
            if self.clocked:
                self._opened(path)
            else:
                Sequences(path, layout, self.faults)

    def _start(self) -> None:
        self.events = 0
        #: Rows left out, by what was wrong with them.
        self.faults: Counter[str] = Counter()
        #: Of each field at fault, where it first was and with what: "row 7: 'soon'".
        self.examples: dict[str, str] = {}
        #: What stood for a type and is none.
        self._types: Counter[str] = Counter()
        #: How the times of each file were found to be written.
        self.clocks: dict[str, Clock] = {}
        self._hash = sha256()

    @property
    def sha256(self) -> str:
        """Of all bytes of the files read so far, one after another."""
        return self._hash.hexdigest()

    def frames(self) -> Iterator[pl.DataFrame]:
        """All events, once more from the first, whatever was chosen of them. DataError when there is none.

        Blocks of `row` (the number in its file), `session_id`, `item_id`, `type` (a place in fields.TYPES), `ts`,
        `consent`, and what the file has of `event_id`, `items` and labels.
        """
        for _, frame in self._blocks(_CLICKS_OWN):
            yield frame

    def __iter__(self) -> Iterator[Click]:
        """The chosen events as clicks."""
        kept = self._kept() if self.choice else None
        names = _distinct(self._paths)
        at = 0
        for file, frame in self._blocks():
            chosen = frame if kept is None else frame.filter(kept[at : at + len(frame)])
            at += len(frame)
            yield from self._clicks(names[file], chosen)

    def _kept(self) -> NDArray[np.bool_]:
        with Spool(self.frames()) as spool:
            kept = np.zeros(spool.events, dtype=np.bool_)
            for part in spool:
                kept[self.choice.of(Sittings.of(part)).events["row"]] = True
        return kept

    def _blocks(self, without: frozenset[str] = frozenset()) -> Iterator[tuple[int, pl.DataFrame]]:
        """With the number of the file that each is from."""
        self._start()
        for file, frame in self._rows(without) if self.clocked else self._sequences():
            yield file, self._sound(frame, self.clocks[self._paths[file].name])
        self._refuse_types()
        if not self.events:
            names = ", ".join(str(path) for path in self._paths)
            mapped = ". `--map FIELD=COLUMN` and `--set FIELD=VALUE` name what fits" if self.faults else ""
            found = f"; at fault: {self.at_fault}{mapped}" if self.faults else ""
            raise DataError("empty", f"{names}: no event in {self.faults.total()} rows{found}")

    @property
    def at_fault(self) -> str:
        """What was wrong, the commonest first, with an example of each field."""
        shown = {reason: f" (first in {example})" for reason, example in self.examples.items()}
        return ", ".join(f"{reason} {times}{shown.get(reason, '')}" for reason, times in self.faults.most_common())

    def _refuse_types(self) -> None:
        """DataError where most rows are lost to types that are not ours: the shop has its own words for them."""
        if 2 * self.faults["type"] > self.events + self.faults.total():
            met = ", ".join(f"{_shown(value)} {times}" for value, times in self._types.most_common(_TYPES_SHOWN))
            allowed = f"a type is one of {', '.join(fields.TYPES)}"
            detail = f"{self.faults['type']} rows have a type that is none: {met}; {allowed}. Write these, or "
            raise DataError("type", detail + "take all rows for one with --set type=view")

    def _rows(self, without: frozenset[str]) -> Iterator[tuple[int, pl.DataFrame]]:
        for file, path in enumerate(self._paths):
            blocks = (frame for frame in self._opened(path, without) if len(frame))
            first = next(blocks, None)
            if first is None:
                continue
            head = first.head(_LOOKED_AT).with_columns(**self._filled(first.columns))
            self.clocks[path.name] = clock.detect(head["ts"])
            for frame in chain([first], blocks):
                yield file, frame.with_columns(**self._filled(frame.columns))

    def _opened(self, path: Path, without: frozenset[str] = frozenset()) -> Columns:
        # A cell of CSV has one value, a column of Parquet one or a list of them.
        absent = {"ndjson": without, "parquet": _CLICKS_OWN}.get(form(path), _STRUCTURED)
        names = {field: column for field, column in self._columns.items() if field not in absent}
        return Columns(path, names, self.faults, self._wanted, _STRUCTURED, self._hash)

    def _filled(self, columns: Collection[str]) -> dict[str, pl.Expr]:
        """What every row has the same: a fixed value, or none of what it needs."""
        return {name: pl.lit(None, pl.String) for name in _REQUIRED if name not in columns} | {
            name: pl.lit(value) for name, value in self._fixed.items()
        }

    def _sequences(self) -> Iterator[tuple[int, pl.DataFrame]]:
        files = [Sequences(path, self._layout, self.faults, self._hash) for path in self._paths]
        lines = [file.lines() for file in files]
        for at, file in enumerate(files):
            self.clocks[file.path.name] = Clock.NONE
            for frame in file.read(sum(lines[:at]), sum(lines)):
                yield at, frame.with_columns(**{name: pl.lit(value) for name, value in self._fixed.items()})

    def _sound(self, frame: pl.DataFrame, kind: Clock) -> pl.DataFrame:
        """The rows without a fault, as clicks have them."""
        typed = frame.with_columns(fields.typed(frame, kind))
        rules = typed.select(**fields.faults(typed.columns))
        wrong = rules.select(pl.any_horizontal(pl.all())).to_series()
        if wrong.any():
            first = pl.coalesce(pl.when(pl.col(reason)).then(pl.lit(reason)) for reason in rules.columns)
            reasons = rules.filter(wrong).select(first.alias("reason")).to_series()
            count(self.faults, **dict(reasons.value_counts().iter_rows()))
            self._note(frame.filter(wrong), reasons)
        self.events += len(typed) - int(wrong.sum())
        return typed.filter(~wrong)

    def _note(self, wrong: pl.DataFrame, reasons: pl.Series) -> None:
        """Examples of rows at fault, and all types that are none."""
        for reason in reasons.unique(maintain_order=True).to_list():
            at = reasons.index_of(reason)
            if at is not None and reason in wrong.columns:
                self.examples.setdefault(reason, f"row {wrong['row'][at]}: {_shown(wrong[reason][at])}")
        if "type" in wrong.columns:
            for value, times in wrong["type"].filter(reasons == "type").value_counts().iter_rows():
                self._types[value] += times

    def _clicks(self, name: str, frame: pl.DataFrame) -> Iterator[Click]:
        for row in frame.iter_rows(named=True):
            place = f"{row.pop('row')}"
            # Some kinds of files have several events in a row.
            if within := row.pop("within", 0):
                place += f"\0{within}"
            try:
                yield _click(row, f"{name}\0{place}")
            except (DataError, msgspec.DecodeError):
                self.events -= 1
                self.faults["attrs"] += 1


def _click(row: dict[str, Any], place: str) -> Click:
    """Of fields that are sound, but for the attributes, which no column can tell of."""
    given = {field: value for field, value in row.items() if value is not None and field != "schema"}
    given["type"] = fields.TYPES[given["type"]]
    given.setdefault("event_id", blake2b(place.encode(errors="surrogateescape"), digest_size=12).hexdigest())
    if "attrs" in given:
        given["attrs"] = msgspec.json.decode(given["attrs"])
    return wire.convert(given, Click)


def _distinct(paths: Sequence[Path]) -> list[str]:
    """The files' own names; behind one that an earlier file has, how many have it."""
    earlier: Counter[str] = Counter()
    names = []
    for path in paths:
        names.append(f"{path.name}\0\0{earlier[path.name]}" if path.name in earlier else path.name)
        earlier[path.name] += 1
    return names


def _shown(value: object) -> str:
    """A value as a person may see it: short, and obeyed by no terminal."""
    if value is None:
        return "nothing"
    text = str(value)
    return ascii(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")
