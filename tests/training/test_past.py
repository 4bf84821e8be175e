"""Gathering: what of a log is learned from, in which order, and that it does not matter how long the log is."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.click import Click, encode
from schemas.errors import DataError
from schemas.item import Item
from schemas.wire import EpochMs
from serving.ranking.past import Past
from training import bots, lines, log, past, spool
from training.audit import audit
from training.choice import Choice
from training.log import EventLog
from training.sequences import Layout

MS = 1_700_000_000_123

#: session, item, ms after the first
Row = tuple[str, str, int]


def written(path: Path, rows: Sequence[Row], **more: object) -> EventLog:
    events = ({"session_id": session, "item_id": item, "ts": MS + after, **more} for session, item, after in rows)
    path.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    return log.read([path])


def told(gathered: Past) -> list[list[tuple[str, int]]]:
    """The sessions as their items and times."""
    sessions = gathered.sessions
    return [
        [
            (gathered.table.ids[int(sessions.items[at])], int(sessions.times[at]) - MS)
            for at in range(int(begin), int(end))
        ]
        for begin, end in zip(sessions.starts, sessions.starts[1:], strict=False)
    ]


def test_a_session_is_in_the_order_of_time_then_of_rows(tmp_path: Path) -> None:
    # given
    found = written(
        tmp_path / "log.ndjson", [("a", "4", 9), ("b", "1", 5), ("a", "2", 3), ("a", "1", 9), ("b", "0", 5)]
    )

    # then
    assert told(past.gather(found, {}).past) == [[("2", 3), ("4", 9), ("1", 9)], [("1", 5), ("0", 5)]]


def test_sessions_are_in_the_order_of_their_first_time_then_of_its_row(tmp_path: Path) -> None:
    rows = [("z", "1", 5), ("y", "2", 5), ("x", "3", 1), ("y", "4", 2)]
    found = written(tmp_path / "log.ndjson", rows)
    assert told(past.gather(found, {}).past) == [[("3", 1)], [("4", 2), ("2", 5)], [("1", 5)]]


def test_a_session_without_consent_is_not_learned_from(tmp_path: Path) -> None:
    # given
    path = tmp_path / "log.ndjson"
    clicks = [
        Click(event_id="1", session_id="a", type="view", ts=EpochMs(1), item_id="x"),
        Click(event_id="2", session_id="b", type="view", ts=EpochMs(1), item_id="y"),
        Click(event_id="3", session_id="b", type="view", ts=EpochMs(2), item_id="z", consent=False),
    ]
    path.write_bytes(b"".join(encode(click) + b"\n" for click in clicks))

    # when
    found = past.gather(log.read([path], fixed={"ts": str(MS)}), {})

    # then
    assert list(found.past.table.ids) == ["x"]
    assert found.left_out == {"consent": 1}


def test_what_is_no_deed_is_not_learned_from(tmp_path: Path) -> None:
    found = written(tmp_path / "log.ndjson", [("a", "x", 0), ("a", "y", 1)], type="remove")
    with pytest.raises(DataError, match="no event is left to learn from"):
        past.gather(found, {})


def test_items_of_the_catalogue_are_in_the_table_and_their_titles_too(tmp_path: Path) -> None:
    found = written(tmp_path / "log.ndjson", [("a", "x", 0)])
    table = past.gather(found, {"w": Item(item_id="w", title="Lamp")}).past.table
    assert list(table.ids) == ["w", "x"]
    assert list(table.titles) == ["Lamp", ""]


def test_in_a_log_without_a_clock_everything_is_there_from_the_beginning(tmp_path: Path) -> None:
    # given: times are made up for its sessions, in years of which the catalogue knows nothing
    catalogue = {"9": Item(item_id="9", created_at=EpochMs(MS * 2))}
    (tmp_path / "log.txt").write_text("1 2 9\n2 1\n", encoding="utf-8")

    # when
    found = past.gather(log.read([tmp_path / "log.txt"], layout=Layout.SESSIONS), catalogue).past.table
    dated = past.gather(written(tmp_path / "log.ndjson", [("a", "9", 0)]), catalogue).past.table

    # then
    assert (len(found.created_after(0)), len(dated.created_after(MS))) == (0, 1)


@pytest.mark.parametrize(
    ("sessions", "share"), [([[1, 2, 3]], 0.0), ([[1, 2, 1]], 0.5), ([[1, 1], [2, 3, 2]], 2 / 3), ([[1]], 0)]
)
def test_the_share_of_returns_is_counted(tmp_path: Path, sessions: list[list[int]], share: float) -> None:
    rows = [(f"s{at}", str(item), 0) for at, items in enumerate(sessions) for item in items]
    found = written(tmp_path / "log.ndjson", rows)
    assert past.gather(found, {}).repeat_share == pytest.approx(share)


def test_nobody_learns_from_a_bot_and_it_is_measured_all_the_same(tmp_path: Path) -> None:
    # given a crawler of fifty thousand clicks, a quick one, and a person who opens some tabs at once
    crawler = [("crawler", f"i{at % 500}", at * 60_000) for at in range(50_000)]
    quick = [("quick", f"i{at}", at * 900) for at in range(bots.VIEWS_MIN)]
    person = [("person", f"i{at}", at * 900) for at in range(bots.VIEWS_MIN - 1)]
    found = written(tmp_path / "log.ndjson", [*crawler[:10], *person, *quick, *crawler[10:]])

    # when
    learned, measured = past.gather(found, {}), past.gather(found, {}, bots=True)

    # then
    assert learned.left_out == {"bots": 2}
    assert told(learned.past) == [[(item, after) for _, item, after in person]]
    assert (len(measured.past.sessions), measured.left_out) == (3, {})


@pytest.mark.parametrize("more", [{"type": "purchase"}, {"ts": "2023-11-14"}])
def test_a_basket_and_a_clock_of_days_make_nobody_a_bot(tmp_path: Path, more: dict[str, str]) -> None:
    rows = [("s", f"i{at}", 0) for at in range(bots.VIEWS_MIN * 2)]
    found = past.gather(written(tmp_path / "log.ndjson", rows, **more), {})
    assert (len(found.past.sessions), found.left_out) == (1, {})


@pytest.mark.parametrize(
    ("choice", "sessions"),
    [
        (Choice(), ["ab", "cd", "e"]),
        (Choice(since_ms=MS + 5), ["cd", "e"]),
        (Choice(until_ms=MS + 9), ["a", "cd"]),
        (Choice(until_ms=MS + 8), ["a", "c"]),
        (Choice(since_ms=MS + 5, until_ms=MS + 20), ["cd"]),
        (Choice(idle_ms=3), ["a", "cd", "b", "e"]),
        (Choice(idle_ms=3, since_ms=MS + 7), ["b", "e"]),
    ],
)
def test_sessions_are_chosen_by_their_start_and_cut_where_they_are_told_to(
    tmp_path: Path, choice: Choice, sessions: list[str]
) -> None:
    # given
    rows = [("1", "a", 0), ("2", "c", 5), ("2", "d", 8), ("1", "b", 9), ("3", "e", 20)]
    path = tmp_path / "log.ndjson"
    written(path, rows)
    found = log.read([path], choice=choice)

    # when
    gathered = past.gather(found, {})

    # then
    assert ["".join(item for item, _ in session) for session in told(gathered.past)] == sessions
    assert sorted(click.item_id or "" for click in found) == sorted("".join(sessions))


def test_a_repeated_event_is_dropped_only_when_that_is_asked(tmp_path: Path) -> None:
    # given the same event id twice in one session, once in another, and a row without any
    path = tmp_path / "log.csv"
    rows = ["e1,s,a,1", "e1,s,a,2", "e1,t,b,3", ",s,c,4", ",s,c,4"]
    path.write_text("event_id,session_id,item_id,ts\n" + "\n".join(rows), encoding="utf-8")
    kept, dropped = log.read([path]), log.read([path], choice=Choice(dedupe=True))

    # then
    assert [len(past.gather(each, {}).past.sessions.items) for each in (kept, dropped)] == [5, 4]
    assert [click.ts for click in dropped] == [1_000, 3_000, 4_000, 4_000]


rows_of_any_order = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("uvwxyz"), st.integers(0, 20)), min_size=1, max_size=80
)


@given(rows_of_any_order)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_log_gathers_to_the_same_sessions_from_memory_and_from_files_in_blocks_of_any_size(
    tmp_path: Path, rows: list[Row]
) -> None:
    # given what it must be, row by row
    expected: dict[str, list[tuple[int, int, str]]] = {}
    for at, (session, item, after) in enumerate(rows):
        expected.setdefault(session, []).append((after, at, item))
    told_by_rows = [[(item, after) for after, _, item in sorted(events)] for events in expected.values()]
    firsts = [min(events) for events in expected.values()]
    expected_order = [told_by_rows[at] for at in np.lexsort(np.array([first[:2] for first in firsts])[:, ::-1].T)]
    found = written(tmp_path / "log.ndjson", rows)

    # when
    short = past.gather(found, {}).past
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool, "_HELD_MAX", 10)
        patch.setattr(lines, "BLOCK_BYTES", 100)
        long = past.gather(found, {}).past

    # then
    assert told(short) == told(long) == expected_order


def test_no_room_for_a_long_log_is_said_and_nothing_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    monkeypatch.setattr(spool, "_HELD_MAX", 1)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    found = written(tmp_path / "log.ndjson", [("a", "x", 0), ("b", "y", 1)])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spool, "_write", full)

    # then
    with pytest.raises(DataError, match="TMPDIR"):
        past.gather(found, {})
    assert [path.name for path in tmp_path.iterdir()] == ["log.ndjson"]


def test_the_files_of_a_long_log_are_gone_when_it_is_gathered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "_HELD_MAX", 1)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    past.gather(written(tmp_path / "log.ndjson", [("a", "x", 0), ("b", "y", 1)]), {})
    assert [path.name for path in tmp_path.iterdir()] == ["log.ndjson"]


@pytest.mark.parametrize(
    "choice", [Choice(until_ms=MS + 5), Choice(since_ms=MS, until_ms=MS + 2), Choice(idle_ms=3), Choice(dedupe=True)]
)
def test_consent_withdrawn_outside_of_what_is_chosen_is_withdrawn_all_the_same(tmp_path: Path, choice: Choice) -> None:
    # given: it is withdrawn late, after a silence, in an event that says it is the first once more
    path = tmp_path / "log.csv"
    rows = [f"s,a,{MS},1,true", f"s,b,{MS + 1},2,true", f"t,c,{MS},3,true", f"s,b,{MS + 9},1,false"]
    path.write_text("session_id,item_id,ts,event_id,consent\n" + "\n".join(rows), encoding="utf-8")

    # when
    found = past.gather(log.read([path], choice=choice), {})

    # then
    assert told(found.past) == [[("c", 0)]]
    assert found.left_out["consent"]


@pytest.mark.parametrize("choice", [Choice(since_ms=MS + 2), Choice(until_ms=MS), Choice(since_ms=MS + 10**9)])
def test_a_span_in_which_nothing_is_is_told_beside_that_of_the_log(tmp_path: Path, choice: Choice) -> None:
    path = tmp_path / "log.ndjson"
    written(path, [("s", "a", 0), ("s", "b", 1)])
    found = log.read([path], choice=choice)
    says = "from 2023-11-14T22:13:20.123.* to 2023-11-14T22:13:20.124"
    with pytest.raises(DataError, match=says):
        past.gather(found, {})
    assert re.search(says, audit(found, None).refused or "")
