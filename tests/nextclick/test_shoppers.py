"""Made-up shoppers are as long, as mixed and as fond of best sellers as real ones."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise

import pytest

from nextclick.bench import shoppers
from nextclick.bench.shoppers import LENGTH_MEAN, LENGTHS, clicks

IDS = [f"item-{number}" for number in range(1_000)]
SESSIONS = 5_000


@pytest.fixture(scope="module")
def lengths() -> Counter[str]:
    return Counter(click.session_id for click in clicks(IDS, SESSIONS, 1, "run"))


def test_sessions_are_as_long_as_the_table_says(lengths: Counter[str]) -> None:
    assert len(lengths) == SESSIONS
    assert lengths.total() / SESSIONS == pytest.approx(LENGTH_MEAN, rel=0.05)
    found = Counter(lengths.values())
    for length in (2, 3, 4):
        assert found[length] / SESSIONS == pytest.approx(LENGTHS[length] / sum(LENGTHS.values()), rel=0.1)
    assert found.keys() <= LENGTHS.keys()


def test_between_two_clicks_of_a_shopper_come_those_of_many_others() -> None:
    # when
    places = defaultdict(list)
    for place, click in enumerate(clicks(IDS, 20_000, 1, "run")):
        places[click.session_id].append(place)
    apart = sorted(b - a for own in places.values() for a, b in pairwise(own))

    # then a shop of 20 clicks a second, where half of the pauses are shorter than 58 s
    assert apart[len(apart) // 2] == pytest.approx(58 * 20, rel=0.25)


def test_the_first_items_are_clicked_most() -> None:
    touched = Counter(click.item_id for click in clicks(IDS, SESSIONS, 1, "run"))
    assert [touched[IDS[rank - 1]] / touched[IDS[0]] for rank in (2, 10)] == pytest.approx([0.58, 0.14], abs=0.04)
    assert touched.keys() <= set(IDS)


def test_the_same_seed_gives_the_same_clicks_under_names_of_each_run() -> None:
    one, other = clicks(IDS, 50, 7, "a"), clicks(IDS, 50, 7, "b")
    assert [click.item_id for click in one] == [click.item_id for click in other]
    assert len({click.event_id for click in one + other}) == len(one + other)
    assert {click.session_id for click in one}.isdisjoint(click.session_id for click in other)


def test_a_click_is_given_its_time() -> None:
    [click, *_] = clicks(IDS, 1, 1, "run")
    assert shoppers.at(click, 1_700_000_000_000).ts == 1_700_000_000_000
