"""Laws of a user's profile. That Lua folds alike is shown in tests/state/test_profile_lua.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import traits
from schemas.click import Click, Erase, EraseUser, Event, EventType
from schemas.profile import BOUGHT_MAX, COUNT_MAX, HOUR_MS, LIKED_MAX, Deed, Profile, Trace, concerned, continued, fold
from schemas.session import LATE_MS, RECENT_MAX, Action, Outcome, Position, Session
from schemas.wire import EpochMs
from tests.worlds.histories import START_MS
from tests.worlds.users import interleaved, lane

#: On the hour, so that what is a minute later is in the same one.
NOON = START_MS // HOUR_MS * HOUR_MS


def trace(
    offset: int, item: str = "lamp", kind: EventType = "view", *, now: int = NOON, lag: int = 0, partition: int = 0
) -> Trace:
    click = Click(event_id="e", session_id="s", type=kind, ts=EpochMs(now - lag), item_id=item, user_id="u")
    return Trace(click, now, Position("0badcafe", partition, offset))


def erasure(offset: int, now: int = NOON, partition: int = 0) -> Trace:
    return Trace(None, now, Position("0badcafe", partition, offset))


def folded(traces: Iterable[Trace], profile: Profile | None = None) -> Profile:
    profile = profile or Profile()
    for each in traces:
        profile, _ = fold(profile, each)
    return profile


@settings(max_examples=300)
@given(seed=st.integers(0, 2**32), lanes=st.integers(1, 4), length=st.integers(1, 150))
def test_whatever_order_the_partitions_are_folded_in_the_bytes_are_the_same(seed: int, lanes: int, length: int) -> None:
    random = Random(seed)
    held = [lane(random, "u", partition, length) for partition in range(lanes)]

    one_after_another = folded(each for traces in held for each in traces)
    mixed = [folded(interleaved(random, held)) for _ in range(3)]

    assert {frozenset(traits.encode(each).items()) for each in mixed} == {
        frozenset(traits.encode(one_after_another).items())
    }


@settings(max_examples=100)
@given(seed=st.integers(0, 2**32), length=st.integers(1, 400))
def test_what_is_kept_is_what_one_sum_over_all_of_it_would_keep(seed: int, length: int) -> None:
    """The fold drops as it goes; here everything is summed first, and the latest are taken of that."""
    random = Random(seed)
    traces = interleaved(random, held := [lane(random, "u", partition, length) for partition in range(2)])
    clicks = [each for traces in held for each in traces if each.click and each.click.ts >= each.record_time - LATE_MS]
    erased = max((each.record_time for traces in held for each in traces if each.click is None), default=-HOUR_MS)

    profile = folded(traces)

    sums: Counter[tuple[int, int, bytes]] = Counter()
    for each in clicks:
        if each.click and each.record_time // HOUR_MS > erased // HOUR_MS:
            sums[Deed(each.click.touched[0], each.click.type, each.record_time).place] += 1
    for deeds, at_most, is_purchase in ((profile.bought, BOUGHT_MAX, True), (profile.liked, LIKED_MAX, False)):
        expected = sorted(place for place in sums if (place[1] == 4) is is_purchase)[-at_most:]
        assert [(deed.place, deed.count) for deed in deeds] == [(place, sums[place]) for place in expected]


def test_a_profile_reads_as_it_was_written() -> None:
    profile = folded(
        [trace(1, "靴下"), trace(2, "lamp", "purchase"), erasure(3, NOON - HOUR_MS), trace(0, partition=7)]
    )

    assert traits.decode(traits.encode(profile)) == profile
    assert traits.encode(Profile(guards={"0badcafe.0": 5})) == {b"f": b"1", b"o:0badcafe.0": b"5"}
    assert traits.decode({}) == Profile()


def test_an_hours_deeds_with_an_item_are_one_with_their_number_and_the_time_of_the_last() -> None:
    minute = 60_000
    profile = folded(
        [
            trace(1, now=NOON + 2 * minute),
            trace(2, now=NOON + minute),
            trace(3, now=NOON + HOUR_MS),
            trace(4, kind="cart"),
        ]
    )

    assert [(deed.type, deed.last - NOON, deed.count) for deed in profile.liked] == [
        ("view", 2 * minute, 2),
        ("cart", 0, 1),
        ("view", HOUR_MS, 1),
    ]


def test_views_take_no_purchases_place() -> None:
    bought = [trace(n, f"bought{n}", "purchase") for n in range(BOUGHT_MAX)]
    viewed = [trace(100 + n, f"item{n:03}", now=NOON + HOUR_MS) for n in range(LIKED_MAX + 10)]

    profile = folded([*bought, *viewed])

    assert len(profile.bought) == BOUGHT_MAX
    assert [deed.item_id for deed in profile.liked] == [f"item{n:03}" for n in range(10, LIKED_MAX + 10)]


def test_a_count_stays_within_what_holds_it() -> None:
    full = Profile(liked=(Deed("lamp", "view", NOON, COUNT_MAX),))

    assert folded([trace(1)], full).liked[0].count == COUNT_MAX


def test_an_erasure_forgets_its_whole_hour_and_what_was_before_and_nothing_later() -> None:
    """Whether the later is folded before it or after: another partition may be ahead."""
    before, within = trace(1, "before", now=NOON - 1), trace(2, "within", now=NOON + HOUR_MS - 1)
    later = trace(3, "later", now=NOON + HOUR_MS)
    order = erasure(0, NOON + 1, partition=1)

    for each in ([before, within, later, order], [order, before, within, later], [before, order, within, later]):
        profile = folded(each)
        assert [deed.item_id for deed in profile.liked] == ["later"]
        assert profile.erased == NOON + 1


def test_what_was_forgotten_stays_so_whatever_is_delivered_again() -> None:
    traces = [trace(1), trace(2, kind="purchase"), erasure(3), trace(9, now=NOON + HOUR_MS)]
    kept = folded(traces)
    zombie = trace(4, "old", now=NOON)

    assert folded([*traces, zombie, *traces], kept) == kept
    assert fold(Profile(erased=NOON), zombie)[1] is Outcome.FORGOTTEN


@pytest.mark.parametrize(("lag", "outcome"), [(LATE_MS, Outcome.APPLIED), (LATE_MS + 1, Outcome.LATE)])
def test_what_is_late_for_a_session_is_late_for_its_user(lag: int, outcome: Outcome) -> None:
    assert fold(Profile(), trace(1, lag=lag))[1] is outcome


CLICK = Click(event_id="e", session_id="s", type="view", ts=EpochMs(1), item_id="i", user_id="u")


@pytest.mark.parametrize(
    ("event", "user_id"),
    [
        (CLICK, "u"),
        (EraseUser("u"), "u"),
        (msgspec.structs.replace(CLICK, type="purchase"), "u"),
        (msgspec.structs.replace(CLICK, user_id=None), None),
        (msgspec.structs.replace(CLICK, consent=False), None),
        (msgspec.structs.replace(CLICK, type="remove"), None),
        (msgspec.structs.replace(CLICK, type="impression"), None),
        (Erase("s"), None),
    ],
)
def test_only_deeds_with_a_user_and_consent_concern_a_profile(event: Event, user_id: str | None) -> None:
    assert concerned(event) == user_id


def test_a_profile_tells_of_each_item_the_last_deed() -> None:
    profile = folded([trace(1), trace(2, "sofa", now=NOON + 1), trace(3, kind="purchase", now=NOON + HOUR_MS)])

    assert profile.actions() == (Action("sofa", "view", NOON + 1), Action("lamp", "purchase", NOON + HOUR_MS))


def test_a_session_continues_its_users_history_without_what_it_has_touched_itself() -> None:
    session = Session(recent=(Action("lamp", "view", NOON + 5), Action("mug", "view", NOON + 6)))
    earlier = [Action("lamp", "purchase", NOON), Action("sofa", "view", NOON + 1)]

    whole = continued(session, earlier)

    assert [action.item_id for action in whole.recent] == ["sofa", "lamp", "mug"]
    assert continued(session, ()) == session
    many = [Action(f"item{n}", "view", n) for n in range(RECENT_MAX)]
    assert continued(session, many).recent == (*many[2:], *session.recent), "what is oldest gives way"
