"""The flags that verbs share, read and told again."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from nextclick.verbs.declare import log_flags, log_of, log_words, moment
from training.choice import Choice


def parsed(*words: str | Path) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    log_flags(parser)
    return parser.parse_args([str(word) for word in words])


@pytest.fixture
def events(tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    path.write_text("visitor,item_id,ts\ns,a,1700000000\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("text", ["1700000000", "1700000000000", "2023-11-14T22:13:20Z", "2023-11-14 22:13:20"])
def test_a_time_on_the_command_line_is_written_as_in_a_log(text: str) -> None:
    assert moment(text) == 1_700_000_000_000


def test_what_is_no_time_is_refused(events: Path) -> None:
    with pytest.raises(SystemExit):
        parsed(events, "--since", "yesterday")


def test_the_words_told_of_a_log_describe_it_again(events: Path) -> None:
    # given every flag
    flags = ["--map", "session_id=visitor", "--set", "type=cart", "--since", "2023-11-14", "--until", "1800000000"]
    arguments = parsed(events, *flags, "--dedupe", "--idle", "1800")

    # when
    again = parsed(*log_words(arguments))

    # then
    assert again == arguments
    assert log_of(again).choice == Choice(1_699_920_000_000, 1_800_000_000_000, True, 1_800_000)
    assert [click.type for click in log_of(again)] == ["cart"]


@pytest.mark.parametrize("flags", [["--samples"], ["--format", "sessions"]])
def test_a_log_without_a_clock_is_told_again_too(events: Path, flags: list[str]) -> None:
    arguments = parsed(events, *flags)
    assert parsed(*log_words(arguments)) == arguments
    assert not log_of(arguments).clocked
