"""Laws of the fold. That Lua folds alike is shown in tests/state/test_sessions.py."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from schemas import facts
from schemas.click import Click, Erase, EventType
from schemas.session import (
    AGE_MS,
    FUTURE_MS,
    IDLE_MS,
    LATE_MS,
    RECENT_MAX,
    SHOWN_MAX,
    Outcome,
    Position,
    Record,
    Session,
    State,
    fold,
)
from schemas.wire import EpochMs
from tests.worlds.histories import START_MS, history


def record(
    offset: int,
    item: str = "lamp",
    kind: EventType = "view",
    *,
    now: int = START_MS,
    ts: int | None = None,
    event_id: str | None = None,
    consent: bool = True,
    partition: int = 0,
) -> Record:
    event = Click(
        event_id=event_id or f"e{partition}-{offset}",
        session_id="s",
        type=kind,
        ts=EpochMs(now if ts is None else ts),
        item_id=item,
        consent=consent,
    )
    return Record(event, now, Position("0badcafe", partition, offset))


def erasure(offset: int, now: int = START_MS) -> Record:
    return Record(Erase("s"), now, Position("0badcafe", 0, offset))


def folded(*records: Record) -> Session:
    state = after(State(), *records)
    assert state.session is not None
    return state.session


def after(state: State, *records: Record) -> State:
    for each in records:
        state, _ = fold(state, each)
    return state


def outcome(state: State, last: Record) -> Outcome:
    return fold(state, last)[1]


def test_each_type_of_event_does_what_the_contract_says() -> None:
    session = folded(
        record(1, "a"),
        record(2, "b", "cart"),
        record(3, "c", "cart"),
        record(4, "c", "remove"),
        record(5, "b", "purchase"),
        record(6, "d", "like"),
        record(7, "e", "impression"),
    )

    assert [(action.item_id, action.type) for action in session.recent] == [
        ("a", "view"),
        ("b", "cart"),
        ("c", "cart"),
        ("b", "purchase"),
        ("d", "like"),
    ]
    assert session.cart == ()
    assert session.bought == ("b",)
    assert session.shown == ("e",)
    assert session.version == 6
    assert session.trigger is not None
    assert session.trigger.event_id == "e0-6"


def test_an_impression_or_an_empty_removal_raises_no_version_but_moves_the_guard() -> None:
    state = after(State(), record(1))

    state, seen = fold(state, record(2, kind="impression"))
    state, removed = fold(state, record(3, "never carted", "remove"))

    assert (seen, removed) == (Outcome.UNCHANGED, Outcome.UNCHANGED)
    assert state.session is not None
    assert state.session.version == 1
    assert state.session.guards == {"0badcafe.0": 3}


def test_an_impression_shows_all_its_items_the_latest_last() -> None:
    items = tuple(f"i{n}" for n in range(30))
    event = Click(event_id="x", session_id="s", type="impression", ts=EpochMs(START_MS), items=items)
    session = folded(record(1), Record(event, START_MS, Position("0badcafe", 0, 2)), record(3, "i0", "impression"))

    assert session.shown == (*items[1:], "i0")


def test_silence_in_record_time_begins_a_new_incarnation() -> None:
    before = after(State(), record(1), record(2, "sofa", "cart", now=START_MS + 60_000))

    same = after(before, record(3, now=START_MS + 60_000 + IDLE_MS))
    new = after(before, record(3, now=START_MS + 60_001 + IDLE_MS))

    assert same.session is not None
    assert same.session.version == 3
    assert new.session is not None
    assert new.session.version == 1
    assert new.session.started == START_MS + 60_001 + IDLE_MS
    assert new.session.cart == ()


def test_a_busy_session_is_a_new_incarnation_after_a_day() -> None:
    steps = [record(n, now=START_MS + n * 600_000) for n in range(AGE_MS // 600_000 + 2)]

    session = folded(*steps)

    assert session.started == steps[-1].record_time
    assert session.version == 1


def test_the_same_event_id_counts_once_within_an_incarnation() -> None:
    state = after(State(), record(1, event_id="twin"))

    assert outcome(state, record(2, event_id="twin")) is Outcome.DUPLICATE
    assert outcome(state, record(2, event_id="twin", partition=1)) is Outcome.DUPLICATE
    assert outcome(state, record(2, event_id="twin", now=START_MS + IDLE_MS + 1)) is Outcome.APPLIED


@pytest.mark.parametrize(
    ("skew", "expected"),
    [
        (-LATE_MS - 1, Outcome.LATE),
        (-LATE_MS, Outcome.APPLIED),
        (FUTURE_MS, Outcome.APPLIED),
        (FUTURE_MS + 1, Outcome.CLAMPED),
    ],
)
def test_a_shoppers_clock_is_believed_within_limits(skew: int, expected: Outcome) -> None:
    state, said = fold(State(), record(1, ts=START_MS + skew))

    assert said is expected
    assert state.session is not None
    assert [action.ts for action in state.session.recent] == (
        [] if expected is Outcome.LATE else [START_MS + min(skew, FUTURE_MS)]
    )


def test_an_event_without_consent_erases() -> None:
    state, said = fold(after(State(), record(1), record(2)), record(3, consent=False))

    assert said is Outcome.ERASED
    assert state.session is None


def test_nothing_of_before_an_erasure_comes_back() -> None:
    before = [record(1), record(2, "sofa", "cart"), record(1, partition=1)]
    state = after(State(), *before, erasure(3, START_MS + 10))

    assert {outcome(state, each) for each in before} == {Outcome.FORGOTTEN}
    assert outcome(state, erasure(3, START_MS + 10)) is Outcome.STALE
    assert after(state, *before, erasure(3)).session is None


def test_a_session_begun_after_its_erasure_survives_a_redelivery_of_it() -> None:
    order = erasure(3, START_MS)
    anew = record(1, now=START_MS + 5, partition=1)
    state = after(State(), record(1), order, anew)

    again = after(state, order)

    assert again == state
    assert again.session is not None


@pytest.mark.parametrize("events", [100_000, pytest.param(1_000_000, marks=pytest.mark.chaos)])
def test_a_million_clicks_weigh_what_fifty_do(events: int) -> None:
    """P4, every list full, with ids of nine digits."""
    state, heaviest = State(), 0
    for n in range(events):
        kind: EventType = ("view", "cart", "purchase", "impression", "like")[n % 5]
        state, _ = fold(state, record(n, f"{n:09}", kind, now=START_MS + n * 10))
        if n % 1_000 == 0 and state.session is not None:
            packed = facts.encode(state.session)
            heaviest = max(heaviest, sum(map(len, packed)) + sum(map(len, packed.values())))

    assert state.session is not None
    assert len(state.session.recent) == RECENT_MAX
    assert len(state.session.shown) == SHOWN_MAX
    assert heaviest <= 4 * 1024


@given(st.integers(0, 2**32), st.integers(1, 80))
def test_the_hash_in_redis_says_all_there_is_to_say(seed: int, length: int) -> None:
    for each in history(Random(seed), "s", length):
        state, _ = fold(State(), each)
        if state.session is not None:
            assert facts.decode(facts.encode(state.session)) == state.session
        if state.erased is not None:
            assert facts.decode_erased(facts.encode_erased(state.erased)) == state.erased


@given(st.integers(0, 2**32), st.integers(-86_400_000, 86_400_000), st.integers(1, 10))
def test_disorder_and_skew_break_no_bound(seed: int, skew: int, distance: int) -> None:
    """P2: clocks a day off, records up to ten places out of order."""
    random = Random(seed)
    records = history(random, "s", 60)
    events = [_skewed(each.event, skew) for each in records]
    for at in range(len(events)):
        other = min(len(events) - 1, at + random.randint(0, distance))
        events[at], events[other] = events[other], events[at]
    records = [replace(each, event=event) for each, event in zip(records, events, strict=True)]

    state = State()
    for each in records:
        before = state
        state, said = fold(state, each)
        if said in (Outcome.LATE, Outcome.DUPLICATE, Outcome.STALE, Outcome.FORGOTTEN):
            assert _version(state) == _version(before)
        if state.session is not None:
            if said in (Outcome.APPLIED, Outcome.CLAMPED):
                assert state.session.trigger is not None
                assert -LATE_MS <= state.session.trigger.ts - each.record_time <= FUTURE_MS
            assert len(set(state.session.shown)) == len(state.session.shown)


def _skewed(event: Click | Erase, skew: int) -> Click | Erase:
    if isinstance(event, Erase):
        return event
    return Click(
        **{name: getattr(event, name) for name in Click.__struct_fields__} | {"ts": EpochMs(max(0, event.ts + skew))}
    )


def _version(state: State) -> int:
    return state.session.version if state.session else 0


class Deliveries(RuleBasedStateMachine):
    """P1: workers that come and go, hang, wake as zombies and rewind, over one partition and one store.

    Each applies a contiguous run that begins at or before what is stored, as an owner of a partition does;
    the store must at all times hold the fold of a prefix of the topic.
    """

    @initialize(seed=st.integers(0, 2**32), length=st.integers(5, 60))
    def begin(self, seed: int, length: int) -> None:
        topic = [each for each in history(Random(seed), "s", length) if each.position.partition == 0]
        # Offsets as the broker gives them: each record lies once on the topic.
        self.topic = [replace(each, position=replace(each.position, offset=at)) for at, each in enumerate(topic)]
        self.prefixes = [State()]
        for each in self.topic:
            self.prefixes.append(fold(self.prefixes[-1], each)[0])
        self.stored = State()
        self.applied = 0
        self.cursors = [0, 0, 0]

    @rule(worker=st.integers(0, 2), count=st.integers(1, 10))
    def deliver(self, worker: int, count: int) -> None:
        start = min(self.cursors[worker], self.applied)
        for each in self.topic[start : start + count]:
            self.stored, _ = fold(self.stored, each)
        self.cursors[worker] = min(start + count, len(self.topic))
        self.applied = max(self.applied, self.cursors[worker])

    @rule(worker=st.integers(0, 2), back=st.integers(0, 20))
    def rewind(self, worker: int, back: int) -> None:
        self.cursors[worker] = max(0, self.applied - back)

    @rule(worker=st.integers(0, 2))
    def restart_at_the_committed_offset(self, worker: int) -> None:
        self.cursors[worker] = min(self.cursors)

    @invariant()
    def what_is_stored_is_the_fold_of_a_prefix(self) -> None:
        if hasattr(self, "topic"):
            assert self.stored == self.prefixes[self.applied]


def test_any_interleaving_of_deliveries_is_the_fold_of_a_prefix() -> None:
    run_state_machine_as_test(Deliveries, settings=settings(max_examples=100, stateful_step_count=50))


@pytest.mark.chaos
def test_any_interleaving_of_deliveries_is_the_fold_of_a_prefix_at_length() -> None:
    run_state_machine_as_test(Deliveries, settings=settings(max_examples=1_000, stateful_step_count=50))
