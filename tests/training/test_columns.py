"""Files of rows: what is wrong with one costs that one, and a file that is none is refused."""

from __future__ import annotations

import gzip
import lzma
from collections import Counter
from contextlib import suppress
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
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_in_a_file_gives_events_or_one_sentence(
    tmp_path: Path, name: str, ending: str, data: bytes
) -> None:
    layout = Layout.SAMPLES if name == "log.txt" else Layout.EVENTS
    if name == "log.parquet" and ending:
        return
    for content in {data, packed(data, ending)}:
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


@pytest.mark.parametrize("ending", [".gz", ".xz", ".zst"])
def test_what_was_packed_in_pieces_is_read_whole_or_refused(tmp_path: Path, ending: str) -> None:
    # given
    first, second = HEAD + f"s,a,{MS}\n" * 100_000, f"s,b,{MS}\n" * 100_000
    begun, ended = packed(first.encode(), ending), packed(second.encode(), ending)
    padding = bytes(8) if ending == ".xz" else b""
    whole = written(tmp_path / f"whole.csv{ending}", begun + padding + ended + padding)
    broken = [ended[:-9], bytes([ended[0] ^ 1]) + ended[1:], b"trailing"]
    if ending != ".zst":  # its packers may leave out the checksum
        broken.append(ended[:-20] + bytes([ended[-20] ^ 1]) + ended[-19:])

    # then
    assert sum(map(len, log.read([whole]).frames())) == 200_000
    for second_piece in broken:
        with pytest.raises(DataError, match="damaged"):
            list(log.read([written(tmp_path / f"broken.csv{ending}", begun + padding + second_piece)]).frames())


def test_a_small_file_of_many_short_lines_is_read_in_small_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    monkeypatch.setattr(lines, "_LINES_MAX", 100)
    short = "\n" * 10_000
    path = written(tmp_path / "log.csv.gz", gzip.compress((HEAD + short + f"s,a,{MS}\n" + short + "x" * 300).encode()))

    # then
    blocks = list(lines.Lines(path, Counter()))
    assert len(blocks) > 200
    assert [row for block in blocks for row in block["row"]] == [1, 10_002, 20_003]
    assert [click.item_id for click in log.read([path])] == ["a"]


@pytest.mark.parametrize("name", ["log.csv", "log.tsv"])
def test_line_ends_of_an_old_macintosh_are_named(tmp_path: Path, name: str) -> None:
    path = written(
        tmp_path / name, f"session_id,item_id,ts\rs,a,{MS}\rs,b,{MS}\r".replace(",", "\t,"[name == "log.csv"])
    )
    with pytest.raises(DataError, match="old Macintosh") as refused:
        list(log.read([path]))
    assert str(path) in str(refused.value)


def test_a_row_that_is_shorter_than_its_header_takes_no_room_for_what_it_has_not(tmp_path: Path) -> None:
    # given 8,000 columns, and rows that would be 13 GB of empty cells
    head = "session_id,item_id,ts" + "".join(f",c{at}" for at in range(8_000))
    whole = f"s,a,{MS}" + "," * 8_000
    found = log.read([written(tmp_path / "log.csv", "\n".join([head, *["x"] * 100_000, whole]))])

    # then
    assert [click.item_id for click in found] == ["a"]
    assert found.faults == {"cells": 100_000}


def test_a_name_with_signs_of_a_pattern_is_the_name_of_one_file(tmp_path: Path) -> None:
    for name in ("log[1].parquet", "log1.parquet", "a=b.parquet"):
        stored(tmp_path / name, [("s", name, MS)])
    assert [click.item_id for click in log.read([tmp_path / "log[1].parquet"])] == ["log[1].parquet"]
    assert [click.item_id for click in log.read([tmp_path / "a=b.parquet"])] == ["a=b.parquet"]


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("item_id", {"a": 1}),
        ("ts", [1.5, 2.0]),
        ("event_id", b"\xff\xfe"),
        ("consent", 1),
        ("items", {"a": 1}),
        ("items", [["x"]]),
        ("items", [{"a": "x"}]),
        ("attrs", {"a": 1}),
        ("attrs", [["x"]]),
    ],
)
def test_columns_of_any_kind_give_events_or_one_sentence(tmp_path: Path, field: str, values: object) -> None:
    # given
    columns: dict[str, object] = {"session_id": "s", "item_id": "a", "ts": MS, "type": "impression"}
    pl.DataFrame({name: [value] for name, value in (columns | {field: values}).items()}).write_parquet(
        tmp_path / "log.parquet"
    )

    # then
    with suppress(DataError):
        assert list(log.read([tmp_path / "log.parquet"]))


@pytest.mark.parametrize("deed", ["os.abort()", "raise BaseException('a panic')", "sys.exit(0)"])
def test_a_decoder_that_breaks_down_costs_the_file_and_not_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deed: str
) -> None:
    # given: the decoder's library does as it does with some damaged files, once it is loaded in a process of its own
    path = stored(tmp_path / "log.parquet", [("s", "a", MS)])
    (tmp_path / "sitecustomize.py").write_text(
        f"import os, sys\nif 'training.stored' in sys.orig_argv:\n    {deed}\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)

    # then
    with pytest.raises(DataError, match="damaged") as refused:
        list(log.read([path]))
    assert "\n" not in str(refused.value)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_in_parquet_gives_events_or_one_sentence(tmp_path: Path, place: float, bit: int) -> None:
    path = stored(tmp_path / "log.parquet", [("s", f"i{at % 9}", MS + at) for at in range(300)])
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    path.write_bytes(data)
    with suppress(DataError):
        list(log.read([path]))
