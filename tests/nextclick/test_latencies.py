"""What is told of many latencies."""

from __future__ import annotations

from math import inf

from nextclick.bench.latencies import Latencies


def test_a_click_that_was_never_answered_took_for_ever() -> None:
    found = Latencies(100, [*(float(ms) for ms in range(1, 99)), inf, inf])
    assert found.shares_ms == {"p50": 50.0, "p90": 90.0, "p99": inf}
    assert (found.report()["p99_ms"], found.report()["unanswered"]) == (None, 2)


def test_each_click_is_in_one_bar_of_the_histogram() -> None:
    # given latencies on the edges of bars, and far beyond them
    found = Latencies(100, [0.5, 1.0, 1.1, 6.0, 10.0, 10.5, 2_000.0, inf])

    # then
    bars = {bar["to_ms"]: bar["clicks"] for bar in found.report()["histogram"]}
    assert sum(bars.values()) == 8
    assert {end: count for end, count in bars.items() if count} == {1: 2, 2: 1, 6: 1, 10: 1, 15: 1, None: 2}


def test_people_see_the_same() -> None:
    first, *bars = Latencies(1_000, [4.0, 4.0, 30.0, 30.0]).lines()
    assert first == "1,000 clicks/s: p50 4.0 ms, p90 30.0 ms, p99 30.0 ms; 0 of 4 unanswered"
    assert [bar.split() for bar in bars if "#" in bar] == [["to", ms, "ms", "2", "#" * 25] for ms in ("4", "50")]
