"""Laws of where reading goes on: whatever copy of the sessions comes back, it becomes whole again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import InvariantError
from serving.state.memory import MemorySessionStore
from serving.state.watermarks import Survey, Watermark, Word
from stream.rewind import Cause, Reach, reach, safety_ms, start
from tests.kit.successors import HOUR_MS, LANE, SAFETY_MS, STEP_MS, T0, World


def words(*marks: tuple[int, int, bool] | None) -> list[Word | None]:
    return [None if mark is None else Word(Watermark(mark[0], mark[1]), mark[2]) for mark in marks]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param(words((9, T0, True)), Reach(Cause.BEHIND, 10, None, T0), id="nothing lost"),
        pytest.param(
            words((9, T0, True), (7, T0 - 5, True)), Reach(Cause.BEHIND, 8, None, T0 - 5), id="the lowest of several"
        ),
        pytest.param(
            words((9, T0, False)), Reach(Cause.REPLACED, 10, T0 - SAFETY_MS, T0 - SAFETY_MS), id="a server was replaced"
        ),
        pytest.param(
            words((9, T0, True), None), Reach(Cause.MISSING, 10, T0 - 23 * HOUR_MS, T0 - 23 * HOUR_MS), id="one is gone"
        ),
        pytest.param(words(None), Reach(Cause.MISSING, None, T0 - 23 * HOUR_MS, T0 - 23 * HOUR_MS), id="all are gone"),
        pytest.param(
            words((9, T0 - 30 * HOUR_MS, False), None),
            Reach(Cause.MISSING, 10, T0 - 30 * HOUR_MS - SAFETY_MS, T0 - 30 * HOUR_MS - SAFETY_MS),
            id="gone and replaced: what reaches farther back",
        ),
    ],
)
def test_how_far_back_watermarks_make_us_go(said: list[Word | None], expected: Reach) -> None:
    assert reach(said, T0 + HOUR_MS, SAFETY_MS) == expected


FIRST = 100


@pytest.mark.parametrize(
    ("committed", "offset", "since", "expected"),
    [
        pytest.param(500, 500, None, 500, id="committed"),
        pytest.param(500, 480, None, 480, id="a watermark that lags"),
        pytest.param(500, 520, None, 500, id="a commit that lags"),
        pytest.param(500, 480, 300, 300, id="a rewind"),
        pytest.param(500, 480, 490, 480, id="records later than the watermark"),
        pytest.param(500, None, None, 500, id="no watermark, and nothing in the time"),
        pytest.param(500, 480, 20, 100, id="never before the log's start"),
        pytest.param(50, 50, None, 100, id="what was deleted"),
        pytest.param(None, 480, 700, 100, id="a new group reads all there is"),
    ],
)
def test_where_reading_goes_on(committed: int | None, offset: int | None, since: int | None, expected: int) -> None:
    begun = start(committed, FIRST, Reach(Cause.BEHIND, offset, None, T0), since)

    assert begun.offset == expected
    assert begun.mark.offset == expected - 1, "what lies before is claimed as folded, and nothing more"


def test_a_failover_is_rewound_by_one_and_a_half_of_what_it_may_lose_and_15_s_at_least() -> None:
    assert [safety_ms(lag) for lag in (1, 10, 11, 60)] == [15_000, 15_000, 16_500, 90_000]


def test_a_new_group_reads_the_log_from_its_start() -> None:
    world = World(20)

    assert world.position == 0
    assert world.rewinds("missing") == 0, "nothing was there to be lost"


def test_where_nothing_was_lost_the_next_worker_goes_on_at_the_committed_offset() -> None:
    world = World(100)
    world.fold(60)
    world.write()

    assert world.start_worker() == 60
    assert world.lanes.again == {LANE: 0}


def test_a_watermark_that_was_not_written_for_a_while_is_read_again_from() -> None:
    world = World(100)
    world.fold(40)
    world.write()
    world.fold(20)

    assert world.start_worker() == 40
    assert world.rewinds("behind") == 1
    assert world.lanes.again == {LANE: 0}, "nothing was lost, so nobody need be told again"


def test_an_older_copy_is_noticed_before_anything_is_folded_onto_it_and_made_whole() -> None:
    world = World(200)
    world.fold(100)
    world.write()
    older = world.saved()
    world.fold(50)
    world.write()

    world.restore(older)
    with pytest.raises(InvariantError, match="replication id"):
        world.fold(10)
    begun = world.start_worker()

    assert begun == 100 - 1 - SAFETY_MS // STEP_MS, "so long before the copy's own watermark"
    assert world.rewinds("replaced") == 1
    assert world.lanes.again == {LANE: 150}
    world.finish()
    assert world.differs() == []


def test_without_the_rewind_an_older_copy_stays_wrong() -> None:
    """What the test above would not notice, it would not prove."""
    world = World(200)
    world.fold(100)
    older = world.saved()
    world.fold(50)

    world.restore(older)
    world.store._known = frozenset()
    world.finish()

    assert len(world.differs()) == 5 + 3, "every session, and every user"


def test_an_idle_worker_notices_a_failover_when_it_writes_its_watermarks() -> None:
    world = World(100)
    world.fold(50)
    world.restore(world.saved())

    with pytest.raises(InvariantError, match="replication id"):
        world.write()


def test_a_store_that_was_emptied_is_noticed_and_made_anew_though_some_was_folded_onto_it() -> None:
    world = World(200)
    world.fold(100)
    world.write()

    world.flush()
    world.fold(20)
    assert world.differs() != []
    with pytest.raises(InvariantError, match="emptied"):
        world.write()
    begun = world.start_worker()

    assert begun == 0
    assert world.rewinds("missing") == 1
    world.finish()
    assert world.differs() == []


def test_a_profile_that_outlived_the_loss_is_kept_since_most_of_it_is_older_than_what_is_read_again() -> None:
    """One shard of several was emptied: its profiles are begun anew, and those of the others have lost nothing."""
    world = World(200)
    world.fold(100)
    world.write()
    older = world.store._profiles["u1"]
    del world.store._profiles["u2"]

    world.store._watermarks.clear()
    world.fold(20)
    with pytest.raises(InvariantError, match="emptied"):
        world.write()

    kept = world.store._profiles
    assert set(kept) == {"u0", "u1"}, "begun onto nothing, its guard would hide what went before"
    assert len(kept["u1"].liked) >= len(older.liked)


def test_an_emptied_store_is_made_anew_from_the_last_24_hours_alone() -> None:
    world = World(100)
    world.fold(100)
    world.now = T0 + 24 * HOUR_MS + 30 * STEP_MS
    world.flush()

    assert world.start_worker() == 30


def test_a_worker_that_dies_amid_a_rewind_leaves_the_rest_of_it_to_the_next() -> None:
    world = World(200)
    world.fold(150)
    world.write()
    world.flush()
    world.start_worker()
    world.fold(40)
    world.write()

    assert world.start_worker() == 40
    world.finish()
    assert world.differs() == []


def test_the_consumer_that_asks_again_goes_on_where_it_is_folded() -> None:
    """Faust seeks twice when a fetch is under way during a rebalance; the second time must not undo the rewind."""
    world = World(200)
    world.fold(100)
    world.flush()
    world.start_worker()
    world.fold(30)

    again = asyncio.run(world.rewind.begin(world.generation, {0: 100}))

    assert again == {0: 30}


class Contested(MemorySessionStore):
    """Between a worker's survey and its claim another claims the lane."""

    async def survey(self, lanes: Sequence[str]) -> Survey:
        found = await super().survey(lanes)
        if self.once:
            self.once = False
            await super().claim(found, {LANE: Watermark(9, T0)}, "another")
        return found

    once = True


