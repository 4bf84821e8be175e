"""Event logs: what is taken, what is left out and counted, what is refused."""

from __future__ import annotations

import gzip
import hashlib
import json
import lzma
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cramjam
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import click as wire
from schemas.errors import DataError, UsageError
from tests.kit.logs import HEAD, MS, stored, written
from training import lines, log
from training.sequences import Layout


def test_a_log_says_the_same_in_every_form(tmp_path: Path) -> None:
    # given
    events = [("s1", "a", MS), ("s1", "b", MS + 5), ("s2", "ä, ö", MS + 9)]
    text = HEAD + "".join(f'{session},"{item}",{ts}\n' for session, item, ts in events)
    ndjson = "".join(
        json.dumps({"session_id": session, "item_id": item, "ts": ts}) + "\n" for session, item, ts in events
    )
    files = [
        written(tmp_path / "log.csv", text),
        written(tmp_path / "log.csv.gz", gzip.compress(text.encode())),
        written(tmp_path / "log.csv.xz", lzma.compress(text.encode())),
        written(tmp_path / "bom.csv", b"\xef\xbb\xbf" + text.encode()),
        written(tmp_path / "windows.csv", text.replace("\n", "\r\n")),
        written(tmp_path / "semicolon.csv", text.replace(",", ";").replace("; ", ", ")),
        written(tmp_path / "log.tsv", text.replace(",", "\t").replace("\t ", ", ")),
        written(tmp_path / "log.ndjson", ndjson),
        written(tmp_path / "log.jsonl.gz", gzip.compress(ndjson.encode())),
        written(tmp_path / "log.csv.zst", bytes(cramjam.zstd.compress(text.encode()))),
        written(
            tmp_path / "pieces.csv.zst",
            b"".join(cramjam.zstd.compress(part.encode()) for part in (text[:30], text[30:])),
        ),
        stored(tmp_path / "log.parquet", events),
    ]

    for file in files:
        # when
        found = log.read([file])
        clicks = list(found)

        # then
        assert [(click.session_id, click.item_id, click.ts) for click in clicks] == events, file
        assert {click.type for click in clicks} == {"view"}
        assert (found.events, found.faults.total()) == (3, 0)


def test_bad_rows_are_counted_by_what_is_wrong_with_them(tmp_path: Path) -> None:
    # given
    good = {"session_id": "s", "item_id": "a", "ts": MS}
    bad: list[bytes] = [
        b"{",
        b"[1]",
        b"\xff\xfe",
        b"[" * 50_000,
        b'{"item_id": "' + b"x" * lines.LINE_MAX_BYTES + b'"}',
        *(
            json.dumps(good | wrong).encode()
            for wrong in (
                {"session_id": "no blanks"},
                {"session_id": None},
                {"item_id": ""},
                {"type": "stare"},
                {"ts": "soon"},
                {"ts": -1},
                {"ts": 1e300},
                {"schema": "nextclick.click/9"},
            )
        ),
        json.dumps({"ts": MS, "item_id": "a"}).encode(),
    ]
    path = written(tmp_path / "log.ndjson", b"\n".join([json.dumps(good).encode(), *bad, json.dumps(good).encode()]))

    # when
    found = log.read([path])
    clicks = list(found)

    # then
    assert len(clicks) == found.events == 2
    assert found.faults == Counter(
        {
            "not_json": 3,
            "encoding": 1,
            "too_large": 1,
            "session_id": 3,
            "item_id": 1,
            "type": 1,
            "ts": 3,
            "schema": 1,
        }
    )


def test_columns_are_renamed_and_filled(tmp_path: Path) -> None:
    # given
    path = written(tmp_path / "log.csv", f"visitor,StockCode,ts,type\n17,85123A,{MS},x\n")

    # when
    [click] = log.read([path], {"session_id": "visitor", "item_id": "StockCode"}, {"type": "purchase"})

    # then
    assert (click.session_id, click.item_id, click.type) == ("17", "85123A", "purchase")


def test_ids_that_are_numbers_are_taken_as_text(tmp_path: Path) -> None:
    path = written(tmp_path / "log.ndjson", json.dumps({"session_id": 5, "item_id": 7, "ts": MS}))
    [click] = log.read([path])
    assert (click.session_id, click.item_id) == ("5", "7")


