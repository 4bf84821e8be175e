"""What the demo shows: who clicked what, what was recommended and why, and how fast.

`Board` collects, `render` draws a screen, `line` says the same in one line for a pipe. No clock in here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from math import isinf, isnan
from typing import Final

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from schemas.click import Click
from schemas.recommendation import Reason, Recommendation

#: How many shoppers are shown at most, and how much of each list.
PLACES_MAX: Final = 8
TOP: Final = 4
#: Lines: of the figures, the names of the columns and the cursor; of a shopper and the gap below.
_FIGURES_LINES: Final = 6
_SHOPPER_LINES: Final = TOP + 1
#: On a screen with fewer columns, scores and what can be guessed of a reason are left out.
_WIDE: Final = 110
#: A watched shopper who stays silent for this long makes room for another.
_SILENT_S: Final = 3.0
#: What counts as active, and what "a second" is averaged over.
_ACTIVE_S: Final = 10.0
_RATE_S: Final = 5.0

Title = Callable[[str], str]


@dataclass(slots=True)
class Shopper:
    """One watched shopper."""

    session_id: str
    clicks: int = 0
    last_click: str = ""
    clicked_at: float = 0.0
    #: (title, score, reason) of the top of the newest list.
    items: list[tuple[str, float, Reason]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Figures:
    """The numbers of one moment; times in seconds."""

    running_s: float
    active: int
    clicks: int
    answered: int
    #: In Kafka, their list not yet here.
    waiting: int
    #: Of those, the ones that have waited too long.
    unanswered: int
    clicks_per_s: float
    lists_per_s: float
    p50_s: float
    p99_s: float


class Pulse:
    """How often a second something happened lately."""

    def __init__(self) -> None:
        self._beats: deque[float] = deque()

    def beat(self, now: float) -> None:
        self._beats.append(now)

    def per_s(self, now: float) -> float:
        while self._beats and self._beats[0] <= now - _RATE_S:
            self._beats.popleft()
        return len(self._beats) / _RATE_S


class Board:
    """Who is in the shop, and whom we watch: as many as there are places."""

    def __init__(self, title: Title, places: int) -> None:
        self._title = title
        self._places = places
        self._seen: dict[str, float] = {}
        self.watched: dict[str, Shopper] = {}
        self.clicks = Pulse()
        self.lists = Pulse()

    def clicked(self, click: Click, now: float) -> None:
        self.clicks.beat(now)
        self._seen[click.session_id] = now
        shopper = self.watched.get(click.session_id) or self._watch(click.session_id, now)
        if shopper is not None:
            shopper.clicks += 1
            shopper.last_click = self._title(click.touched[0])
            shopper.clicked_at = now

    def recommended(self, found: Recommendation, now: float) -> None:
        self.lists.beat(now)
        shopper = self.watched.get(found.session_id)
        if shopper is not None:
            top = found.items[:TOP]
            shopper.items = [(self._title(item.item_id), item.score, item.reason) for item in top]

    def active(self, now: float) -> int:
        self._seen = {session_id: seen for session_id, seen in self._seen.items() if now - seen < _ACTIVE_S}
        return len(self._seen)

    def _watch(self, session_id: str, now: float) -> Shopper | None:
        if len(self.watched) >= self._places:
            silent = [name for name, shopper in self.watched.items() if now - shopper.clicked_at > _SILENT_S]
            if not silent:
                return None
            # In the place of the one who left, so that the others do not jump about.
            self.watched = {
                (session_id if name == silent[0] else name): (Shopper(session_id) if name == silent[0] else shopper)
                for name, shopper in self.watched.items()
            }
        return self.watched.setdefault(session_id, Shopper(session_id))


def places(height: int) -> int:
    """How many shoppers a screen of so many lines has room for."""
    return max(1, min(PLACES_MAX, (height - _FIGURES_LINES) // _SHOPPER_LINES))


def line(figures: Figures) -> str:
    return (
        f"{figures.running_s:5.0f} s  {figures.active} sessions  {figures.clicks_per_s:.1f} clicks/s  "
        f"{figures.lists_per_s:.1f} recommendations/s  click to recommendation "
        f"p50 {milliseconds(figures.p50_s)}, p99 {milliseconds(figures.p99_s)}  "
        f"answered {figures.answered} of {figures.clicks}"
    )


def render(figures: Figures, board: Board, addresses: str, width: int, height: int) -> RenderableType:
    wide = width >= _WIDE
    name = 14 if wide else 9
    shoppers = Table(expand=True, show_lines=True, box=None, pad_edge=False, padding=(0, 1, 1, 0))
    shoppers.add_column("shopper", width=name)
    shoppers.add_column("just clicked", ratio=3)
    shoppers.add_column("now recommended, and why", ratio=10)
    for shopper in list(board.watched.values())[: places(height)]:
        clicks = f"{shopper.clicks} click{'' if shopper.clicks == 1 else 's'}"
        who = f"[bold]{escape(shopper.session_id[:name])}[/]\n[dim]{clicks}[/]"
        shoppers.add_row(who, Text(shopper.last_click, overflow="fold"), _list(shopper, wide=wide))
    return Group(Panel(_headline(figures), title="nextclick demo", subtitle=escape(addresses)), shoppers)


def _headline(figures: Figures) -> Table:
    grid = Table.grid(expand=True, padding=(0, 1))
    for ratio in (4, 3, 5, 3):  # as long as what stands in them, so that 80 columns are enough
        grid.add_column(justify="center", ratio=ratio)
    grid.add_row(
        f"[bold]{figures.active}[/] active sessions",
        f"[bold]{figures.clicks_per_s:.1f}[/] clicks/s",
        f"[bold]{figures.lists_per_s:.1f}[/] lists/s",
        f"running [bold]{figures.running_s:.0f}[/] s",
    )
    grid.add_row(
        f"p50 [bold green]{milliseconds(figures.p50_s)}[/]",
        f"p99 [bold green]{milliseconds(figures.p99_s)}[/]",
        f"answered [bold]{figures.answered}[/] of {figures.clicks}",
        f"[dim]unanswered {figures.unanswered}[/]",
    )
    return grid


def _list(shopper: Shopper, *, wide: bool) -> RenderableType:
    if not shopper.items:
        return Text("…", style="dim")
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(no_wrap=True, ratio=5, overflow="ellipsis")
    if wide:
        grid.add_column(justify="right", style="cyan", width=6)
    grid.add_column(no_wrap=True, ratio=7, overflow="ellipsis", style="dim")
    for title, score, reason in shopper.items:
        scores = [f"{score:.3f}"] if wide else []
        grid.add_row(Text(title), *scores, Text(_why(reason, wide=wide)))
    return grid


def _why(reason: Reason, *, wide: bool) -> str:
    title = "" if wide else reason.params.get("title", "")
    return f"with {title}" if title else reason.text or reason.code


def milliseconds(seconds: float) -> str:
    if isnan(seconds):
        return "-"
    return "never" if isinf(seconds) else f"{seconds * 1000:.0f} ms"
