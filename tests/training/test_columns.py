"""Files of rows: what is wrong with one costs that one, and a file that is none is refused."""

from __future__ import annotations

import gzip
import lzma
from datetime import UTC, datetime
from pathlib import Path

import cramjam
import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from schemas.errors import DataError, UsageError
from tests.kit.logs import HEAD, MS, stored, written
from training import lines, log
from training.clock import Clock
from training.sequences import Layout


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


def test_quotes_that_close_on_their_line_are_no_fault_and_change_no_order(tmp_path: Path) -> None:
    rows_ = f's,"b, ""c""",{MS}\ns,e,{MS}\ns,5" screen,{MS}\n"s","d",{MS}\n'
    found = log.read([written(tmp_path / "log.csv", HEAD + rows_)])
    assert [click.item_id for click in found] == ['b, "c"', "e", '5" screen', "d"]
    assert found.faults.total() == 0


def test_a_header_that_names_a_column_twice_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "log.csv", f"session_id,item_id,ts,item_id\ns,a,{MS},b\n")
    with pytest.raises(DataError, match="item_id twice") as refused:
        list(log.read([path]))
    assert refused.value.reason == "columns"


def test_columns_without_a_name_are_nobodys(tmp_path: Path) -> None:
    [click] = log.read([written(tmp_path / "log.csv", f",session_id,item_id,ts,\n1,s,a,{MS},x\n")])
    assert click.item_id == "a"


def test_a_row_of_csv_with_too_few_cells_is_counted(tmp_path: Path) -> None:
    path = written(tmp_path / "log.csv", HEAD + f"s,a,{MS}\ns,a\n\ns,a,{MS},more\ns,b,{MS}\n")
    found = log.read([path])
    assert [click.item_id for click in found] == ["a", "b"]
    assert found.faults == {"cells": 2}


def test_a_parquet_file_that_is_cut_in_the_middle_is_refused(tmp_path: Path) -> None:
    # given
    path = stored(tmp_path / "log.parquet", [("s", f"i{at}", MS + at) for at in range(10_000)])
    data = path.read_bytes()
    path.write_bytes(data[:1000] + bytes(2000) + data[3000:])

    # then
    with pytest.raises(DataError, match="damaged"):
        list(log.read([path]))


def test_parquet_keeps_its_own_times_and_numbers_are_ids(tmp_path: Path) -> None:
    # given
    moment = datetime(2023, 11, 14, 22, 13, 20, 500_000, tzinfo=UTC)
    frame = pl.DataFrame(
        {"session_id": [5, 5], "item_id": [7.0, None], "ts": [moment, moment], "type": ["cart", "impression"],
         "items": [None, ["a", "b"]], "consent": [True, False]}
    )  # fmt: skip
    frame.write_parquet(tmp_path / "log.parquet")
    found = log.read([tmp_path / "log.parquet"])

    # when
    cart, shown = found

    # then
    assert (cart.session_id, cart.item_id, cart.ts, cart.type) == ("5", "7", MS + 500, "cart")
    assert (shown.items, shown.consent) == (("a", "b"), False)
    assert found.clocks == {"log.parquet": Clock.ISO}


def test_rows_of_parquet_stand_in_the_order_of_the_file_however_it_is_laid_out(tmp_path: Path) -> None:
    # given: hundreds of groups that threads may finish in any order, and one moment for all
    ids = [f"i{at}" for at in range(60_000)]
    frame = pl.DataFrame({"session_id": ["s"] * len(ids), "item_id": ids, "ts": [MS] * len(ids)})
    frame.write_parquet(tmp_path / "log.parquet", row_group_size=97)

    # then
    assert [click.item_id for click in log.read([tmp_path / "log.parquet"])] == ids


def test_an_id_is_no_list_and_no_object_but_may_look_like_one(tmp_path: Path) -> None:
    rows = ['"[a"', '["a"]', '{"a": 1}', '"{a}"']
    text = "".join(f'{{"session_id":"s","ts":{MS},"item_id":{item}}}\n' for item in rows)
    found = log.read([written(tmp_path / "log.ndjson", text)])
    assert [click.item_id for click in found] == ["[a", "{a}"]
    assert found.faults == {"item_id": 2}


def test_a_line_without_end_fills_no_memory_and_costs_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a line that goes through many blocks
    monkeypatch.setattr(lines, "BLOCK_BYTES", 50_000)
    text = HEAD + f"s,a,{MS}\ns," + "x" * 400_000 + f",{MS}\ns,b,{MS}\n"
    found = log.read([written(tmp_path / "log.csv", text)])

    # then
    assert [click.item_id for click in found] == ["a", "b"]
    assert found.faults == {"too_large": 1}


def packed(data: bytes, ending: str) -> bytes:
    if ending == ".gz":
        return gzip.compress(data)
    if ending == ".xz":
        return lzma.compress(data)
    return bytes(cramjam.zstd.compress(data)) if ending == ".zst" else data


@pytest.mark.parametrize("ending", ["", ".gz", ".xz", ".zst"])
@pytest.mark.parametrize("name", ["log.csv", "log.tsv", "log.ndjson", "log.parquet", "log.txt"])
@given(data=st.binary(max_size=400))
@example(data=b"session_id,item_id,ts\ns,a,1700000000\n\xff,\x00\n")
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_in_a_file_gives_events_or_one_sentence(
    tmp_path: Path, name: str, ending: str, data: bytes
) -> None:
    layout = Layout.SAMPLES if name == "log.txt" else Layout.EVENTS
    if name == "log.parquet" and ending:
        return
    for content in (data, packed(data, ending)):
        try:
            clicks = list(log.read([written(tmp_path / f"{name}{ending}", content)], layout=layout))
        except DataError:
            continue
        assert clicks


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("log.xlsx", "parquet"),
        ("log.csv.bz2", "zst"),
        ("log", "ndjson"),
        ("log.gz", "ndjson"),
        ("a.parquet.gz", "ndjson"),
    ],
)
def test_a_file_of_another_kind_is_refused_before_it_is_opened(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        log.read([tmp_path / name])
