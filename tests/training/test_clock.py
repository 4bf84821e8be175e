"""The times of a log: how they are written is found out, and nothing is taken for what it is not."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from schemas.errors import DataError
from tests.kit.logs import HEAD, MS, written
from training import lines, log
from training.clock import Clock


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


def test_rows_at_fault_before_the_first_sound_one_do_not_decide_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "BLOCK_BYTES", len(HEAD) + 4)
    found = log.read([written(tmp_path / "log.csv", HEAD + "s\n" * 10 + "s,a,1700000000\n")])
    assert [click.ts for click in found] == [MS]


@pytest.mark.parametrize(
    ("kind", "clock"),
    [(pl.Datetime("us"), Clock.ISO_UTC), (pl.Datetime("ns", "Europe/Berlin"), Clock.ISO), (pl.Date(), Clock.ISO_UTC)],
)
def test_the_times_of_parquet_are_read_as_they_are_stored(tmp_path: Path, kind: pl.DataType, clock: Clock) -> None:
    # given midnight in UTC
    day = pl.Series("ts", [1_699_920_000_000]).cast(pl.Datetime("ms"))
    zoned = day.dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin") if clock is Clock.ISO else day
    frame = pl.DataFrame({"session_id": ["s"], "item_id": ["a"], "ts": zoned.cast(kind)})
    frame.write_parquet(tmp_path / "log.parquet")

    # when
    found = log.read([tmp_path / "log.parquet"])

    # then
    assert [click.ts for click in found] == [1_699_920_000_000]
    assert found.clocks == {"log.parquet": clock}


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