def test_an_event_of_ours_comes_back_whole(tmp_path: Path) -> None:
    # given
    event = {
        "schema": "nextclick.click/1",
        "event_id": "e1",
        "session_id": "s",
        "type": "impression",
        "ts": MS,
        "items": ["a", "b"],
        "consent": False,
        "attrs": {"page": 2},
    }

    # when
    [click] = log.read([written(tmp_path / "log.ndjson", json.dumps(event))])

    # then
    assert (click.event_id, click.items, click.consent, click.attrs) == ("e1", ("a", "b"), False, {"page": 2})


def test_rows_without_an_id_are_all_distinct_and_keep_theirs(tmp_path: Path) -> None:
    # given
    first = written(tmp_path / "a.csv", HEAD + f"s,a,{MS}\n" * 5)
    second = written(tmp_path / "b.csv", HEAD + f"s,a,{MS}\n" * 5)

    # when
    ids = [click.event_id for click in log.read([first, second])]

    # then
    assert len(set(ids)) == 10
    assert ids == [click.event_id for click in log.read([first, second])]


@pytest.mark.parametrize("layout", [Layout.SESSIONS, Layout.SAMPLES])
def test_events_of_one_line_and_of_files_of_one_name_are_all_distinct(tmp_path: Path, layout: Layout) -> None:
    # given
    (tmp_path / "other").mkdir()
    paths = [written(folder / "log.txt", "a a\tb\n\nc c\td\n") for folder in (tmp_path, tmp_path / "other")]

    # when
    ids = [click.event_id for click in log.read(paths, layout=layout)]

    # then
    assert len(set(ids)) == len(ids) == 12
    assert ids[:6] == [click.event_id for click in log.read(paths[:1], layout=layout)]


def test_the_hash_is_of_the_bytes_of_all_files(tmp_path: Path) -> None:
    # given
    data = gzip.compress((HEAD + f"s,a,{MS}\n").encode())
    paths = [written(tmp_path / "a.csv.gz", data), written(tmp_path / "b.csv.gz", data)]
    found = log.read(paths)

    # when
    for _ in range(2):
        list(found)

    # then
    assert found.sha256 == hashlib.sha256(data + data).hexdigest()


def test_a_large_log_is_never_held_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    monkeypatch.setattr(lines, "BLOCK_BYTES", 10_000)
    path = written(tmp_path / "log.csv", HEAD + f"s,a,{MS}\n" * 50_000)
    found = log.read([path])

    # when: the first event is asked for
    next(iter(found))

    # then
    assert found.sha256 != hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("log.csv", b"", "no column"),
        ("log.csv", HEAD.encode(), "no event"),
        ("log.csv", b"visitor,item_id,ts\n1,2,3\n", "--map"),
        ("log.ndjson", b"", "no event"),
        ("log.ndjson", b'{"a": 1}\n', "at fault: ts 1"),
        ("log.csv.gz", b"not gzip", "damaged"),
        ("log.csv.gz", gzip.compress(HEAD.encode() * 9000)[:-20], "damaged"),
        ("log.csv.zst", b"not zstd", "damaged"),
        ("log.csv.zst", b"", "damaged"),
        ("log.csv.zst", bytes(cramjam.zstd.compress(HEAD.encode() * 9000))[:-5], "damaged"),
        ("log.parquet", b"not Parquet", "no Parquet"),
        ("log.parquet", b"", "no Parquet"),
        ("log.csv", random.Random(0).randbytes(100_000), "no column"),
        ("log.ndjson", random.Random(0).randbytes(100_000), "at fault: encoding"),
        ("log.csv.xz", b"not xz", "damaged"),
        ("log.csv.xz", lzma.compress(HEAD.encode() * 9000)[:-20], "damaged"),
    ],
)
def test_a_log_without_an_event_is_refused(tmp_path: Path, name: str, data: bytes, says: str) -> None:
    path = written(tmp_path / name, data)
    with pytest.raises(DataError, match=says) as refused:
        list(log.read([path]))
    assert str(path) in str(refused.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda path: log.read([path.with_name("absent.csv")]),
        lambda path: log.read([path], {"visitor": "x"}),
        lambda path: log.read([path], fixed={"visitor": "x"}),
    ],
    ids=("absent file", "unknown field mapped", "unknown field set"),
)
def test_what_does_not_exist_is_refused_at_once(tmp_path: Path, call: Callable[[Path], object]) -> None:
    with pytest.raises(UsageError):
        call(written(tmp_path / "log.csv", HEAD))


