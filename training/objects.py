"""Lines of NDJSON as columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Final

import polars as pl

from training.lines import count

#: How the text of a list or of an object begins.
_OPEN: Final = r"[\[{]"


def read(
    lines: pl.DataFrame, names: Mapping[str, str], structured: Collection[str], faults: Counter[str]
) -> pl.DataFrame:
    """`row` and the fields in `names`, field -> column: those in `structured` as their JSON, all others as text."""
    schema = {column: pl.String() for field, column in names.items() if field not in structured}
    objects, found = _parsed(lines, schema)
    count(faults, not_json=len(lines) - len(objects))
    text = objects["text"]
    fields = []
    for field, column in names.items():
        values = _json(text, column) if field in structured else _single(found[column], text)
        if values.null_count() < len(values):
            fields.append(values.alias(field))
    return objects.select("row").with_columns(fields)


def _parsed(lines: pl.DataFrame, schema: Mapping[str, pl.DataType]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The lines that are objects, and their values."""
    try:
        return lines, _decoded(lines["text"], schema)
    except pl.exceptions.PolarsError:
        # Which line it was is not told. Looking for it takes twice as long, and is seldom needed.
        objects = lines.filter(pl.col("text").str.json_path_match("$").str.starts_with("{").fill_null(value=False))
        return objects, _decoded(objects["text"], schema)


def _decoded(text: pl.Series, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    if text.is_empty():
        return pl.DataFrame(schema=schema)
    return pl.read_ndjson(text.str.join("\n").item().encode(), schema=schema)


def _single(values: pl.Series, text: pl.Series) -> pl.Series:
    """A list or an object is no text, though the parser writes it as such."""
    doubtful = values.str.contains(f"^{_OPEN}").fill_null(value=False)
    if not doubtful.any():
        return values
    nested = text.str.contains(rf'"{pl.escape_regex(values.name)}"\s*:\s*{_OPEN}')
    return values.set(doubtful & nested, None)


def _json(text: pl.Series, column: str) -> pl.Series:
    if not text.str.contains(column, literal=True).any():
        return pl.repeat(None, len(text), dtype=pl.String, eager=True)
    quote = "'" if '"' in column else '"'
    return text.str.json_path_match(f"$[{quote}{column}{quote}]")
