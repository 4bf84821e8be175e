"""What is foretold, and from what: every event after the first of its session, and no other."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.ranking.past import Past
from serving.ranking.query import Query
from serving.ranking.sessions import DEEDS, Sessions
from serving.ranking.table import Table
from training import log, past
from training.choice import Choice
from training.log import EventLog
from training.predictions import UNKNOWN, Predictions, told_by
from training.sequences import Layout

VIEW, CART, PURCHASE = (DEEDS.index(deed) for deed in ("view", "cart", "purchase"))


def typed(sessions: Sequence[Sequence[tuple[int, int]]], catalogue: int) -> Sessions:
    """From (item, type) pairs, one a second."""
    listed = Sessions.listed([[item for item, _ in session] for session in sessions], catalogue)
    types = np.array([deed for session in sessions for _, deed in session], dtype=np.uint8)
    return Sessions(listed.items, types, listed.times, listed.starts, catalogue)


def asked(query: Query) -> list[int]:
    items: list[int] = query.items.tolist()
    return items


def test_every_event_after_the_first_is_foretold_from_all_before_it() -> None:
    # given
    sessions = Sessions.listed([[3, 1, 2], [4], [0, 0]], 5)

    # when
    predictions = Predictions.of(sessions)

    # then
    assert predictions.targets.tolist() == [1, 2, 0]
    assert predictions.owners.tolist() == [0, 0, 2]
    assert predictions.lengths.tolist() == [1, 2, 1]
    assert [asked(query) for query in predictions] == [[3], [3, 1], [0]]


def test_an_answer_is_for_the_moment_of_the_last_event_not_of_the_one_foretold() -> None:
    # given
    sessions = Sessions.listed([[0, 1, 2]], 3)

    # when
    queries = list(Predictions.of(sessions))

    # then
    assert [query.now for query in queries] == [0, 1000]
    assert Predictions.of(sessions).moments.tolist() == [0, 1000]
    assert all(query.times.max() <= query.now for query in queries)


@pytest.mark.parametrize("unknown", [-1, 5, 17])
def test_an_unknown_item_is_foretold_all_the_same_and_left_out_of_what_is_known(unknown: int) -> None:
    # given
    sessions = Sessions.listed([[3, unknown, 2], [unknown, 1]], 5)

    # when
    predictions = Predictions.of(sessions)

    # then
    assert predictions.targets.tolist() == [UNKNOWN, 2, 1]
    assert predictions.unseen.tolist() == [True, False, False]
    assert predictions.unknown_last.tolist() == [False, True, True]
    assert [asked(query) for query in predictions] == [[3], [3], []]


def test_views_are_foretold_where_the_log_has_views_however_few() -> None:
    # given
    sessions = typed([[(1, CART), (1, CART), (2, VIEW)], [(3, PURCHASE), (4, CART), (0, VIEW), (1, CART)]], 5)

    # when
    predictions = Predictions.of(sessions)

    # then
    assert predictions.deed == "view"
    assert predictions.targets.tolist() == [2, 0]
    assert [asked(query) for query in predictions] == [[1, 1], [3, 4]]


def test_without_views_the_commonest_type_is_foretold() -> None:
    # given
    sessions = typed([[(1, PURCHASE), (2, PURCHASE), (3, CART)]], 5)

    # when
    predictions = Predictions.of(sessions)

    # then
    assert predictions.deed == "purchase"
    assert predictions.targets.tolist() == [2]


def test_a_stray_view_makes_no_log_of_views() -> None:
    bought = [[(1, PURCHASE), (2, PURCHASE)]] * 60
    assert len(Predictions.of(typed([*bought, [(3, VIEW)]], 5))) == 60
    assert Predictions.of(typed([*bought, [(3, VIEW), (3, VIEW)]], 5)).deed == "view"


def test_no_more_of_a_session_is_looked_at_than_production_keeps() -> None:
    # given
    sessions = Sessions.listed([[1] + [0] * 49 + [2, 1]], 3)

    # when
    first, *_, last = Predictions.of(sessions)

    # then
    assert asked(first) == [1]
    assert asked(last) == [0] * 49 + [2]


def test_some_of_the_predictions_are_what_they_are_among_all() -> None:
    # given
    predictions = Predictions.of(Sessions.listed([[3, 1, 2], [4, 0]], 5))

    # when
    some = predictions.at(np.array([2, 0]))

    # then
    assert some.targets.tolist() == [0, 1]
    assert [asked(query) for query in some] == [[4], [3]]


def test_items_are_told_by_the_bundles_own_table() -> None:
    # given
    log = Past(Sessions.listed([[0, 1, 2]], 3), Table.make(["a", "b", "c"]))

    # when
    told = told_by(Table.make(["c", "a", "x"]), log)

    # then
    assert told.items.tolist() == [0, UNKNOWN, 1]
    assert told.catalogue == 3


@given(st.lists(st.lists(st.integers(-1, 6), min_size=1, max_size=8), min_size=1, max_size=8))
def test_no_prediction_is_dropped(sessions: list[list[int]]) -> None:
    predictions = Predictions.of(Sessions.listed(sessions, 5))

    assert len(predictions) == sum(len(session) - 1 for session in sessions) == len(list(predictions))


# Public logs, as far as this machine has them: NEXTCLICK_TEST_DATA names the folder that theirs are in.

YOOCHOOSE_CUT_MS = 1_411_959_600_000  # 2014-09-29T03:00:00Z


def public(name: str) -> Path:
    folder = os.environ.get("NEXTCLICK_TEST_DATA")
    path = Path(folder or ".") / name
    if not folder or not path.is_file():
        pytest.skip(f"needs {name} in the folder that NEXTCLICK_TEST_DATA names")
    return path


def foretold(events: EventLog) -> Predictions:
    return Predictions.of(past.gather(events, {}, bots=True).past.sessions)


@pytest.mark.slow
def test_the_last_day_of_yoochoose_is_foretold_whole() -> None:
    path = public("yoochoose-5day/clicks.csv.xz")
    assert len(foretold(log.read([path], choice=Choice(since_ms=YOOCHOOSE_CUT_MS)))) == 45_556


@pytest.mark.slow
def test_the_published_samples_of_diginetica_are_foretold_each_once() -> None:
    # given
    path = public("diginetica-gcegnn/test.txt.xz")

    # when
    predictions = foretold(log.read([path], layout=Layout.SAMPLES))

    # then
    assert len(predictions) == 60_858
    assert len(np.unique(predictions.owners)) == 15_963
