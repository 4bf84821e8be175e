"""Tables, charts with their words, and what else sections are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from schemas.markup import Markup, element, joined


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page that can be linked to."""

    anchor: str
    title: str
    what: Markup


def section(anchor: str, title: str, *what: str) -> Section:
    return Section(anchor, title, joined(*what))


def table(
    caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]], marked: str | None = None, words: int = 1
) -> Markup:
    """The first column names its row, which may be `marked`; the first `words` columns are text, the others numbers."""
    shown = (element("th", head, scope="col", **_kind(at, words)) for at, head in enumerate(heads))
    body = (_row(row, "marked" if row[0] == marked else "", words) for row in rows)
    made = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *shown)),
        element("tbody", *body),
    )
    return element("div", made, class_="wide")


def facts(caption: str, said: Mapping[str, str]) -> Markup:
    """Names and what is said of each, in words."""
    rows = (element("tr", element("th", name, scope="row"), element("td", what)) for name, what in said.items())
    made = element("table", element("caption", caption), element("tbody", *rows))
    return element("div", made, class_="wide")


def chart(title: str, explained: str, *drawn: str) -> Markup:
    return element("figure", element("figcaption", element("b", title), explained), *drawn)


def beside(*charts: str) -> Markup:
    """Two in a row where the screen is wide enough."""
    return element("div", *charts, class_="pair")


def folded(summary: str, *what: str) -> Markup:
    """To be opened by whoever wants the numbers of a chart."""
    return element("details", element("summary", summary), *what)


def _row(cells: Sequence[str], kind: str, words: int) -> Markup:
    first, *others = cells
    shown = (element("td", cell, **_kind(at, words)) for at, cell in enumerate(others, start=1))
    return element("tr", element("th", first, scope="row"), *shown, **({"class_": kind} if kind else {}))


def _kind(column: int, words: int) -> Mapping[str, str]:
    return {} if column < words else {"class_": "number"}
