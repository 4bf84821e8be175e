"""Charts as SVG that is written here: no script, no font, no file but the page itself.

A chart is 400 wide, so that its text is as large as the page's on a phone, and colours are the page's own classes
`s0`, `s1`, ... What a chart shows stands in a table too: a chart is one picture to who cannot see it, with a name.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.markup import Markup, element

_WIDTH: Final = 400
_LABELS: Final = 148
_ROW: Final = 22
_PLOT: Final = 150
_BELOW: Final = 24
_SIDE: Final = 46
_HEAD: Final = 24
_TICKS: Final = 4
#: The side of a map, in which a place is a whole number.
_MAP: Final = 1000
_MARGIN: Final = 30
#: Labels below columns and points that do not run into each other.
_LABELS_BELOW: Final = 9

Series = Mapping[str, Sequence[float]]


def columns(name: str, values: Sequence[float], below: Sequence[str], unit: str) -> Markup:
    """Upright bars from left to right; `unit` is what their heights count."""
    wide, every = (_WIDTH - _SIDE) / max(len(below), 1), math.ceil(len(below) / _LABELS_BELOW)
    labels = [_text(_SIDE + (at + 0.5) * wide, _PLOT + 17, below[at]) for at in range(0, len(below), every or 1)]
    return _upright(name, values, unit, labels)


def timeline(name: str, values: Sequence[float], first: str, last: str, unit: str) -> Markup:
    """Upright bars, of which only the ends are named."""
    ends = [_text(_SIDE, _PLOT + 17, first, "start"), _text(_WIDTH, _PLOT + 17, last, "end")]
    return _upright(name, values, unit, ends if len(values) > 1 else ends[:1])


def _upright(name: str, values: Sequence[float], unit: str, labels: Sequence[str]) -> Markup:
    top, wide = max([*values, 0.0]) or 1.0, (_WIDTH - _SIDE) / max(len(values), 1)
    gap = min(1.5, wide * 0.1)
    drawn = [
        element(
            "rect", x=_SIDE + at * wide + gap, y=_PLOT - tall, width=wide - 2 * gap, height=float(tall), class_="s0"
        )
        for at, tall in enumerate(value / top * (_PLOT - _HEAD) for value in values)
    ]
    base = element("line", x1=_SIDE, x2=_WIDTH, y1=_PLOT, y2=_PLOT, class_="axis")
    axis = [_side(_PLOT, "0"), _side(_HEAD, _short(top)), _text(0, 8, unit, "start"), base]
    return _picture(name, _PLOT + _BELOW, *axis, *drawn, *labels)


def bars(name: str, rows: Sequence[str], series: Series, most: float | None = None) -> Markup:
    """Lying bars from top to bottom, one of each series a row; as long as `most` at most."""
    longest = most or max((value for values in series.values() for value in values), default=0) or 1.0
    thick = (_ROW - 6) / 1 if len(series) == 1 else 9.0
    tall = 6 + thick * len(series)
    drawn = []
    for at, row in enumerate(rows):
        y = at * tall
        drawn.append(_text(_LABELS - 8, y + tall / 2 + 3, row, "end"))
        for number, values in enumerate(series.values()):
            long = max(values[at] / longest * (_WIDTH - _LABELS), 0.8 if values[at] else 0)
            drawn.append(
                element("rect", x=_LABELS, y=y + 3 + number * thick, width=long, height=thick - 1, class_=f"s{number}")
            )
    return _picture(name, tall * len(rows), *drawn)


def whiskers(name: str, rows: Mapping[str, tuple[float, float, float]], marked: str | None, *, zero: bool) -> Markup:
    """Low, value and high of each row on one axis that begins at 0, or has it in view."""
    lows, highs = [each[0] for each in rows.values()], [each[2] for each in rows.values()]
    ticks = _ticks(min([0.0, *lows]) if zero else 0.0, max([0.0, *highs]))
    left, right = ticks[0], ticks[-1]

    def across(value: float) -> float:
        return _LABELS + (value - left) / (right - left) * (_WIDTH - _LABELS - 12)

    tall = len(rows) * _ROW
    drawn = [
        mark
        for tick in ticks
        for mark in (
            element("line", x1=across(tick), x2=across(tick), y1=0, y2=tall, class_="axis" if tick == 0 else "grid"),
            _text(across(tick), tall + 16, _axis(tick)),
        )
    ]
    for at, (row, (low, value, high)) in enumerate(rows.items()):
        y, kind = (at + 0.5) * _ROW, "s0" if row == marked or marked is None else "s7"
        drawn += [
            _text(_LABELS - 8, y + 4, row, "end", "strong" if row == marked else ""),
            element("line", x1=across(low), x2=across(high), y1=y, y2=y, class_=kind, stroke_width=2.5),
            element("circle", cx=across(value), cy=y, r=4.5, class_=kind),
        ]
    return _picture(name, tall + _BELOW, *drawn)


def lines(
    name: str, series: Series, below: Sequence[str], unit: str, *, zero: bool, counts: Sequence[str] = ()
) -> Markup:
    """A line a series, over points from left to right; the axis begins at 0, or where the values do."""
    values = [value for each in series.values() for value in each]
    ticks = _ticks(0.0 if zero else min(values, default=0.0), max(values, default=1.0))
    low, high = ticks[0], ticks[-1]
    apart = (_WIDTH - _SIDE - 24) / max(len(below) - 1, 1)

    def place(at: int, value: float) -> tuple[float, float]:
        across = _SIDE + 12 + (at * apart if len(below) > 1 else (_WIDTH - _SIDE) / 2)
        return across, _PLOT - (value - low) / (high - low) * (_PLOT - _HEAD)

    drawn = []
    for tick in ticks:
        y = place(0, tick)[1]
        drawn += [element("line", x1=_SIDE, x2=_WIDTH, y1=y, y2=y, class_="grid"), _side(y, _axis(tick))]
    for number, each in enumerate(series.values()):
        places = [place(at, value) for at, value in enumerate(each)]
        run = "".join(f"{'L' if at else 'M'}{x:.1f} {y:.1f}" for at, (x, y) in enumerate(places))
        drawn.append(element("path", d=run, class_=f"line s{number}"))
        drawn += [element("circle", cx=x, cy=y, r=3, class_=f"s{number}") for x, y in places]
    every = math.ceil(len(below) / _LABELS_BELOW)
    names = [_text(place(at, low)[0], _PLOT + 17, label) for at, label in enumerate(below) if at % every == 0]
    names += [_text(place(at, low)[0], _PLOT + 32, number, kind="fine") for at, number in enumerate(counts)]
    tall = _PLOT + _BELOW + (14 if counts else 0)
    return _picture(name, tall, _text(0, 8, unit, "start"), *drawn, *names)


def scatter(name: str, places: NDArray[np.float64], groups: NDArray[np.int64], numbered: int) -> Markup:
    """(n, 2) places as dots, a colour a group; the first few carry their number. Both axes have one scale."""
    low, high = places.min(axis=0), places.max(axis=0)
    scale = (_MAP - 2 * _MARGIN) / max(float((high - low).max()), 1e-12)
    where = np.rint((places - (low + high) / 2) * scale + _MAP / 2).astype(np.int64)
    drawn = []
    # Dots of one colour are one path: a map of thousands stays a few tens of kilobytes.
    for group in np.unique(groups)[::-1].tolist():
        run = "".join(f"M{x} {y}h0" for x, y in where[groups == group].tolist())
        drawn.append(element("path", d=run, class_=f"dots s{group}"))
    for number, (x, y) in enumerate(where[:numbered].tolist(), start=1):
        drawn.append(_text(x, y + 12, str(number), "middle", "number"))
    return element("svg", *drawn, viewBox=f"0 0 {_MAP} {_MAP}", role="img", aria_label=name)


def legend(names: Iterable[str], classes: Iterable[str] | None = None) -> Markup:
    """What the colours are; `classes` where they are not the first ones in order."""
    shown = list(names)
    kinds = classes or [f"s{number}" for number in range(len(shown))]
    entries = (
        element("li", element("span", class_=f"key {kind}"), name) for name, kind in zip(shown, kinds, strict=True)
    )
    return element("ul", *entries, class_="legend")


def _picture(name: str, tall: float, *drawn: str) -> Markup:
    return element("svg", *drawn, viewBox=f"0 0 {_WIDTH} {math.ceil(tall)}", role="img", aria_label=name)


def _text(x: float, y: float, said: str, anchor: str = "middle", kind: str = "") -> Markup:
    named = {"class_": kind} if kind else {}
    return element("text", said, x=float(x), y=float(y), text_anchor=anchor, **named)


def _side(y: float, said: str) -> Markup:
    return _text(_SIDE - 6, y + 4, said, "end")


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers from at or below `low` to at or above `high`."""
    span = max(high - low, abs(high) * 1e-6, 1e-9)
    power = 10.0 ** math.floor(math.log10(span / _TICKS))
    step = next(each * power for each in (1, 2, 5, 10) if each * power * _TICKS >= span * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 12) for number in range(first, max(last, first + 1) + 1)]


def _axis(value: float) -> str:
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")


def _short(value: float) -> str:
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"
