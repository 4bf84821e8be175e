"""The times of an event log: which of the usual ways they are written in, and what they say."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import polars as pl

#: Seconds reach this in the year 5138; milliseconds passed it in 1973.
_SECONDS_BELOW: Final = 1e11
_MILLISECONDS_BELOW: Final = 1e14

_ISO: Final = (
    r"^(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ](?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9])(?::(?P<second>[0-5][0-9](?:\.[0-9]{1,9})?))?"
    r"(?: ?(?P<zone>Z|UTC|(?P<side>[+-])(?P<hours>[01][0-9]|2[0-3]):?(?P<minutes>[0-5][0-9])?))?)?$"
)
_MS: Final = {"day": 86_400_000, "hour": 3_600_000, "minute": 60_000, "second": 1000}


class Clock(StrEnum):
    """How times are written; the value says it to a person."""

    SECONDS = "epoch seconds"
    MILLISECONDS = "epoch milliseconds"
    ISO = "ISO-8601"
    ISO_UTC = "ISO-8601 without a zone, taken as UTC"
    NONE = "absent: sessions are laid out evenly over 30 days, in the order of their lines"


def detect(values: pl.Series) -> Clock:
    """The way most of `values` are written; milliseconds, the contract's own, when none can be read."""
    number, zone = _number(pl.col("ts")), pl.col("ts").str.extract_groups(_ISO)
    written = (
        pl.when(number.is_between(0, _SECONDS_BELOW, closed="left"))
        .then(pl.lit(Clock.SECONDS.name))
        .when(number.is_between(_SECONDS_BELOW, _MILLISECONDS_BELOW, closed="left"))
        .then(pl.lit(Clock.MILLISECONDS.name))
        .when(zone.struct.field("zone").is_not_null())
        .then(pl.lit(Clock.ISO.name))
        .when(zone.struct.field("day").is_not_null())
        .then(pl.lit(Clock.ISO_UTC.name))
    )
    found = values.alias("ts").to_frame().select(written.alias("clock")).drop_nulls().to_series()
    return Clock[found.mode(maintain_order=True)[0]] if len(found) else Clock.MILLISECONDS


def millis(clock: Clock) -> pl.Expr:
    """The column `ts` in epoch milliseconds; null where it is no time of this clock, or one of another."""
    value = pl.col("ts")
    if clock is Clock.NONE:
        return value
    if clock in (Clock.ISO, Clock.ISO_UTC):
        read = _iso(value)
    else:
        number = _number(value)
        low, high, scale = (
            (0.0, _SECONDS_BELOW, 1000) if clock is Clock.SECONDS else (_SECONDS_BELOW, _MILLISECONDS_BELOW, 1)
        )
        read = pl.when(number.is_between(low, high, closed="left")).then((number * scale).round()).cast(pl.Int64)
    return pl.when(read >= 0).then(read)


def written(ts: int) -> str:
    """A time of a log as --since and --until take it."""
    return datetime.fromtimestamp(ts / 1000, UTC).isoformat(timespec="milliseconds")


def _number(value: pl.Expr) -> pl.Expr:
    """Null for what is none, and for what JSON and floats have beside numbers."""
    number = value.cast(pl.Float64, strict=False)
    return pl.when(number.is_finite()).then(number)


def _iso(value: pl.Expr) -> pl.Expr:
    parts = value.str.extract_groups(_ISO)
    day = parts.struct.field("day").str.to_date("%Y-%m-%d", strict=False).cast(pl.Int64) * _MS["day"]
    clock = [
        parts.struct.field(part).cast(pl.Float64).fill_null(0) * _MS[part] for part in ("hour", "minute", "second")
    ]
    east = [
        parts.struct.field(part).cast(pl.Int64).fill_null(0) * _MS[unit]
        for part, unit in (("hours", "hour"), ("minutes", "minute"))
    ]
    offset = pl.sum_horizontal(east) * pl.when(parts.struct.field("side") == "-").then(-1).otherwise(1)
    return day + pl.sum_horizontal(clock).round().cast(pl.Int64) - offset
