"""A crowd out of recorded sessions: everybody in their own order, nobody twice, without end."""

from __future__ import annotations

from collections import defaultdict
from itertools import islice

from nextclick.crowd import crowd
from schemas.click import Click, decode, encode
from schemas.wire import EpochMs


def recorded(*lengths: int) -> list[list[Click]]:
    return [
        [
            Click(event_id=f"{session}.{n}", session_id=f"s{session}", type="view", item_id=f"i{n}", ts=EpochMs(n))
            for n in range(length)
        ]
        for session, length in enumerate(lengths)
    ]


def test_shoppers_take_turns_and_the_next_one_takes_a_free_place() -> None:
    found = islice(crowd(recorded(1, 3, 2, 5), at_once=2), 6)
    assert [click.event_id for click in found] == ["0.0", "1.0", "2.0", "1.1", "2.1", "1.2"]


def test_everybody_clicks_what_was_recorded_in_its_order() -> None:
    found = defaultdict(list)
    for click in islice(crowd(recorded(3, 1, 4), at_once=3), 200):
        found[click.session_id].append(click.item_id)
    for session_id, items in found.items():
        length = {"s0": 3, "s1": 1, "s2": 4}[session_id.split("-")[0]]
        assert items == [f"i{n}" for n in range(length)][: len(items)]


def test_no_session_and_no_event_comes_back_when_the_records_begin_again() -> None:
    found = list(islice(crowd(recorded(3, 1, 4), at_once=5), 400))
    assert len({click.event_id for click in found}) == 400
    assert len({click.session_id for click in found}) > 100
    assert [decode(encode(click)) for click in found] == found