def test_a_column_that_was_mapped_must_be_there(tmp_path: Path) -> None:
    path = written(tmp_path / "log.csv", HEAD + f"s,a,{MS}\n")
    with pytest.raises(DataError, match="no column shopper"):
        list(log.read([path], {"user_id": "shopper"}))


@pytest.mark.parametrize(
    "shown", ["5", '"a"', '"[a"', '["a", {"b": 1}]', "[null]", '[""]', '[["a"]]', json.dumps(["a"] * 31), '{"a": 1}']
)
def test_what_is_no_list_of_items_costs_its_own_row(tmp_path: Path, shown: str) -> None:
    # given
    event = f'{{"session_id":"s","type":"impression","ts":{MS},"items":'
    good, bad = event + r'["a","b\\\"c"]}', event + shown + "}"

    # when
    found = log.read([written(tmp_path / "log.ndjson", f"{good}\n{bad}\n{good}\n")])

    # then
    assert [click.items for click in found] == [("a", 'b\\"c')] * 2
    assert found.faults == {"items": 1}


def test_attributes_that_are_none_cost_their_own_row(tmp_path: Path) -> None:
    events = [{"session_id": "s", "item_id": "a", "ts": MS, "attrs": attrs} for attrs in ({"a\\": '"'}, {"b": [1]}, 5)]
    found = log.read([written(tmp_path / "log.ndjson", "".join(json.dumps(event) + "\n" for event in events))])
    assert [click.attrs for click in found] == [{"a\\": '"'}]
    assert (found.events, found.faults) == (1, {"attrs": 2})


_values = st.sampled_from(
    ["a b", "", "ä", "cart", "x" * 65, "y" * 129, "a\n", "\x7f", "true", MS, -1, 1.5, None, True, ["a"], {"a": 1}, []]
)


_events = st.fixed_dictionaries(
    {
        "session_id": st.just("s") | _values,
        "item_id": st.just("a") | _values,
        "ts": st.sampled_from([MS, MS, None, -1, "soon"]),
    },
    optional={
        **dict.fromkeys(
            ("type", "event_id", "consent", "user_id", "market", "placement", "recommendation_id"), _values
        ),
        "items": st.sampled_from([["a"], ["a", ""], [5], [[]]]) | _values,
        "schema": st.sampled_from(["nextclick.click/1", "x"]),
    },
)


@given(st.lists(_events, min_size=1, max_size=6))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_columns_are_held_to_the_rules_of_a_single_click(tmp_path: Path, events: list[dict[str, object]]) -> None:
    """Read together or each by itself, the same events are taken: one row at fault touches no other."""
    # given
    text = [json.dumps(event, ensure_ascii=False) for event in events]
    alone = []
    for at, line in enumerate(text):
        try:
            alone += list(log.read([written(tmp_path / "one.ndjson", "\n" * at + line)]))
        except DataError:
            continue

    # when
    try:
        together = list(log.read([written(tmp_path / "one.ndjson", "\n".join(text))]))
    except DataError:
        together = []

    # then
    assert together == alone
    for click in together:
        assert wire.decode(wire.encode(click)) == click


def test_what_is_at_fault_is_told_with_its_first_row_and_value(tmp_path: Path) -> None:
    # given
    rows = ["s,a,1700000000", "s,a,soon", "s,a,later", f"{'x' * 200}\x1b,a,1700000000", "s,,1700000000"]
    found = log.read([written(tmp_path / "log.csv", HEAD + "\n".join(rows))])

    # when
    list(found)

    # then
    assert found.at_fault.startswith("ts 2 (first in row 3: 'soon'), ")
    assert f"session_id 1 (first in row 5: '{'x' * 40}...')" in found.at_fault
    assert "item_id 1 (first in row 6: nothing)" in found.at_fault


def test_a_log_most_of_whose_types_are_none_of_ours_is_refused_with_what_it_has(tmp_path: Path) -> None:
    # given
    rows = [f"s,a,{MS},{kind}" for kind in ("view", "detail\x1b", "detail\x1b", "add_to_cart")]
    path = written(tmp_path / "log.csv", "session_id,item_id,ts,type\n" + "\n".join(rows))

    # then
    with pytest.raises(DataError, match=r"3 rows .*'detail\\x1b' 2, 'add_to_cart' 1; .*view, cart.*--set type=view"):
        list(log.read([path]))
    assert len(list(log.read([path], fixed={"type": "view"}))) == 4
