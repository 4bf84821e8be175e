"""The times of an event log: which of the usual ways they are written in, and what they say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from schemas.wire import EpochMs, read_time

#: Seconds reach this in the year 5138; milliseconds passed it in 1973.
_SECONDS_BELOW: Final = 1e11
_MILLISECONDS_BELOW: Final = 1e14


class Clock(StrEnum):
    """How times are written; the value says it to a person."""

    SECONDS = "epoch seconds"
    MILLISECONDS = "epoch milliseconds"
    ISO = "ISO-8601"
    ISO_UTC = "ISO-8601 without a zone, taken as UTC"


def detect(values: Iterable[object]) -> Clock:
    """The way most of `values` are written; milliseconds, the contract's own, when none can be read."""
    found = Counter(clock for clock in map(_clock, values) if clock is not None)
    return found.most_common(1)[0][0] if found else Clock.MILLISECONDS


def read(value: object, clock: Clock) -> EpochMs:
    """The time in `value`. ValueError when it is none in this clock, or one in another."""
    if clock in (Clock.ISO, Clock.ISO_UTC):
        # "20231114" is a date to some and a number of seconds to others: here it is neither.
        if not isinstance(value, str) or value.replace(".", "", 1).isdigit():
            raise ValueError("not ISO-8601")
        return read_time(round(_moment(value).timestamp() * 1000))
    number = _number(value)
    if number is None:
        raise ValueError("not a number")
    if clock is Clock.SECONDS and number < _SECONDS_BELOW:
        return read_time(round(number * 1000))
    if clock is Clock.MILLISECONDS and _SECONDS_BELOW <= number < _MILLISECONDS_BELOW:
        return read_time(round(number))
    raise ValueError(f"not in {clock}")


def _clock(value: object) -> Clock | None:
    number = _number(value)
    if number is not None:
        if 0 <= number < _SECONDS_BELOW:
            return Clock.SECONDS
        return Clock.MILLISECONDS if 0 <= number < _MILLISECONDS_BELOW else None
    try:
        zone = datetime.fromisoformat(str(value)).tzinfo
    except ValueError:
        return None
    return Clock.ISO if zone else Clock.ISO_UTC


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < float("inf") else None


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