def test_a_lane_is_surveyed_again_when_another_claimed_it_meanwhile() -> None:
    world = World(50)
    world.fold(20)
    world.store = Contested()

    assert world.start_worker() == 10


def test_what_left_kafka_before_it_was_folded_is_counted_as_lost() -> None:
    world = World(100)
    world.fold(50)
    world.write()
    world.log.delete(0, before=70)

    assert world.start_worker() == 70
    assert world.metrics.registry.get_sample_value("nextclick_lost_records_total") == 20


def test_what_left_kafka_after_it_was_folded_is_not_lost() -> None:
    world = World(100)
    world.fold(30)
    world.write()
    world.fold(20)
    world.log.delete(0, before=50)

    assert world.start_worker() == 50
    assert world.metrics.registry.get_sample_value("nextclick_lost_records_total") == 0


def test_a_topic_that_was_made_anew_is_noticed_at_an_assignment() -> None:
    world = World(10)
    world.log.is_another = True

    with pytest.raises(InvariantError, match="made anew"):
        world.start_worker()


def test_a_worker_that_no_longer_owns_a_partition_leaves_its_watermark_alone() -> None:
    world = World(100)
    world.fold(60)
    zombie = world.watermarks
    world.flush()
    world.start_worker()
    world.fold(20)
    world.write()

    asyncio.run(zombie.write())

    assert world.start_worker() == 20, "not where the zombie had come to before all was lost"


def test_it_is_told_how_long_a_rewind_goes_on() -> None:
    world = World(100)
    world.fold(60)
    assert not world.rewind.is_rewinding()

    world.flush()
    world.start_worker()
    told = []
    for _ in range(4):
        told.append(world.rewind.is_rewinding())
        world.fold(20)

    assert told == [True, True, True, False]


EVENTS = 120
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("fold"), st.integers(1, 30)),
        st.tuples(st.sampled_from(["write", "save", "crash", "uncommitted"]), st.just(0)),
        st.tuples(st.just("restore"), st.integers(0, 5)),
        st.tuples(st.just("flush"), st.integers(0, 20)),
    ),
    max_size=40,
)


@settings(max_examples=300)
@given(STEPS)
def test_whatever_is_killed_restored_or_emptied_sessions_and_profiles_are_the_fold_of_the_log(
    steps: list[tuple[str, int]],
) -> None:
    world, copies = World(EVENTS), list[MemorySessionStore]()
    copies.append(world.saved())
    for step, number in steps:
        match step:
            case "fold":
                world.fold(number)
            case "uncommitted":
                world.fold(7, commit=False)
                world.start_worker()
            case "write":
                world.write()
            case "save":
                copies.append(world.saved())
            case "crash":
                world.start_worker()
            case "restore":
                world.restore(copies[-1 - number % len(copies)])
                with pytest.raises(InvariantError):
                    world.go_on(1)
                world.start_worker()
            case "flush":
                world.flush()
                with pytest.raises(InvariantError):
                    world.go_on(number)
                world.start_worker()
    world.finish()
    assert world.differs() == []
