"""Laws of the pending set: no session at version N without the list for N."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from schemas import facts
from schemas.session import Outcome, Session
from serving.state.sessions import Folded, Mark
from stream.pending import Pending

LANE = "0badcafe.0"


def folded(session_id: str, version: int, seen: int = 0) -> Folded:
    return Folded(session_id, (Outcome.APPLIED,), facts.encode(Session(started=1, seen=seen, version=version)), None)


def test_a_session_is_marked_once_however_many_events_come() -> None:
    pending = Pending()

    assert pending.expect("s", LANE, 5) == Mark(LANE, "s", 5)
    assert pending.expect("s", LANE, 6) is None


def test_no_two_marks_are_equal() -> None:
    pending = Pending()
    first = pending.expect("s", LANE, 5)
    assert pending.dismiss("s") == first

    again = pending.expect("s", LANE, 5)

    assert again is not None
    assert again != first


def test_those_who_wait_longest_are_ranked_first() -> None:
    pending = Pending()
    for name in ("a", "b", "c"):
        pending.expect(name, LANE, 1)
        pending.offer(folded(name, 1))
    pending.expect("a", LANE, 2)
    pending.offer(folded("a", 2))

    taken = pending.take(2)

    assert [entry.session_id for entry in taken] == ["a", "b"]
    assert facts.incarnation(taken[0].facts) == (1, 2), "several events of one session are ranked once"


def test_who_clicked_last_is_ranked_first_where_not_everybody_can_be_in_time() -> None:
    pending = Pending()
    for name in ("a", "b", "c", "a"):
        pending.expect(name, LANE, 1)
        pending.offer(folded(name, 1))

    assert [entry.session_id for entry in pending.take(2, latest=True)] == ["a", "c"]
    assert [entry.session_id for entry in pending.take(2)] == ["b"]


def test_a_state_that_another_takes_the_place_of_is_told() -> None:
    pending = Pending()
    pending.expect("s", LANE, 1)

    assert [pending.offer(folded("s", version)) for version in (1, 2)] == [False, True]
    pending.take(1)
    assert pending.offer(folded("s", 3)) is False, "the state before it is being ranked"


def test_who_has_been_silent_for_long_gives_way_and_is_owed_nothing() -> None:
    pending = Pending()
    marks = [pending.expect(name, LANE, 1) for name in ("gone", "there")]
    pending.offer(folded("gone", 1, seen=99))
    pending.offer(folded("there", 1, seen=100))

    assert pending.shed(100) == {"gone": marks[0]}

    assert [entry.session_id for entry in pending.take(9)] == ["there"]
    pending.expect("gone", LANE, 2)
    pending.offer(folded("gone", 2, seen=101))
    assert [entry.session_id for entry in pending.take(9)] == ["gone"], "the next click brings the shopper back"


def test_who_gives_way_keeps_the_mark_while_a_list_is_on_its_way() -> None:
    pending = Pending()
    mark = pending.expect("s", LANE, 1)
    pending.offer(folded("s", 1))
    pending.take(1)
    pending.ranked("s", sending=True)
    pending.expect("s", LANE, 1)
    pending.offer(folded("s", 2))

    assert pending.shed(1) == {"s": None}
    assert mark is not None
    assert pending.sent(mark) == mark


def test_an_event_that_comes_while_its_session_is_ranked_keeps_it_pending() -> None:
    pending = Pending()
    pending.expect("s", LANE, 1)
    pending.offer(folded("s", 1))
    pending.take(1)
    pending.expect("s", LANE, 2)
    assert pending.ranked("s", sending=True) is None
    mark = pending.mark_of("s")
    assert mark is not None
    assert pending.sent(mark) is None, "the event is still being folded"
    pending.offer(folded("s", 2))

    assert [facts.incarnation(entry.facts)[1] for entry in pending.take(9)] == [2]


def test_a_lane_that_went_to_another_worker_is_forgotten() -> None:
    pending = Pending()
    pending.expect("ours", LANE, 1)
    mark = pending.expect("theirs", "0badcafe.1", 1)
    assert mark is not None
    pending.offer(folded("theirs", 1))

    assert pending.release("0badcafe.1") == ["theirs"]

    assert len(pending) == 1
    assert pending.take(9) == []
    assert pending.sent(mark) is None


class Shop(RuleBasedStateMachine):
    """Events, rankings, deliveries, crashes and rebalances in any order, against what a shopper may rely on."""

    sessions = st.sampled_from(["a", "b", "c"])

    def __init__(self) -> None:
        super().__init__()
        self.pending = Pending()
        self.now = 0
        #: What Redis holds: marks, versions, and for which version a list was published.
        self.marked: dict[str, Mark] = {}
        self.version = dict.fromkeys("abc", 0)
        self.out = dict.fromkeys("abc", 0)
        #: Up to which version nobody is owed a list, for the shopper has gone.
        self.shed = dict.fromkeys("abc", 0)
        self.in_ranking: list[tuple[str, int]] = []
        self.sending: list[tuple[str, int, Mark | None]] = []

    def mark(self, mark: Mark | None) -> None:
        if mark is not None:
            self.marked[mark.session_id] = mark

    def settle(self, mark: Mark | None) -> None:
        if mark is not None and self.marked.get(mark.session_id) == mark:
            del self.marked[mark.session_id]

    @rule(session=sessions, changes=st.booleans())
    def event(self, session: str, changes: bool) -> None:
        self.mark(self.pending.expect(session, LANE, self.now))
        if changes:
            self.version[session] += 1
            self.pending.offer(folded(session, self.version[session], self.now))
        else:
            self.settle(self.pending.dismiss(session))

    @rule(session=sessions)
    def erase_or_the_like(self, session: str) -> None:
        """Nothing to rank, and word of it to be sent."""
        self.mark(self.pending.expect(session, LANE, self.now))
        self.settle(self.pending.dismiss(session, sending=True))
        self.sending.append((session, 0, self.pending.mark_of(session)))

    @precondition(lambda self: not self.in_ranking)  # one batch is ranked at a time
    @rule(count=st.integers(1, 3), latest=st.booleans())
    def begin_ranking(self, count: int, latest: bool = False) -> None:
        taken = self.pending.take(count, latest=latest)
        self.in_ranking += [(each.session_id, facts.incarnation(each.facts)[1]) for each in taken]

    @rule(ago=st.integers(0, 2))
    def give_up_the_silent(self, ago: int) -> None:
        for session, mark in self.pending.shed(self.now - ago).items():
            self.shed[session] = self.version[session]
            self.settle(mark)

    @precondition(lambda self: self.in_ranking)
    @rule(data=st.data(), refused=st.booleans())
    def end_ranking(self, data: st.DataObject, refused: bool) -> None:
        session, version = self.in_ranking.pop(data.draw(st.integers(0, len(self.in_ranking) - 1)))
        # The store refuses only what something newer has replaced, or what is gone.
        refused = refused and version < self.version[session]
        self.settle(self.pending.ranked(session, sending=not refused))
        if not refused:
            self.sending.append((session, version, self.pending.mark_of(session)))

    @precondition(lambda self: self.sending)
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        session, version, mark = self.sending.pop(data.draw(st.integers(0, len(self.sending) - 1)))
        self.out[session] = max(self.out[session], version)
        if mark is not None:
            self.settle(self.pending.sent(mark))

    @rule()
    def crash(self) -> None:
        """Whatever was under way is gone; the next worker finds what Redis holds."""
        self.pending, self.in_ranking, self.sending = Pending(), [], []
        self.adopt()

    @rule()
    def rebalance(self) -> None:
        """The lane goes and comes back, while rankings and deliveries of before are still under way."""
        self.pending.release(LANE)
        self.adopt()

    def adopt(self) -> None:
        for session, theirs in sorted(self.marked.items()):
            self.now = max(self.now, theirs.since + 1)
            self.mark(self.pending.expect(session, LANE, self.now))
            self.pending.offer(folded(session, self.version[session], self.now))

    @rule(by=st.integers(0, 2))
    def time_passes(self, by: int) -> None:
        self.now += by

    @invariant()
    def who_lacks_the_list_for_its_version_is_marked_for_whoever_comes_next(self) -> None:
        for session, version in self.version.items():
            assert max(self.out[session], self.shed[session]) == version or session in self.marked

    def teardown(self) -> None:
        """Once nothing more happens, everybody has the list for their version and nobody is marked."""
        for _ in range(5):
            if not self.in_ranking:
                self.begin_ranking(3)
            while self.in_ranking:
                session, version = self.in_ranking.pop()
                self.settle(self.pending.ranked(session, sending=True))
                self.sending.append((session, version, self.pending.mark_of(session)))
            while self.sending:
                session, version, mark = self.sending.pop()
                self.out[session] = max(self.out[session], version)
                if mark is not None:
                    self.settle(self.pending.sent(mark))
        assert {session: max(self.out[session], self.shed[session]) for session in "abc"} == self.version
        assert self.marked == {}
        assert len(self.pending) == 0


def test_no_order_of_things_loses_a_list() -> None:
    run_state_machine_as_test(Shop, settings=settings(max_examples=200, stateful_step_count=40))


@pytest.mark.chaos
def test_no_order_of_things_loses_a_list_at_length() -> None:
    run_state_machine_as_test(Shop, settings=settings(max_examples=3_000, stateful_step_count=80))
