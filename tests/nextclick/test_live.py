"""What the demo shows of what it knows."""

from __future__ import annotations

import io

from msgspec.structs import replace
from rich.console import Console

from nextclick.live import PLACES_MAX, TOP, Board, Figures, line, places, render
from schemas.click import Click
from schemas.recommendation import Item, Model, Reason, Recommendation, TriggeredBy
from schemas.wire import EpochMs

FIGURES = Figures(
    running_s=12.0,
    active=7,
    clicks=40,
    answered=38,
    waiting=2,
    unanswered=1,
    clicks_per_s=19.8,
    lists_per_s=18.2,
    p50_s=0.0124,
    p99_s=float("inf"),
)
TITLES = {"i1": "JAM JAR", "i2": "TEA [RED] POT", "i3": "HAND WARMER OWL DESIGN"}
PLACES = 4


def click(session_id: str, item_id: str = "i1") -> Click:
    return Click(event_id="e", session_id=session_id, type="view", item_id=item_id, ts=EpochMs(0))


def recommendation(session_id: str, *items: str) -> Recommendation:
    return Recommendation(
        recommendation_id="r",
        session_id=session_id,
        session_started=1,
        session_version=1,
        generated_at=0,
        trigger=TriggeredBy("e", 0, 0, "clickstream", "epoch", 0, 0),
        model=Model("v", "c"),
        items=tuple(Item(item, rank, 0.5, "x", Reason("popular", {}, "Popular")) for rank, item in enumerate(items, 1)),
    )


def board() -> Board:
    return Board(lambda item_id: TITLES.get(item_id, item_id), PLACES)


def drawn(board: Board, width: int = 120, height: int = 40) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(render(FIGURES, board, "Kafka 127.0.0.1:1", width, height))
    return out.getvalue()


def test_a_shopper_is_shown_with_the_last_click_and_the_newest_list_by_their_titles() -> None:
    # given
    shown = board()
    shown.clicked(click("shopper", "i9"), 1.0)
    shown.clicked(click("shopper", "i1"), 2.0)
    shown.recommended(recommendation("shopper", "i9"), 2.1)
    shown.recommended(recommendation("shopper", "i2", "i8"), 2.2)

    # then
    text = drawn(shown)
    assert all(part in text for part in ("shopper", "2 clicks", "JAM JAR", "TEA [RED] POT", "0.500", "Popular", "i8"))
    assert "i9" not in text


def test_only_the_top_of_a_list_is_shown() -> None:
    shown = board()
    shown.clicked(click("s"), 1.0)
    shown.recommended(recommendation("s", *(f"item{rank}" for rank in range(30))), 1.1)
    assert len(shown.watched["s"].items) == TOP


def test_on_a_small_screen_the_reason_says_with_what_and_everything_fits() -> None:
    # given more shoppers than fit, each with a list of long titles
    shown = board()
    reason = Reason("bought_together", {"item_id": "i3", "title": TITLES["i3"]}, f"Bought together with {TITLES['i3']}")
    for name in "abcd":
        shown.clicked(click(f"{name}0123456789abcde", "i3"), 1.0)
        ranked = recommendation(f"{name}0123456789abcde", "i3", "i3", "i3", "i3", "i3")
        items = tuple(replace(item, reason=reason) for item in ranked.items)
        shown.recommended(replace(ranked, items=items), 1.1)

    # when
    small, large = drawn(shown, 80, 24), drawn(shown, 160, 50)

    # then
    assert "with HAND WARMER OWL" in small
    assert "Bought together with HAND WARMER OWL DESIGN" in large
    assert "0.500" in large
    assert "0.500" not in small
    assert len(small.rstrip().splitlines()) < 24
    assert max(map(len, small.splitlines())) <= 80
    assert "c01234567" in small
    assert "answered 38 of 40" in small
    assert "18.2 lists/s" in small
    assert "d0123456789" in large


def test_as_many_shoppers_are_shown_as_the_screen_is_high_for() -> None:
    assert [places(height) for height in (1, 24, 50, 500)] == [1, 3, 8, PLACES_MAX]


def test_the_watched_stay_in_their_places_and_who_falls_silent_makes_room() -> None:
    # given a full screen
    shown = board()
    for name in "abcd":
        shown.clicked(click(name), 0.0)
    shown.clicked(click("e"), 1.0)
    assert list(shown.watched) == ["a", "b", "c", "d"]

    # when all but one go on
    for name in "acd":
        shown.clicked(click(name), 4.0)
    shown.clicked(click("f"), 4.0)

    # then
    assert list(shown.watched) == ["a", "f", "c", "d"]
    assert shown.watched["f"].clicks == 1


def test_who_clicked_lately_is_active_and_rates_are_of_the_last_seconds() -> None:
    shown = board()
    for at in range(10):
        shown.clicked(click(f"s{at}"), float(at))
    assert shown.active(now=9.5) == 10
    assert shown.active(now=13.5) == 6
    assert shown.clicks.per_s(now=9.5) == 1.0
    assert shown.clicks.per_s(now=60.0) == 0.0


def test_the_figures_are_the_same_in_a_line_and_on_the_screen() -> None:
    said, text = line(FIGURES), drawn(board())
    for part in ("19.8", "18.2", "12 ms", "never", "38", "40"):
        assert part in said
        assert part in text
