"""HTML and SVG whose text cannot get out of its place: whatever is not markup already is escaped."""

from __future__ import annotations

from html import escape
from typing import Final

#: These have no end tag.
_VOID: Final = frozenset({"meta", "circle", "line", "path", "rect"})


class Markup(str):
    """Made by `element` alone, or written here as it stands."""

    __slots__ = ()


def element(tag: str, /, *children: str, **attributes: str | float) -> Markup:
    """`class_` is the attribute class, `stroke_width` the attribute stroke-width."""
    said = "".join(f' {_named(key)}="{escape(_written(value))}"' for key, value in attributes.items())
    if tag in _VOID:
        return Markup(f"<{tag}{said}/>")
    return Markup(f"<{tag}{said}>{joined(*children)}</{tag}>")


def joined(*parts: str) -> Markup:
    return Markup("".join(part if isinstance(part, Markup) else escape(part) for part in parts))


def foreign(text: str) -> Markup:
    """A text of the shop's: in whatever direction it runs, it turns nothing around it."""
    return element("bdi", text)


def _named(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _written(value: str | float) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
