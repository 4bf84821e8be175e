"""Files of rows as columns, block by block: NDJSON, CSV and TSV with a header, Parquet.

A row that cannot be read is counted by its reason and left out; a file that cannot be read is an error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

import polars as pl

from schemas.errors import DataError, UsageError
from training import cells, objects
from training.cells import Header
from training.lines import COMPRESSIONS, Hash, Lines, hash_file
from training.stored import Stored

_FORMS: Final = {".ndjson": "ndjson", ".jsonl": "ndjson", ".csv": "csv", ".tsv": "tsv"}
_PARQUET: Final = ".parquet"
_READABLE: Final = "an event log or catalogue is .ndjson, .csv or .tsv, plain, .gz, .xz or .zst, or .parquet"
#: How much of a header is shown to the person who is to mend it.
_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Columns:
    """The rows of one file by the fields they are read as. UsageError at once for a file of another kind or none."""

    path: Path
    #: Field -> the column it is read from.
    names: Mapping[str, str]
    faults: Counter[str]
    #: Columns that must be there; only a file that lists its columns can tell beforehand.
    wanted: Collection[str] = ()
    #: Fields of many values: from NDJSON they come as JSON, from Parquet as they are, and from cells as text.
    structured: Collection[str] = ()
    hashed: Hash | None = None

    def __post_init__(self) -> None:
        form(self.path)
        Lines(self.path, self.faults)

    def __iter__(self) -> Iterator[pl.DataFrame]:
        """Blocks of `row`, the number in the file, and the fields that it has; what is empty or absent is null."""
        kind = form(self.path)
        if kind == "parquet":
            return self._stored()
        lines = Lines(self.path, self.faults, self.hashed)
        if kind == "ndjson":
            return (objects.read(block, self.names, self.structured, self.faults) for block in lines)
        return self._cells(iter(lines), kind)

    def _cells(self, blocks: Iterator[pl.DataFrame], kind: str) -> Iterator[pl.DataFrame]:
        first = next(blocks, None)
        try:
            header = Header.of("" if first is None or first.is_empty() else first["text"][0], kind)
        except DataError as error:
            raise DataError(error.reason, f"{self.path}: {error.detail}") from error
        self._check(header.columns)
        for block in chain([] if first is None else [first[1:]], blocks):
            yield cells.read(block, header, self.names, self.faults)

    def _stored(self) -> Iterator[pl.DataFrame]:
        at = 1
        with closing(Stored(self.path)) as stored:
            self._check(stored.columns())
            for block in stored.read(self.names, self.structured):
                yield block.with_row_index("row", at).with_columns(pl.col("row").cast(pl.Int64))
                at += len(block)
        hash_file(self.path, self.hashed)

    def _check(self, columns: Sequence[str]) -> None:
        missing = sorted(set(self.wanted) - set(columns))
        if missing or not columns:
            shown = ", ".join(column for column in columns if column.isprintable())[:_SHOWN] or "none"
            detail = f"{self.path} has no column {', '.join(missing) or 'at all'}; it has {shown}"
            raise DataError("columns", f"{detail}. Name the right one with --map FIELD=COLUMN")
        if twice := sorted(name for name, times in Counter(columns).items() if name and times > 1):
            detail = f"{self.path} has the column {', '.join(twice)} twice, and which of them is meant cannot be told"
            raise DataError("columns", f"{detail}. Rename or remove one")


def form(path: Path) -> str:
    """The format a file's name claims."""
    if path.suffix.lower() == _PARQUET:
        return "parquet"
    name = Path(path.stem) if path.suffix.lower() in COMPRESSIONS else path
    with suppress(KeyError):
        return _FORMS[name.suffix.lower()]
    raise UsageError(f"{path}: {_READABLE}")
