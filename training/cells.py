"""Lines of CSV and TSV as columns. A row is a line: a stray quote costs one row and not the rest of the file."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

import polars as pl

from schemas.errors import DataError
from training.lines import count

#: A separator and the field behind it: in quotes that close, or not begun by one. What does not consist of such
#: fields from its first character to its last has a quote that is open.
_FIELD: Final = r'{0}(?:"(?:[^"]|"")*"|[^"{0}][^{0}]*)?'


@dataclass(frozen=True, slots=True)
class Header:
    separator: str
    columns: tuple[str, ...]

    @classmethod
    def of(cls, line: str, kind: str) -> Self:
        # Half of Europe's CSV has semicolons.
        if "\r" in line:
            raise DataError("columns", "the lines of the file end as on an old Macintosh (CR); end them with LF")
        separator = "\t" if kind == "tsv" else ";" if line.count(";") > line.count(",") else ","
        try:
            return cls(separator, tuple(next(csv.reader([line], delimiter=separator), [])))
        except csv.Error as error:
            raise DataError("columns", f"the header cannot be read: {error}; write the file again") from error


def read(lines: pl.DataFrame, header: Header, names: Mapping[str, str], faults: Counter[str]) -> pl.DataFrame:
    """`row` and the fields in `names`, field -> column. An empty cell is null."""
    places = {field: header.columns.index(column) for field, column in names.items() if column in header.columns}
    quoted = lines["text"].str.contains('"', literal=True)
    rows = _bare(lines.filter(~quoted), header, places, faults)
    if not quoted.any():
        return rows
    return pl.concat([rows, _quoted(lines.filter(quoted), header, places, faults)]).sort("row")


def _bare(lines: pl.DataFrame, header: Header, places: Mapping[str, int], faults: Counter[str]) -> pl.DataFrame:
    last = len(header.columns) - 1
    # Split before it is known to fit, a short row would take as much memory as a whole one.
    whole = lines["text"].str.count_matches(header.separator, literal=True) == last
    count(faults, cells=len(lines) - int(whole.sum()))
    lines = lines.filter(whole)
    cells = lines["text"].str.split_exact(header.separator, last).struct.unnest()
    fields = [_filled(cells[f"field_{place}"]).alias(field) for field, place in places.items()]
    return lines.select("row").with_columns(fields)


def _quoted(lines: pl.DataFrame, header: Header, places: Mapping[str, int], faults: Counter[str]) -> pl.DataFrame:
    text = header.separator + lines["text"]
    cells = text.str.extract_all(_FIELD.format(header.separator))
    closed = cells.list.eval(pl.element().str.len_bytes()).list.sum() == text.str.len_bytes()
    whole = closed & (cells.list.len() == len(header.columns))
    count(faults, quote=len(lines) - int(closed.sum()), cells=int((closed & ~whole).sum()))
    kept = cells.filter(whole)
    fields = [_filled(_unquoted(kept.list.get(place).str.slice(1))).alias(field) for field, place in places.items()]
    return lines.select("row").filter(whole).with_columns(fields)


def _unquoted(cells: pl.Series) -> pl.Series:
    inside = cells.str.slice(1).str.head(-1).str.replace_all('""', '"', literal=True)
    return inside.zip_with(cells.str.starts_with('"'), cells)


def _filled(cells: pl.Series) -> pl.Series:
    return cells.set(cells == "", None)
