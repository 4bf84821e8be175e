"""Windows: whatever the sessions, every event is learned to be foretold once, from what came before it."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from serving.ranking.sessions import Sessions
from training.windows import Batch, Windows

LENGTHS = st.lists(st.integers(1, 130), max_size=12)
LENGTH = st.integers(2, 50)
SEED = st.integers(0, 2**32 - 1)


def sessions(lengths: list[int]) -> Sessions:
    """Event e touches item e, so that a batch tells which events are in it."""
    made = Sessions.listed([[0] * length for length in lengths], max(1, sum(lengths)))
    count = len(made.items)
    times = np.cumsum(np.arange(count, dtype=np.int64) % 7 * 500)
    return Sessions(np.arange(count, dtype=np.int32), made.types, times, made.starts, made.catalogue)


def cut(lengths: list[int], length: int) -> Windows:
    past = sessions(lengths)
    return Windows.cut(past, np.ones(len(past.items), dtype=np.float32), length)


def batches(windows: Windows, targets: int = 40, seed: int = 0) -> list[Batch]:
    return list(windows.batches(targets, np.random.default_rng(seed)))


def rows(batch: Batch) -> list[list[int]]:
    """The events of each window."""
    return [items[len(items) - length - 1 :].tolist() for items, length in zip(batch.items, batch.lengths, strict=True)]


@given(lengths=LENGTHS, length=LENGTH, seed=SEED)
def test_every_event_after_the_first_of_its_session_is_a_target_once(
    lengths: list[int], length: int, seed: int
) -> None:
    # given
    windows = cut(lengths, length)
    starts = windows.sessions.starts.tolist()

    # when
    targets = Counter[int]()
    for batch in batches(windows, seed=seed):
        targets.update(batch.items[:, 1:][batch.weights > 0].tolist())

    # then
    assert targets == Counter(set(range(sum(lengths))) - set(starts))


@given(lengths=LENGTHS, length=LENGTH)
def test_a_target_has_half_a_window_behind_it_or_its_whole_session(lengths: list[int], length: int) -> None:
    windows = cut(lengths, length)
    owners, starts = windows.sessions.owners, windows.sessions.starts
    for batch in batches(windows):
        for events, weights in zip(rows(batch), batch.weights, strict=True):
            for event in np.array(events[1:])[weights[-len(events) + 1 :] > 0].tolist():
                behind = event - events[0]
                assert behind >= min(event - starts[owners[event]], length // 2)
                assert behind <= length


@given(lengths=LENGTHS, length=LENGTH)
def test_a_window_stands_at_the_end_of_its_row_and_nothing_before_it_counts(lengths: list[int], length: int) -> None:
    windows = cut(lengths, length)
    owners, times = windows.sessions.owners, windows.sessions.times
    for batch in batches(windows):
        assert batch.items.shape[1] == batch.lengths.max() + 1
        for row, events in enumerate(rows(batch)):
            assert events == list(range(events[0], events[0] + len(events)))
            assert len(set(owners[events].tolist())) == 1
            before = batch.items.shape[1] - len(events)
            assert not batch.weights[row, :before].any()
            assert not batch.gaps[row, :before].any()
            # Seconds since the event before, be that in the window or not.
            begun = [event == 0 or owners[event - 1] != owners[event] for event in events]
            gaps = [
                0 if new else (times[event] - times[event - 1]) / 1000 for event, new in zip(events, begun, strict=True)
            ]
            assert batch.gaps[row, before:].tolist() == gaps


@given(lengths=LENGTHS, length=LENGTH, targets=st.integers(1, 500), seed=SEED)
def test_the_batches_hold_every_window_once_and_no_more_than_they_should(
    lengths: list[int], length: int, targets: int, seed: int
) -> None:
    # given
    windows = cut(lengths, length)
    wanted = Counter((begin, end) for begin, end in zip(windows.begins.tolist(), windows.ends.tolist(), strict=True))

    # when
    found = batches(windows, targets, seed)

    # then
    assert Counter((events[0], events[-1] + 1) for batch in found for events in rows(batch)) == wanted
    assert all(batch.lengths.sum() < targets + length for batch in found)


def test_another_chance_gives_another_order_and_the_same_chance_the_same() -> None:
    windows = cut([2, 3, 4, 5, 6] * 30, 50)
    orders = [[rows(batch) for batch in batches(windows, seed=seed)] for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]


def test_a_target_weighs_what_its_event_does() -> None:
    # given
    past = sessions([4, 3])

    # when
    [batch] = batches(Windows.cut(past, np.arange(7, dtype=np.float32)))

    # then
    weights = {events[0]: row[row > 0].tolist() for events, row in zip(rows(batch), batch.weights, strict=True)}
    assert weights == {0: [1, 2, 3], 4: [5, 6]}


def test_a_log_of_single_events_has_no_window() -> None:
    windows = cut([1, 1, 1], 50)
    assert len(windows) == 0
    assert batches(windows) == []
