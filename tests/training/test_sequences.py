"""Logs that have sessions and no clock."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from schemas.errors import DataError, UsageError
from training import lines, log, past
from training.choice import Choice
from training.clock import Clock
from training.sequences import Layout

_DAY_MS = 86_400_000


def sessions(path: Path, text: str, layout: Layout) -> list[list[str]]:
    path.write_text(text, encoding="utf-8")
    found = past.gather(log.read([path], layout=layout), {}).past
    return [[found.table.ids[item] for item in found.sessions.of(at)] for at in range(len(found.sessions))]


def test_a_line_is_a_session(tmp_path: Path) -> None:
    text = "1 2 3\n\n4\t5  4\n6\n"
    assert sessions(tmp_path / "log.txt", text, Layout.SESSIONS) == [["1", "2", "3"], ["4", "5", "4"], ["6"]]


def test_times_are_laid_out_evenly_over_thirty_days_and_said_to_be_none(tmp_path: Path) -> None:
    # given two files
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("x y\n" * 5, encoding="utf-8")
    found = log.read([tmp_path / "a.txt", tmp_path / "b.txt"], layout=Layout.SESSIONS)

    # when
    gathered = past.gather(found, {}).past.sessions

    # then
    starts = gathered.times[gathered.starts[:-1]]
    assert {int(gap) for gap in starts[1:] - starts[:-1]} == {3 * _DAY_MS}
    assert not gathered.clocked
    assert set(found.clocks.values()) == {Clock.NONE}


@pytest.mark.parametrize("block", [10, 1_000_000])
def test_predictions_whose_prefixes_shrink_by_one_are_one_session(
    tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given three sessions, of which the last two begin alike
    monkeypatch.setattr(lines, "BLOCK_BYTES", block)
    text = "1 2 3\t4\n1 2\t3\n1\t2\n" + "5 6\t7\n5\t6\n" + "5\t6\n"

    # then
    assert sessions(tmp_path / "log.txt", text, Layout.SAMPLES) == [["1", "2", "3", "4"], ["5", "6", "7"], ["5", "6"]]


def test_a_line_that_is_no_prediction_is_counted(tmp_path: Path) -> None:
    # given
    path = tmp_path / "log.txt"
    path.write_text("1 2\t3\n1 2 3\n\t1\n1\t\n1\t2\t3\n1\t2 3\n", encoding="utf-8")
    found = log.read([path], layout=Layout.SAMPLES)

    # then
    assert [click.item_id for click in found] == ["1", "2", "3"]
    assert found.faults == {"cells": 5}


def test_they_are_decompressed_whatever_they_are_called(tmp_path: Path) -> None:
    path = tmp_path / "sessions.whatever.xz"
    path.write_bytes(lzma.compress(b"1 2\n"))
    assert [click.item_id for click in log.read([path], layout=Layout.SESSIONS)] == ["1", "2"]


def test_without_times_nothing_can_be_cut_at_one(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("1 2\n", encoding="utf-8")
    for choice in (Choice(since_ms=1), Choice(until_ms=1), Choice(idle_ms=1)):
        with pytest.raises(UsageError, match="times to cut at"):
            log.read([tmp_path / "log.txt"], layout=Layout.SESSIONS, choice=choice)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("\n", encoding="utf-8")
    with pytest.raises(DataError, match="no event"):
        past.gather(log.read([tmp_path / "log.txt"], layout=Layout.SESSIONS), {})
