"""Numbers, spans and settings as people read them."""

from __future__ import annotations

from typing import Final

import numpy as np

from training.profile import DAY_MS, HOUR_MS, WEEK_MS

_STEPS: Final = {HOUR_MS: "hour", DAY_MS: "day", WEEK_MS: "week"}
#: One that no line ends at.
_SPACE: Final = "\N{NO-BREAK SPACE}"
#: What every interval is of.
SURE: Final = f"95{_SPACE}%"
_MINUTE: Final = 60
_HOUR: Final = 3600


def count(number: int) -> str:
    return f"{number:,}"


def plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def percent(share: float) -> str:
    """Two or three digits of it."""
    value = share * 100
    digits = 2 if 0 < value < 1 else 1 if 0 < value < 99.95 else 0
    return f"{value:.{digits}f}{_SPACE}%"


def figure(value: float) -> str:
    return f"{value:.4f}"


def between(ends: tuple[float, float]) -> str:
    return f"{ends[0]:.4f} to {ends[1]:.4f}"


def points(value: float) -> str:
    """A difference of shares, in points of a hundred."""
    written = f"{value * 100:+.2f}"
    return "0.00" if written in {"+0.00", "-0.00"} else written.replace("-", "\N{MINUS SIGN}")


def points_between(ends: tuple[float, float]) -> str:
    return f"{points(ends[0])} to {points(ends[1])}"


def duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{seconds:.1f} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"


def size(number: int) -> str:
    return f"{number / 2**20:,.0f} MiB"


def day(ts: int) -> str:
    """Of whatever century: a log may say so."""
    return str(np.datetime64(ts, "ms").astype("datetime64[D]"))


def moment(ts: int) -> str:
    return str(np.datetime64(ts, "ms").astype("datetime64[m]")).replace("T", " ")


def step(length_ms: int) -> str:
    return _STEPS.get(length_ms, f"{length_ms // DAY_MS} days")


def named(name: str) -> str:
    """A setting's or a stage's name without what only machines need."""
    return name.replace("_", " ")


def said(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{named(str(name))} {said(part)}" for name, part in value.items())
    return str(value)
