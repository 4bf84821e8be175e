"""Which lists hold an item: all that do, seldom one that does not, and no more than there is room for."""

from __future__ import annotations

from collections import OrderedDict

from hypothesis import given
from hypothesis import strategies as st

from schemas.recommendation import STORED
from stream.standing import Standing

ITEMS = st.integers(0, 30).map("item-{}".format)
LISTS = st.lists(ITEMS, max_size=STORED, unique=True)


@given(
    puts=st.lists(st.tuples(st.integers(0, 8).map("s{}".format), LISTS), max_size=30),
    gone=st.sets(ITEMS, max_size=5),
    capacity=st.integers(1, 6),
)
def test_what_is_found_are_the_newest_lists_of_the_sessions_ranked_last(
    puts: list[tuple[str, list[str]]], gone: set[str], capacity: int
) -> None:
    # given
    standing, newest = Standing(capacity), OrderedDict[str, list[str]]()
    for session_id, items in puts:
        standing.put(session_id, f"lane of {session_id}", items)
        newest[session_id] = items
        newest.move_to_end(session_id)
    kept = list(newest)[-capacity:]

    # then
    assert len(standing) == len(kept)
    assert standing.holding(gone) == {name: f"lane of {name}" for name in kept if gone.intersection(newest[name])}


def test_a_session_whose_lane_changes_is_where_it_was_ranked_last() -> None:
    standing = Standing()
    standing.put("s", "before", ["lamp"])
    standing.put("s", "after", ["lamp"])
    assert standing.holding(["lamp"]) == {"s": "after"}


def test_thousands_of_lists_are_looked_through_to_the_last() -> None:
    standing = Standing()
    for at in range(10_000):
        standing.put(f"s{at}", "lane", [f"item-{at}", f"item-{at + 1}"])
    found = standing.holding([f"item-{at}" for at in range(9_000)])
    assert {f"s{at}" for at in range(9_000)} <= found.keys()
    assert len(found) < 9_010
