"""Event logs: what is taken, what is left out and counted, what is refused."""

from __future__ import annotations

import gzip
import hashlib
import json
import lzma
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.errors import DataError, UsageError
from training import log, rows
from training.clock import Clock

HEAD = "session_id,item_id,ts\n"
MS = 1_700_000_000_000


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


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
    ]

    for file in files:
        # when
        found = log.read([file])
        clicks = list(found)

        # then
        assert [(click.session_id, click.item_id, click.ts) for click in clicks] == events, file
        assert {click.type for click in clicks} == {"view"}
        assert (found.events, found.faults.total()) == (3, 0)


@pytest.mark.parametrize(
    ("times", "clock", "read"),
    [
        (("1700000000", "1700000001.25"), Clock.SECONDS, (MS, MS + 1250)),
        ((str(MS), str(MS + 7)), Clock.MILLISECONDS, (MS, MS + 7)),
        (("2023-11-14T22:13:20Z", "2023-11-14T23:13:21+01:00"), Clock.ISO, (MS, MS + 1000)),
        (("2023-11-14 22:13:20", "2023-11-14 22:13:20.5"), Clock.ISO_UTC, (MS, MS + 500)),
    ],
)
def test_the_clock_of_a_log_is_detected_and_said(
    tmp_path: Path, times: tuple[str, str], clock: Clock, read: tuple[int, int]
) -> None:
    # given
    path = written(tmp_path / "log.csv", HEAD + "".join(f"s,a,{time}\n" for time in times))

    # when
    found = log.read([path])
    clicks = list(found)

    # then
    assert found.clocks == {"log.csv": clock}
    assert tuple(click.ts for click in clicks) == read


def test_one_odd_time_does_not_decide_the_clock(tmp_path: Path) -> None:
    path = written(tmp_path / "log.csv", HEAD + "s,a,12\n" + f"s,b,{MS}\n" * 3)
    found = log.read([path])
    assert [click.ts for click in found] == [MS, MS, MS]
    assert found.clocks == {"log.csv": Clock.MILLISECONDS}
    assert found.faults == {"ts": 1}


@pytest.mark.parametrize(
    ("usual", "read", "others"),
    [
        ("1700000000", MS, ["1700000000000", "1700000000000000", "1700000000000000000", "2023-11-14T22:13:20Z"]),
        ("1700000000000", MS, ["1700000000", "1700000000.5", "1700000000000000", "2023-11-14T22:13:20Z"]),
        ("2023-11-14T22:13:20Z", MS, ["1700000000", "1700000000000", "20231114"]),
        ("2023-11-14 22:13:20", MS, ["1700000000", "1700000000000", "20231114"]),
    ],
)
def test_a_time_in_another_unit_than_its_file_is_a_fault_and_never_a_thousand_times_off(
    tmp_path: Path, usual: str, read: int, others: list[str]
) -> None:
    # given the other units where nobody looks to tell how times are written
    rows_ = [f"s,a,{usual}\n"] * 150 + [f"s,b,{other}\n" for other in others]

    # when
    found = log.read([written(tmp_path / "log.csv", HEAD + "".join(rows_))])

    # then
    assert {click.ts for click in found} == {read}
    assert (found.events, found.faults) == (150, {"ts": len(others)})


def test_a_log_in_a_unit_that_is_not_known_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "log.csv", HEAD + "s,a,1700000000000000\n" * 3)
    with pytest.raises(DataError, match="ts 3"):
        list(log.read([path]))


@pytest.mark.parametrize("name", ["log.csv", "log.tsv"])
@pytest.mark.parametrize("stray", ['s,"b,TS', 's,b,"TS', '"s,b,TS', 's,"b"",TS', 's,"b","TS'])
def test_a_stray_quote_costs_its_own_row_and_no_other(tmp_path: Path, name: str, stray: str) -> None:
    # given
    good, wrong = f"s,a,{MS}\n", stray.replace("TS", str(MS)) + "\n"
    text = HEAD + good + wrong + good * 1000 + wrong + wrong + good + wrong
    path = written(tmp_path / name, text.replace(",", "\t") if name.endswith("tsv") else text)

    # when
    found = log.read([path])

    # then
    assert {click.item_id for click in found} == {"a"}
    assert (found.events, found.faults) == (1002, {"quote": 4})


def test_quotes_that_close_on_their_line_are_no_fault(tmp_path: Path) -> None:
    rows_ = f's,"b, ""c""",{MS}\ns,5" screen,{MS}\n"s","d",{MS}\n'
    found = log.read([written(tmp_path / "log.csv", HEAD + rows_)])
    assert [click.item_id for click in found] == ['b, "c"', '5" screen', "d"]
    assert found.faults.total() == 0


def test_a_header_that_names_a_column_twice_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "log.csv", f"session_id,item_id,ts,item_id\ns,a,{MS},b\n")
    with pytest.raises(DataError, match="item_id twice") as refused:
        list(log.read([path]))
    assert refused.value.reason == "columns"


def test_columns_without_a_name_are_nobodys(tmp_path: Path) -> None:
    [click] = log.read([written(tmp_path / "log.csv", f",session_id,item_id,ts,\n1,s,a,{MS},x\n")])
    assert click.item_id == "a"


def test_bad_rows_are_counted_by_what_is_wrong_with_them(tmp_path: Path) -> None:
    # given
    good = {"session_id": "s", "item_id": "a", "ts": MS}
    bad: list[bytes] = [
        b"{",
        b"[1]",
        b"\xff\xfe",
        b"[" * 50_000,
        b'{"item_id": "' + b"x" * rows.LINE_MAX_BYTES + b'"}',
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


def test_a_row_of_csv_with_too_few_cells_is_counted(tmp_path: Path) -> None:
    path = written(tmp_path / "log.csv", HEAD + f"s,a,{MS}\ns,a\n\ns,a,{MS},more\ns,b,{MS}\n")
    found = log.read([path])
    assert [click.item_id for click in found] == ["a", "b"]
    assert found.faults == {"cells": 2}


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


def test_a_large_log_is_never_held_whole(tmp_path: Path) -> None:
    # given
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
    ("name", "says"),
    [("log.parquet", "CSV or NDJSON"), ("log.csv.zst", "gzip or xz"), ("log", "ndjson"), ("log.gz", "ndjson")],
)
def test_a_file_of_another_kind_is_refused_before_it_is_opened(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        log.read([tmp_path / name])


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
