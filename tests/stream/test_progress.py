"""Laws of how far a partition has come."""

from __future__ import annotations

from stream.progress import FRESH_MS, Heard, Lane, Progress, is_fresh

NOW = 1_700_000_000_000


def assigned() -> Progress:
    progress = Progress()
    progress.assign([0], NOW)
    return progress


def look(progress: Progress, heard: Heard, now_ms: int = NOW) -> Lane:
    lanes = progress.look({0: heard}, now_ms)
    assert lanes is not None
    (lane,) = lanes
    return lane


def test_what_was_not_handed_over_and_what_was_not_acknowledged_both_count() -> None:
    progress = assigned()
    progress.read(0, 100, 139, NOW)
    assert look(progress, Heard(140, 200)).lag == 100

    for offset in range(100, 130):
        progress.acknowledged(0, offset, NOW, NOW)

    assert look(progress, Heard(140, 200)).lag == 70


def test_what_nobody_can_acknowledge_is_no_lag() -> None:
    """A transaction's marker after the last record; before the first, records that retention has removed."""
    progress = assigned()
    progress.read(0, 500, 500, NOW)
    progress.acknowledged(0, 500, NOW, NOW)

    assert look(progress, Heard(position=502, end=502, committed=100)).lag == 0


def test_a_partition_that_was_never_fetched_has_an_unknown_lag() -> None:
    assert look(assigned(), Heard()).lag is None
    assert look(assigned(), Heard(position=None, end=10)).lag is None
    assert look(assigned(), Heard(position=10, end=None)).lag is None


def test_a_partition_from_which_nothing_was_read_yet_lags_by_what_is_to_be_handed_over() -> None:
    assert look(assigned(), Heard(position=7, end=10)).lag == 3


def test_between_two_assignments_there_are_no_lanes_and_what_was_does_not_come_back() -> None:
    progress = Progress()
    assert progress.look({}, NOW) is None, "before the first"
    progress.assign([0, 1], NOW)
    progress.read(0, 0, 9, NOW)

    progress.revoke()
    assert progress.look({}, NOW) is None
    progress.acknowledged(0, 4, NOW, NOW)
    progress.read(0, 5, 9, NOW)

    progress.assign([0], NOW + 5)
    lane = look(progress, Heard(0, 0))
    assert (lane.assigned_at, lane.read, lane.acknowledged) == (NOW + 5, None, None)


def test_an_acknowledgement_moves_the_lane_also_backwards() -> None:
    progress = assigned()
    progress.acknowledged(0, 50, NOW, NOW + 1)
    progress.acknowledged(0, 20, NOW, NOW + 2)

    lane = look(progress, Heard(21, 60))

    assert (lane.acknowledged, lane.moved_at) == (20, NOW + 2)


def test_in_a_backlog_the_age_is_that_of_the_records() -> None:
    progress = assigned()
    progress.read(0, 0, 9, NOW - 60_000)
    assert look(progress, Heard(10, 1_000)).behind_s == 60

    progress.acknowledged(0, 0, NOW - 50_000, NOW)

    assert look(progress, Heard(10, 1_000)).behind_s == 50


def test_what_comes_after_a_pause_is_as_old_as_it_is_and_not_as_the_pause() -> None:
    progress = assigned()
    progress.read(0, 0, 0, NOW - 3_600_000)
    progress.acknowledged(0, 0, NOW - 3_600_000, NOW)
    assert look(progress, Heard(1, 1)).behind_s == 0

    assert look(progress, Heard(1, 2), NOW + 250).behind_s == 0.25


def test_of_what_is_not_known_to_have_come_at_all_the_age_counts_from_the_assignment() -> None:
    assert look(assigned(), Heard(7, 10), NOW + 2_000).behind_s == 2


def test_what_the_client_heard_long_ago_is_not_fresh() -> None:
    def heard(at: int | None) -> Lane:
        return look(assigned(), Heard(1, 1, at))

    assert is_fresh(heard(NOW - FRESH_MS), NOW)
    assert not is_fresh(heard(NOW - FRESH_MS - 1), NOW)
    assert not is_fresh(heard(None), NOW)
