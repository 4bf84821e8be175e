"""What was measured over time, as a picture: one panel below another, SVG without a script or a font of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

_WIDTH, _HEIGHT, _LEFT, _TOP, _BELOW = 720, 110, 60, 34, 24
_STYLE: Final = (
    "text{font:12px sans-serif;fill:#333}line{stroke:#ccc}polyline{fill:none;stroke:#1f6feb;stroke-width:1.5}"
)


@dataclass(frozen=True, slots=True)
class Panel:
    name: str
    #: (minute, value), in order.
    points: Sequence[tuple[float, float]]


def picture(title: str, panels: Sequence[Panel]) -> str:
    """Every panel begins at 0, so that a slope looks as steep as it is."""
    tall = _TOP + len(panels) * (_HEIGHT + _BELOW + _TOP)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {tall}" role="img">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
        f'<rect width="{_WIDTH}" height="{tall}" fill="#fff"/><text x="8" y="20">{escape(title)}</text>'
    )
    drawn = (_panel(panel, _TOP + at * (_HEIGHT + _BELOW + _TOP)) for at, panel in enumerate(panels))
    return "\n".join([head, *drawn, "</svg>", ""])


def _panel(panel: Panel, top: float) -> str:
    last = max(minute for minute, _ in panel.points)
    most = max((value for _, value in panel.points), default=0.0) or 1.0
    zero = top + _TOP + _HEIGHT
    across = (_WIDTH - _LEFT - 12) / (last or 1.0)
    places = " ".join(
        f"{_LEFT + minute * across:.1f},{zero - value / most * _HEIGHT:.1f}" for minute, value in panel.points
    )
    return (
        f'<text x="8" y="{top + 20:g}">{escape(panel.name)}</text>'
        f'<line x1="{_LEFT}" x2="{_WIDTH - 12}" y1="{zero:g}" y2="{zero:g}"/>'
        f'<line x1="{_LEFT}" x2="{_WIDTH - 12}" y1="{zero - _HEIGHT:g}" y2="{zero - _HEIGHT:g}"/>'
        f'<text x="{_LEFT - 6}" y="{zero + 4:g}" text-anchor="end">0</text>'
        f'<text x="{_LEFT - 6}" y="{zero - _HEIGHT + 4:g}" text-anchor="end">{most:,.4g}</text>'
        f'<text x="{_LEFT}" y="{zero + 17:g}">0 min</text>'
        f'<text x="{_WIDTH - 12}" y="{zero + 17:g}" text-anchor="end">{last:.0f} min</text>'
        f'<polyline points="{places}"/>'
    )
