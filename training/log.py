"""Event logs: what shoppers did, from files in the click event's field names, as the clicks Kafka carries.

`event_id` and `type` may be absent: an id is hashed from the file's own name and the row's number, so that
two rows are never one event, and the type is `view`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b, sha256
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

import msgspec

from schemas import wire
from schemas.click import Click
from schemas.errors import DataError, UsageError
from training import clock
from training.clock import Clock
from training.rows import Row, Rows, form

#: How many rows of a file are looked at to tell how its times are written.
_LOOKED_AT: Final = 100
_REQUIRED: Final = ("session_id", "item_id", "ts")
#: A cell of CSV cannot hold these.
_STRUCTURED: Final = frozenset({"items", "attrs"})
_IDS: Final = frozenset({"event_id", "session_id", "item_id", "user_id"})
_FIELDS: Final = ("schema", *Click.__struct_fields__)
_PATH: Final = re.compile(r"`\$\.(\w+)")
_NAMED: Final = re.compile(r"`(\w+)`")


def read(
    paths: Sequence[Path], columns: Mapping[str, str] | None = None, fixed: Mapping[str, str] | None = None
) -> EventLog:
    """The events of these files, in this order. UsageError at once for what cannot be a log.

    `columns` names the column a field is read from (`--map item_id=StockCode`), `fixed` gives a field one
    value in every row (`--set type=purchase`).
    """
    return EventLog(paths, columns or {}, fixed or {})


class EventLog:
    """Clicks as a stream; how many, what was wrong and what was found stand here once it has been read."""

    def __init__(self, paths: Sequence[Path], columns: Mapping[str, str], fixed: Mapping[str, str]) -> None:
        for name in (*columns, *fixed):
            if name not in _FIELDS:
                raise UsageError(f"a click has no field {name}; it has {', '.join(_FIELDS)}")
        self._columns = {name: columns.get(name, name) for name in _FIELDS}
        self._fixed = dict(fixed)
        self._wanted = {*(self._columns[name] for name in _REQUIRED if name not in fixed), *columns.values()}
        self._paths = tuple(paths)
        self._start()
        for path in paths:
            Rows(path, self.faults)

    def _start(self) -> None:
        self.events = 0
        #: Rows left out, by what was wrong with them.
        self.faults: Counter[str] = Counter()
        #: How the times of each file were found to be written.
        self.clocks: dict[str, Clock] = {}
        self._hash = sha256()

    @property
    def sha256(self) -> str:
        """Of all bytes of the files read so far, one after another."""
        return self._hash.hexdigest()

    def __iter__(self) -> Iterator[Click]:
        """All events, once more from the first. DataError when there is none."""
        self._start()
        for path in self._paths:
            yield from self._file(path)
        if not self.events:
            names = ", ".join(str(path) for path in self._paths)
            raise DataError("empty", f"{names}: no event in {self.faults.total()} rows{_listed(self.faults)}")

    def _file(self, path: Path) -> Iterator[Click]:
        rows = iter(Rows(path, self.faults, self._wanted, self._hash))
        first = list(islice(rows, _LOOKED_AT))
        times = [self._fixed.get("ts", row.values.get(self._columns["ts"])) for row in first]
        kind = self.clocks[path.name] = clock.detect(times)
        names = {name: column for name, column in self._columns.items() if name not in self._fixed}
        if form(path) != "ndjson":
            names = {name: column for name, column in names.items() if name not in _STRUCTURED}
        for row in chain(first, rows):
            fields = {name: row.values[column] for name, column in names.items() if column in row.values}
            try:
                click = _click(fields | self._fixed, kind, path.name, row)
            except DataError as error:
                self.faults[error.reason] += 1
                continue
            self.events += 1
            yield click


def _click(fields: dict[str, Any], kind: Clock, name: str, row: Row) -> Click:
    """The click of a row, or DataError whose reason is the field at fault."""
    for field in _IDS & fields.keys():
        if type(fields[field]) is int:
            fields[field] = str(fields[field])
    fields.setdefault("type", "view")
    fields.setdefault("event_id", blake2b(f"{name}\0{row.number}".encode(), digest_size=12).hexdigest())
    try:
        fields["ts"] = clock.read(fields.get("ts"), kind)
    except (ValueError, OverflowError) as error:
        raise DataError("ts", str(error)) from None
    try:
        return msgspec.convert(fields, Click, strict=False, dec_hook=wire.read_special)
    except msgspec.ValidationError as error:
        found = _PATH.search(str(error)) or _NAMED.search(str(error))
        raise DataError(found[1] if found else "invalid", str(error)) from None


def _listed(faults: Counter[str]) -> str:
    """What was wrong, the commonest first, as the end of a sentence."""
    listed = ", ".join(f"{reason} {count}" for reason, count in faults.most_common())
    return f"; at fault: {listed}. `--map FIELD=COLUMN` and `--set FIELD=VALUE` name what fits" if listed else ""
